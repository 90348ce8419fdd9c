"""Learning the dictionary: config, trainer, metrics, run folder, resume."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cytosae_toolkit.training.config import TrainConfig
    from cytosae_toolkit.training.evaluation import evaluate
    from cytosae_toolkit.training.published import import_checkpoint
    from cytosae_toolkit.training.run import Run, load_run
    from cytosae_toolkit.training.session import train
    from cytosae_toolkit.training.trainer import Interrupted

__all__ = ["Interrupted", "Run", "TrainConfig", "evaluate", "import_checkpoint", "load_run", "train"]

_HOMES = {
    "Interrupted": "trainer",
    "Run": "run",
    "TrainConfig": "config",
    "evaluate": "evaluation",
    "import_checkpoint": "published",
    "load_run": "run",
    "train": "session",
}


def __getattr__(name: str) -> Any:
    # loggers import `events` from here: that must not import torch
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
