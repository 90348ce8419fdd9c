from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from cytosae_toolkit.training import train
from cytosae_toolkit.training.events import Checkpointed, Ended, Started, Stepped, TrainingEvent

from .running import interrupted

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


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


def test_listeners_are_told_of_start_steps_checkpoints_and_end(tiny_config, tmp_path, listener):
    run = train(tiny_config(steps=10, checkpoint_every=5))
    kinds = [(type(event), event.step) for event in listener.events]
    assert kinds == [
        (Started, 0), (Stepped, 5), (Checkpointed, 5), (Stepped, 10), (Checkpointed, 10), (Ended, 10)
    ]  # fmt: skip
    assert {event.run for event in listener.events} == {tmp_path / "run"}
    assert listener.events[0].config["config"]["steps"] == 10
    assert listener.events[1].metrics["step"] == 5
    assert listener.events[-1].completed
    assert listener.events[-1].evaluation == run.evaluation


def test_listeners_are_told_of_an_interruption(tiny_config, listener):
    interrupted(tiny_config(), 7)
    assert isinstance(listener.events[-1], Ended)
    assert (listener.events[-1].step, listener.events[-1].completed, listener.events[-1].evaluation) == (7, False, {})
    train(tiny_config(), resume=True)
    assert [event.step for event in listener.events if isinstance(event, Started)] == [0, 7]


def test_a_finished_run_tells_nothing(tiny_config, listener):
    train(tiny_config(steps=5))
    listener.events.clear()
    train(tiny_config(steps=5), resume=True)
    assert listener.events == []


def test_a_listener_that_raises_does_not_stop_the_training(tiny_config, listener):
    listener.fails = True
    with pytest.warns(UserWarning, match="failed as a training logger"):
        assert train(tiny_config()).completed
    assert len(listener.events) == 1
