"""Build an atlas: at once, in shards that are merged, or by adding an image set to one that exists."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.atlas.assembly import Assembly
from cytosae_toolkit.atlas.build_checks import check_parts, refuse_known_images, refuse_known_sets
from cytosae_toolkit.atlas.build_folder import (
    building_folder,
    checked_out,
    exclusive,
    make_room,
    or_nothing,
    part_folders,
    refuse_other_ranks,
    refuse_unfinished,
)
from cytosae_toolkit.atlas.extending import AtlasSource
from cytosae_toolkit.atlas.part import Part
from cytosae_toolkit.atlas.plan import BuildPlan, Rules, parse_shard, prepare_images, with_sets
from cytosae_toolkit.atlas.reading import Atlas, open_atlas
from cytosae_toolkit.atlas.sources import PartSource, Source
from cytosae_toolkit.atlas.streaming import build_part
from cytosae_toolkit.distributed import ALONE, Ranks
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.training.image_fit import ImageFit

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.tokens import LiveView, TokenView
    from cytosae_toolkit.training.run import Run


@dataclass(frozen=True)
class Work:
    """How a build works; nothing of it changes the result.

    Parameters
    ----------
    device : str
        Where to compute.
    workers : int, optional
        Decoding threads.
    offline : bool
        Forbid downloads.
    token_options : mapping
        Passed to `cytosae_toolkit.tokens.token_source`: `store`, `no_store`, `strict`.
    progress : Progress
        Whom to tell.
    stop : callable
        Asked between blocks; True ends the work, and what is complete is kept.
    ranks : Ranks
        The processes that call `build_atlas` with the same arguments, but for the device; each builds a shard.
    """

    device: str = "auto"
    workers: int | None = None
    offline: bool = False
    token_options: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = SILENT
    stop: Callable[[], bool] = lambda: False
    ranks: Ranks = ALONE


def build_atlas(
    run: Run | str | Path,
    images: ImageTable | str | Path,
    out: str | Path,
    *,
    top: int = 10,
    aggregator: str = "count",
    aggregator_options: Mapping[str, Any] | None = None,
    set_name: str | None = None,
    resume: bool = False,
    force: bool = False,
    work: Work | None = None,
) -> Atlas:
    """Build the atlas of an SAE over an image set, in one pass over its tokens.

    Parameters
    ----------
    run : Run, str or Path
        A finished run; its SAE is copied into the atlas.
    images : ImageTable, str or Path
        Any images, or what `read_images` reads; unreadable ones are left out. Without the column `group`,
        near-duplicates are looked for.
    out : str or Path
        ``NAME.atlas.zarr``; appears when it is whole. While it is built, ``NAME.atlas.zarr.building`` lies beside it.
    top : int
        Reference images per latent and image set.
    aggregator : str
        From patches to the values in `X`; ``"count"`` is Eq. 2.
    aggregator_options : mapping, optional
        Its options, such as ``{"threshold": 0.2}``.
    set_name : str, optional
        Name of the image set; by default the column `dataset`, else the name of the source.
    resume : bool
        Go on with a build that was stopped.
    force : bool
        Begin again, and replace an atlas that exists.
    work : Work, optional
        Device, token store, progress.

    Returns
    -------
    Atlas

    Raises
    ------
    CytosaeError
        If `out` exists, another process builds it, the images or the run do not fit, or the disk is full.
    """
    out, work = checked_out(out), work or Work()
    ranks = work.ranks
    with exclusive(out) if ranks.first else nullcontext():
        if ranks.first:
            make_room(out, resume=resume, force=force)
            refuse_other_ranks(building_folder(out), ranks.size)
        ranks.barrier()
        run, rules = _opened(run), Rules(top, aggregator, dict(aggregator_options or {}))
        images = prepare_images(_table(images), set_name=set_name, workers=work.workers)
        folders = part_folders(out, ranks.size)
        _stream(BuildPlan(run, images, rules, (ranks.rank, ranks.size)), folders[ranks.rank], work)
        del images  # its parts know what the atlas says of them
        ranks.barrier()
        if ranks.first:
            _finish(run, [Part(folder) for folder in folders], out, work.progress, replace=force)
        ranks.barrier()
    return open_atlas(out)


def _finish(run: Run, parts: Sequence[Part], out: Path, progress: Progress, *, replace: bool) -> None:
    """Join the parts of a build; images that can make no atlas leave nothing behind to go on with."""
    check_parts(parts)
    with or_nothing(building_folder(out)):
        assembly = assembly_of(run, _filled(parts), progress)
    assembly.write(out, replace=replace)
    shutil.rmtree(building_folder(out))


def _filled(parts: Sequence[Part]) -> Sequence[Part]:
    """Return the parts that have images; more shards than blocks leave some empty."""
    return [part for part in parts if len(part.images())] or parts


def build_shard(
    run: Run | str | Path,
    images: ImageTable | str | Path,
    out: str | Path,
    shard: Sequence[int],
    *,
    top: int = 10,
    aggregator: str = "count",
    aggregator_options: Mapping[str, Any] | None = None,
    set_name: str | None = None,
    resume: bool = False,
    force: bool = False,
    work: Work | None = None,
) -> Part:
    """Build one shard of an atlas into the folder `out`; `merge_parts` joins them. Arguments as `build_atlas`."""
    out, work = Path(out), work or Work()
    with exclusive(out):
        if out.exists() and force:
            shutil.rmtree(out)
        if out.exists() and not resume:
            raise CytosaeError(f"{out} exists already.", "Go on with --resume, or begin again with --force.")
        rules, table = Rules(top, aggregator, dict(aggregator_options or {})), _table(images)
        table = prepare_images(table, set_name=set_name, workers=work.workers)
        return _stream(BuildPlan(_opened(run), table, rules, parse_shard(shard)), out, work)


def merge_parts(
    parts: Sequence[str | Path], out: str | Path, *, force: bool = False, progress: Progress = SILENT
) -> Atlas:
    """Join the shards of one build into an atlas: the same, bit for bit, as built at once.

    Raises
    ------
    CytosaeError
        If shards are missing, not finished, or of different builds.
    """
    out = checked_out(out)
    opened = sorted((Part(Path(path)) for path in parts), key=lambda part: part.shard)
    check_parts(opened)
    with exclusive(out):
        make_room(out, resume=True, force=force)
        run = _run_of(opened[0].path / "run")
        assembly_of(run, _filled(opened), progress).write(out, replace=force)
    return open_atlas(out)


def add_images(
    atlas: Atlas,
    images: ImageTable | str | Path,
    *,
    set_name: str | None = None,
    resume: bool = False,
    force: bool = False,
    work: Work | None = None,
) -> Atlas:
    """Put another image set beside those that an atlas has; the same as building it from all of them, in this order.

    Parameters
    ----------
    atlas : Atlas
        Not packed; replaced by the larger one when that is whole.
    images : ImageTable
        Images that it does not have yet.
    set_name, resume, work
        As in `build_atlas`.
    force : bool
        Begin again what was stopped.

    Raises
    ------
    CytosaeError
        If the atlas is packed or holds no images, or has some of these images or a set of this name already.
    """
    work = work or Work()
    if atlas.read_only:
        raise CytosaeError(f"{atlas.path} is packed and cannot grow.", "Add to the atlas that it was packed from.")
    run, table = atlas.run, _table(images)
    with exclusive(atlas.path):
        refuse_known_sets(atlas, with_sets(table, set_name))
        refuse_known_images(atlas, table, work.workers)
        folder = building_folder(atlas.path)
        refuse_unfinished(folder, resume=resume, force=force)
        table = prepare_images(table, set_name=set_name, workers=work.workers)
        aggregator = atlas.record["aggregator"]
        plan = BuildPlan(run, table, Rules(int(atlas.record["top"]), _qualified(aggregator), aggregator["options"]))
        part = _stream(plan, folder, work)
        with or_nothing(folder):
            grown = assembly_of(run, [part], work.progress, before=[AtlasSource(atlas)])
        grown.write(atlas.path, replace=True)
        shutil.rmtree(part.path)
    return open_atlas(atlas.path)


def _stream(plan: BuildPlan, folder: Path, work: Work) -> Part:
    from cytosae_toolkit.devices import resolve_device
    from cytosae_toolkit.tokens import token_source
    from cytosae_toolkit.weights import show_downloads

    device = resolve_device(work.device)
    with work.ranks.in_turn(), show_downloads(work.progress):
        backbone = plan.run.backbone(device=device, offline=work.offline)
    options = {"dtype": plan.run.config.get("token_dtype", "float16")} | dict(work.token_options)
    if not options.get("no_store"):
        options["store"] = options.get("store") or plan.run.own_token_store

    def tokens(images: ImageTable, ranks: Ranks = ALONE) -> TokenView | LiveView:
        return token_source(
            images, backbone, plan.run.layer, demonstration=plan.run.demonstration, workers=work.workers,
            progress=work.progress, stop=work.stop, ranks=ranks, may_be_empty=plan.shard[1] > 1, **options,
        )  # fmt: skip

    if work.ranks.size > 1 and not options.get("no_store"):
        tokens(plan.images, work.ranks)  # shared out evenly, and the same store as one process makes
    return build_part(
        plan, folder, backbone, tokens, device=device, workers=work.workers,
        progress=work.ranks.own_part(work.progress), stop=work.stop,
    )  # fmt: skip


def assembly_of(
    run: Run,
    parts: Sequence[Part],
    progress: Progress,
    before: Sequence[Source] = (),
) -> Assembly:
    """Return what assembles an atlas of complete parts."""
    plan = parts[0].plan
    grid, prefix = tuple(run.record["backbone"]["grid"]), int(run.record["backbone"]["prefix_tokens"])
    patch_size = tuple(plan["patch_size"])
    fit, d_sae = ImageFit.of_run(run), int(run.record["d_sae"])
    return Assembly(
        [*before, *(PartSource(part, d_sae, grid, fit) for part in parts)],
        run,
        grid=grid,
        patch_size=patch_size,
        prefix_tokens=prefix,
        top=int(plan["top"]),
        base={
            "sae_fingerprint": plan["sae_fingerprint"],
            "aggregator": plan["aggregator"],
            "threshold": plan["aggregator"]["options"].get("threshold"),
        },
        progress=progress,
    )


def _opened(run: Run | str | Path) -> Run:
    from cytosae_toolkit.training.run import load_run

    return load_run(run) if isinstance(run, str | Path) else run


def _table(images: ImageTable | str | Path) -> ImageTable:
    from cytosae_toolkit.images import read_images

    return read_images(images) if isinstance(images, str | Path) else images


def _qualified(record: Mapping[str, Any]) -> str:
    return f"{record['distribution']}/{record['name']}"


def _run_of(folder: Path) -> Run:
    from cytosae_toolkit.training.run import Run

    return Run(folder)
