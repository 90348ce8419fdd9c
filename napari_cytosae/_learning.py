"""Learning from a folder of cells, without Qt: an SAE with a small preset, and its atlas; goes on where it stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cytosae._jobs import JobProgress
    from napari_cytosae._sources import MissingWeights

RUN, ATLAS, TOKENS = "model", "cells.atlas.zarr", "tokens"
TRIAL = "nano"
RECOMMENDED = "dinobloom-b"
BACKBONES = (
    (
        "DinoBloom-B, for research",
        "dinobloom-b",
        "Learnt from blood and bone marrow cells; asks before its download.",
    ),
    (
        "DinoBloom-S, smaller and faster",
        "dinobloom-s",
        "Half as wide: faster, less exact; asks before its download.",
    ),
    ("demonstration model, for a trial", "nano", "Comes with the program; what it finds serves trials only."),
)
"""Text, name and tooltip of what cells can be learnt with."""
SMALL: dict[str, Any] = {"expansion": 8.0, "steps": 1000}
"""The small preset: minutes on an ordinary computer, once the images are read."""
TRIAL_THRESHOLD = 0.1
"""τ of the demonstration backbone, whose latents are weaker than those of DinoBloom."""


@dataclass(frozen=True)
class Lesson:
    """What to learn from.

    Parameters
    ----------
    images : str
        Folder of cells, or table.
    out : str
        Folder for model and atlas.
    backbone : str
        Backbone.
    """

    images: str
    out: str
    backbone: str = RECOMMENDED

    def to_json(self) -> dict[str, str]:
        """Return it as JSON."""
        return asdict(self)


def lesson_of(images: Path, backbone: str) -> Lesson:
    """Return the lesson for a folder of cells: what it makes lies beside the folder."""
    return Lesson(str(images), str(images.with_name(f"{images.stem}-concepts-{backbone}")), backbone)


def weights_of(backbone: str) -> MissingWeights | None:
    """Return what a backbone would have to download, None if nothing."""
    from cytosae_toolkit.plugins import registry
    from napari_cytosae._sources import missing_of

    return missing_of(registry().get("backbone", backbone).spec, {})


def learn(lesson: Lesson, progress: JobProgress, *, device: str = "auto", **preset: Any) -> Path:
    """Train an SAE, build its atlas, and return the atlas; what an earlier session completed is kept.

    Parameters
    ----------
    lesson : Lesson
        Images, place, backbone.
    progress : JobProgress
        Where to report; Cancel saves the state.
    device : str
        Where to compute.
    **preset
        Fields of `TrainConfig` that replace those of the small preset.

    Raises
    ------
    CytosaeError
        If there are too few images, weights are missing, or the disk is full.
    """
    out = Path(lesson.out)
    if (out / ATLAS).exists():
        return out / ATLAS
    from napari_cytosae._imports import HEAVY, LEARNING, import_heavy

    import_heavy(HEAVY + LEARNING)
    from cytosae_toolkit.atlas.building import Work, build_atlas
    from cytosae_toolkit.images import read_images
    from cytosae_toolkit.training import TrainConfig, train

    config = TrainConfig(
        images=(lesson.images,), out=out / RUN, backbone=lesson.backbone, tokens=out / TOKENS, device=device,
        offline=True, **(SMALL | preset),
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    run = train(config, resume=True, progress=progress.shown, stop=progress.stop)
    work = Work(
        device=device, offline=True, token_options={"store": out / TOKENS}, progress=progress.shown, stop=progress.stop
    )
    options = {"threshold": TRIAL_THRESHOLD} if run.demonstration else {}
    images = read_images(lesson.images)
    return build_atlas(run, images, out / ATLAS, aggregator_options=options, resume=True, work=work).path
