"""Opening what is looked at, without Qt: atlases, runs, published files; and the weights that are still missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.errors import CytosaeError, PluginError
from cytosae_toolkit.progress import SILENT, Progress
from napari_cytosae._words import spoken

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.interfaces.specs import BackboneSpec, WeightsFile

_BYTES = 4  # of a weight
_BLOCK = 12  # weights of a transformer block, in squares of the token length


@dataclass(frozen=True)
class MissingWeights:
    """Weights that are not on this computer.

    Parameters
    ----------
    backbone : str
        That needs them.
    file : WeightsFile or None
        Where they are published; None if a library fetches them by itself.
    size : int or None
        Bytes, where known.
    exact : bool
        Whether the size is the publisher's, or computed from the architecture.
    license : str
        Of the weights.
    """

    backbone: str
    file: WeightsFile | None
    size: int | None
    exact: bool
    license: str

    def question(self) -> str:
        """Return the question that is asked before they are downloaded."""
        about = "an unknown number of" if self.size is None else f"{'' if self.exact else 'about '}{_mb(self.size)}"
        place = "" if self.file is None else f" from {self.file.url.split('/')[2]}"
        return (
            f"To look at new images this model needs the weights of {self.backbone}, which are not on this computer. "
            f"Download them now? {about} MB{place}, licence: {self.license}; kept for the next time."
        )


@dataclass(frozen=True, eq=False)
class Opened:
    """What a path held.

    Parameters
    ----------
    path : Path
        That was opened.
    explorer : Explorer or None
        None for statistics without an SAE.
    atlas : Atlas or None
        None for a run.
    missing : MissingWeights or None
        What is needed before new images can be looked at.
    no_model : str
        Why an atlas has no explorer although it carries an SAE: a plugin is not installed.
    """

    path: Path
    explorer: Explorer | None
    atlas: Atlas | None
    missing: MissingWeights | None
    no_model: str = ""


def open_source(path: str | Path, *, device: str = "auto", progress: Progress = SILENT) -> Opened:
    """Open an atlas, packed or not, or a run; downloads nothing.

    An atlas whose backbone or SAE needs a plugin that is not installed is opened without its model.

    Parameters
    ----------
    path : str or Path
        ``NAME.atlas.zarr``, the ZIP that `atlas pack` made, or a run folder.
    device : str
        Where to compute.
    progress : Progress
        Where to report.

    Raises
    ------
    CytosaeError
        If it is none of these, or damaged.
    """
    from napari_cytosae._imports import import_heavy

    import_heavy()
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.training.run import is_run, load_run

    path = Path(path).expanduser()
    with progress.task(f"Opening {path.name}", 3, "steps") as task:
        atlas = None if path.is_dir() and is_run(path) else open_atlas(path)
        task.advance()
        if atlas is not None:
            _ = atlas.statistics  # read here, not when the first widget asks
        task.advance()
        if atlas is not None and not has_sae(atlas):
            return Opened(path, None, atlas, None)
        explorer = Explorer(load_run(path) if atlas is None else atlas, device=device, offline=True)
        try:
            _ = explorer.image_fit, explorer.sae
            missing = missing_weights(explorer)
        except PluginError as error:
            if atlas is None:
                raise
            return Opened(path, None, atlas, None, spoken(error))
        task.advance()
    return Opened(path, explorer, atlas, missing)


def has_sae(atlas: Atlas) -> bool:
    """Say whether an atlas carries its SAE; published statistics do not."""
    return atlas.has_images and atlas.record.get("layer") is not None


def missing_weights(explorer: Explorer) -> MissingWeights | None:
    """Return what an explorer's backbone would have to download, None if nothing."""
    from cytosae_toolkit.plugins import registry

    part, options = registry().from_record(explorer.run.record["plugins"]["backbone"])
    return missing_of(part.spec, options.model_dump(), lambda: explorer.backbone)


def missing_of(spec: Any, options: dict[str, Any], create: Any = None) -> MissingWeights | None:
    """Return what a backbone of these options would have to download, None if nothing.

    Parameters
    ----------
    spec : BackboneSpec
        The backbone.
    options : dict
        Its options.
    create : callable, optional
        Creates it without downloading; tried where it fetches its weights by a library of its own.
    """
    from cytosae_toolkit.weights import weights_path

    if options.get("checkpoint") is not None or options.get("untrained"):
        return None
    if spec.weights:
        file = spec.weights[0]
        if weights_path(file).exists():
            return None
        exact = file.size is not None
        return MissingWeights(spec.name, file, file.size if exact else least_size(spec), exact, spec.weights_license)
    try:
        if create is not None:
            create()
    except CytosaeError as error:
        if "offline" not in str(error):
            raise
        return MissingWeights(spec.name, None, least_size(spec), False, spec.weights_license)
    return None


def least_size(spec: BackboneSpec) -> int | None:
    """Return the bytes of a transformer's weights in single precision, None if its size is not known beforehand."""
    if spec.d_model is None or spec.layers is None:
        return None
    return _BLOCK * _BYTES * spec.layers * spec.d_model**2


def _mb(size: int) -> str:
    return f"{max(1, round(size / 1e6)):,}"


def fetch(missing: MissingWeights, explorer: Explorer | None, progress: Progress) -> None:
    """Download weights after the user agreed.

    Raises
    ------
    CytosaeError
        If they cannot be downloaded: says what to do.
    """
    from cytosae_toolkit.weights import fetch_weights, show_downloads

    if missing.file is not None:
        fetch_weights(missing.file, progress=progress)
    elif explorer is not None:
        with show_downloads(progress):
            explorer.run.backbone(device="cpu", offline=False)


def import_published(path: Path, out: Path, progress: Progress = SILENT) -> Path:
    """Turn what the authors of CytoSAE publish into a run or an atlas, and return it; executes nothing in the files.

    Parameters
    ----------
    path : Path
        A checkpoint (``.pt``), or the folder of statistics of one image set.
    out : Path
        Folder in which it is put; what is there already is opened as it is.
    """
    from cytosae_toolkit.atlas.published import import_statistics
    from cytosae_toolkit.training import import_checkpoint

    with progress.task(f"Reading {path.name}", 1, "files") as task:
        target = out / (f"{path.name}.atlas.zarr" if path.is_dir() else path.stem)
        if not target.exists():
            out.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                import_statistics(path, target)
            else:
                import_checkpoint(path, target)
        task.advance()
    return target
