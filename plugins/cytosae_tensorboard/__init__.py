"""Logs training to TensorBoard, wherever the package `tensorboard` is installed.

Event files go to `tensorboard/` in the run folder; ``CYTOSAE_DISABLE_PLUGINS=cytosae-tensorboard`` switches it off.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.training.events import Ended, Started, Stepped, TrainingEvent

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
_writers: dict[Path, SummaryWriter] = {}


@hookimpl
def cytosae_training_event(event: TrainingEvent) -> None:
    """Write the metrics of logged steps, one scalar each."""
    if find_spec("tensorboard") is None:
        return
    if isinstance(event, Started):
        _open(event)
    writer = _writers.get(event.run)
    if writer is None:
        return
    if isinstance(event, Stepped):
        for name, value in event.metrics.items():
            if name not in ("step", "tokens"):
                writer.add_scalar(f"training/{name}", value, event.step)
    elif isinstance(event, Ended):
        _close(event)


def _open(event: Started) -> None:
    from torch.utils.tensorboard import SummaryWriter

    # what an interrupted session logged after its last checkpoint is hidden, not doubled
    _writers[event.run] = SummaryWriter(event.run / FOLDER, purge_step=event.step or None)


def _close(event: Ended) -> None:
    writer = _writers.pop(event.run)
    for part in ("train", "held_out"):
        for name, value in (event.evaluation.get(part) or {}).items():
            if isinstance(value, float):
                writer.add_scalar(f"{part}/{name}", value, event.step)
    writer.close()
