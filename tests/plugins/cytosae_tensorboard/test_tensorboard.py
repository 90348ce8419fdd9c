from __future__ import annotations

import subprocess
import sys

import cytosae_tensorboard
import pytest
from cytosae_tensorboard import cytosae_training_event

from cytosae_toolkit.training.events import Ended, Started, Stepped


def log(run, first: int = 0):
    cytosae_training_event(Started(run, first, config={}))
    for step in (first + 1, first + 2):
        cytosae_training_event(Stepped(run, step, metrics={"step": step, "loss": 1.0 / step}))
    cytosae_training_event(Ended(run, first + 2, completed=True, evaluation={"held_out": {"fvu": 0.25}}))


def test_metrics_become_scalars(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log(tmp_path)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("training/loss")] == [(1, 1.0), (2, 0.5)]
    assert events.Scalars("held_out/fvu")[0].value == 0.25
    assert "training/step" not in events.Tags()["scalars"]


def test_nothing_happens_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(cytosae_tensorboard, "find_spec", lambda name: None)
    log(tmp_path)
    assert not list(tmp_path.iterdir())


def test_importing_the_plugin_imports_neither_torch_nor_tensorboard():
    code = "import sys, cytosae_tensorboard; print([m for m in ('torch', 'tensorboard') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
