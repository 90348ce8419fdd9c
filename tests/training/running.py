"""What tests of whole runs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytosae_toolkit.training import TrainConfig, session, train
from cytosae_toolkit.training.trainer import Interrupted


def weights(folder: Path) -> bytes:
    """Return the bytes of a run's weights."""
    return (folder / "sae.safetensors").read_bytes()


def interrupted(config: TrainConfig, step: int, **more) -> None:
    """Train to a step, as if Ctrl-C came then."""
    asked = iter(range(1, 10_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "Stoppable", lambda progress, stop: progress)  # ask at steps only
        with pytest.raises(Interrupted):
            train(config, stop=lambda: next(asked) == step, **more)
