"""What a run measures of itself once it is trained, for `evaluation.json`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import Progress
from cytosae_toolkit.training.evaluation import measure_images
from cytosae_toolkit.training.image_fit import measure_training_images, training_sample_size
from cytosae_toolkit.training.preparing import Prepared
from cytosae_toolkit.training.trainer import DEAD_WINDOW, Trainer, dead_share

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.tokens import LiveView, TokenView

EVALUATED_TRAINING_IMAGES = 256
SIDES, MEASURED_CELLS = 2048, 128
"""Of how many training images the size is looked at, and of how many the cell."""


def final_metrics(
    prepared: Prepared, view: TokenView | LiveView, sae: SparseAutoencoder, progress: Progress
) -> dict[str, Any]:
    """Measure on the held-out images and on as many training images as are worth the time."""
    rng = np.random.default_rng(prepared.config.seed)
    train = prepared.split.train
    if len(train) > EVALUATED_TRAINING_IMAGES:
        train = np.sort(rng.choice(train, EVALUATED_TRAINING_IMAGES, replace=False))
    found: dict[str, Any] = {"held_out": None}
    for name, indices in (("train", train), ("held_out", prepared.split.held_out)):
        if len(indices):
            measured = measure_images(
                sae,
                view,
                indices,
                prefix_tokens=prepared.backbone.prefix_tokens,
                device=prepared.device,
                progress=progress,
                description=f"Measuring {name.replace('_', '-')} images",
            )
            found[name] = {"n_images": len(indices), **measured.to_json()}
    return found | {"image_fit": _image_fit(prepared, view, sae, progress)}


def _image_fit(
    prepared: Prepared, view: TokenView | LiveView, sae: SparseAutoencoder, progress: Progress
) -> dict[str, Any]:
    """Measure single training images, so that later images can be compared with them."""
    train = prepared.split.train
    with progress.task("Measuring single training images", training_sample_size(train), "images") as task:
        fit = measure_training_images(sae, view, train, seed=prepared.config.seed, device=prepared.device, task=task)
    sides, cell_sizes = _view_of(prepared.images, train)
    return fit.with_view(sides, cell_sizes).to_json()


def _view_of(images: ImageTable, train: NDArray[np.int64]) -> tuple[list[int], list[float]]:
    """Return the longer sides of training images and the shares that their cells cover; missing files are left out."""
    from cytosae_toolkit.images.decode import UnreadableImage, image_size
    from cytosae_toolkit.images.morphology import measure_cell

    sides, cell_sizes = [], []
    for row in _spread(train, SIDES):
        box = images.box(row)
        with suppress(UnreadableImage):
            sides.append(max(box[2] - box[0], box[3] - box[1]) if box else max(image_size(images.path(row))))
    for row in _spread(train, MEASURED_CELLS):
        with suppress(UnreadableImage):
            cell_sizes.append(measure_cell(images.read(row)).cell_size)
    return sides, cell_sizes


def _spread(rows: NDArray[np.int64], n: int) -> list[int]:
    """Return at most `n` of the rows, evenly spread."""
    return [int(row) for row in rows[:: -(-len(rows) // n)]]


def training_facts(trainer: Trainer, first: int, seconds: float) -> dict[str, Any]:
    """Return how far and how fast a session of training came that began after `first` steps."""
    batch = trainer.log.rows[-1] if trainer.log.rows else {"tokens": 0, "step": 1}
    per_step = int(batch["tokens"]) / int(batch["step"])
    done = trainer.step - first
    return {
        "steps": trainer.step,
        "tokens_seen": round(trainer.step * per_step),
        "dead_window_steps": DEAD_WINDOW,
        "dead_share_window": dead_share(trainer.sae),
        "tokens_per_second": done * per_step / seconds if done and seconds else None,
        "seconds": seconds,
    }
