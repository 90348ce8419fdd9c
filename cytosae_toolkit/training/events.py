"""What loggers are told during training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TrainingEvent:
    """Base of all events.

    Parameters
    ----------
    run : Path
        The run folder.
    step : int
        Number of finished steps.
    """

    run: Path
    step: int


@dataclass(frozen=True)
class Started(TrainingEvent):
    """Training starts, or goes on where an earlier session stopped (`step` > 0).

    Parameters
    ----------
    config : mapping
        The run's resolved configuration, JSON-compatible.
    """

    config: Mapping[str, Any]


@dataclass(frozen=True)
class Stepped(TrainingEvent):
    """A logged step is done.

    Parameters
    ----------
    metrics : mapping of str to float
        The columns of `metrics.csv`: loss and its terms, `l0`, `fvu`, `dead_share`, `tokens_per_second`.
    """

    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Checkpointed(TrainingEvent):
    """State was saved; training can resume from here.

    Parameters
    ----------
    path : Path
        Folder of the saved state.
    """

    path: Path


@dataclass(frozen=True)
class Ended(TrainingEvent):
    """Training is over.

    Parameters
    ----------
    completed : bool
        False after an interruption or an error.
    evaluation : mapping
        The contents of `evaluation.json`; empty if not completed.
    """

    completed: bool
    evaluation: Mapping[str, Any]
