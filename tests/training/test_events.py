from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from cytosae_toolkit.training.events import Checkpointed, Ended, Started, Stepped, TrainingEvent


@pytest.mark.parametrize(
    "event",
    [
        Started(Path("run"), 0, config={}),
        Stepped(Path("run"), 5, metrics={"loss": 1.0}),
        Checkpointed(Path("run"), 5, path=Path("run/state")),
        Ended(Path("run"), 9, completed=True, evaluation={}),
    ],
    ids=lambda event: type(event).__name__,
)
def test_events_say_which_run_and_step_and_cannot_be_changed(event):
    assert isinstance(event, TrainingEvent)
    assert event.run == Path("run")
    with pytest.raises(FrozenInstanceError):
        event.step = 7


def test_loggers_import_events_without_torch():
    script = "import sys, cytosae_toolkit.training.events; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
