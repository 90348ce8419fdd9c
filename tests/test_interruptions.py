"""Power loss: training is killed at ten moments, goes on each time, and ends where the undisturbed training ends."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
import pytest

STEPS, KILLS, CHECKPOINT_EVERY = 400, 10, 5
PATIENCE = 240.0
"""Seconds to wait for a moment, on a machine that has other work too."""
PRELOADED = ["timm", "torch.optim", "cytosae_toolkit.cli.main", "cytosae_toolkit.training.session"]
"""Imported once, in a server from which the trainings are forked: a dozen programs would import for minutes."""
PROGRAM = """
import sys
sys.argv = {argv!r}
sys.stdout = sys.stderr = open({log!r}, "a")
from cytosae_toolkit.cli.main import main
main()
"""


@pytest.fixture
def arguments(tiny_images, tiny_backbone, tmp_path) -> Callable[[str], list[str]]:
    """Return a function that gives the command line of a training into a folder of this name."""

    def command(name: str) -> list[str]:
        backbone = [part for key, value in tiny_backbone.items() for part in ("-B", f"{key}={value}")]
        return [
            *("cytosae-toolkit", "train", str(tiny_images), "--resume", "--out", str(tmp_path / name)),
            *("--tokens", str(tmp_path / f"{name}-tokens"), "--backbone", "timm", *backbone, "--device", "cpu"),
            *("--steps", str(STEPS), "--batch-tokens", "32", "--expansion", "2", "--lr", "0.003"),
            *("--log-every", "1", "--checkpoint-every", str(CHECKPOINT_EVERY), "-S", "dead_feature_window=5"),
        ]

    return command


@pytest.fixture
def train(arguments, tmp_path, monkeypatch) -> Callable[[str], BaseProcess]:
    """Return a function that starts a training in a process of its own."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CYTOSAE_DISABLE_PLUGINS", "cytosae-tensorboard")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)

    def start(name: str) -> BaseProcess:
        program = PROGRAM.format(argv=arguments(name), log=str(tmp_path / f"{name}.log"))
        process = server.Process(target=exec, args=(program, {}))
        process.start()
        return process

    return start


def logged_steps(run: Path) -> int:
    """Return how far a training has come, as its table of metrics says."""
    try:
        return int((run / "metrics.csv").read_text().rstrip().rpartition("\n")[2].partition(",")[0])
    except (OSError, ValueError):
        return 0


def wait_for(moment: Callable[[], bool], process: BaseProcess) -> None:
    deadline = time.monotonic() + PATIENCE
    while not moment() and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.001)


def moments(run: Path, store: Path, chance: random.Random) -> list[Callable[[], bool]]:
    """Return ten moments: while tokens are read, in the first step, at random steps, after the last step."""
    # apart from each other by more than the steps that a kill loses
    steps = sorted(chance.sample(range(20, STEPS - 20, 2 * CHECKPOINT_EVERY), KILLS - 3))
    return [
        store.exists,
        lambda: logged_steps(run) >= 1,
        *(lambda step=step: logged_steps(run) >= step for step in steps),
        lambda: (run / "state" / f"step-{STEPS:08d}" / "part.json").exists(),
    ]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_training_killed_ten_times_ends_as_if_it_never_was(train, arguments, tmp_path):
    undisturbed = train("straight")
    undisturbed.join(PATIENCE)
    assert undisturbed.exitcode == 0, (tmp_path / "straight.log").read_text()

    run, chance, codes = tmp_path / "killed", random.Random(0), []
    for moment in moments(run, tmp_path / "killed-tokens", chance):
        process = train("killed")
        wait_for(moment, process)
        time.sleep(chance.uniform(0, 0.02))  # so that it falls between steps, into a step, into a file being written
        process.kill()
        process.join()
        codes.append(process.exitcode)
    assert codes[:-1] == [-signal.SIGKILL] * (KILLS - 1), (tmp_path / "killed.log").read_text()
    assert codes[-1] in (-signal.SIGKILL, 0)  # it may have been faster than the tenth
    program = [sys.executable, "-m", "cytosae_toolkit", *arguments("killed")[1:], "--json"]
    last = subprocess.run(program, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr

    straight = tmp_path / "straight"
    assert (run / "sae.safetensors").read_bytes() == (straight / "sae.safetensors").read_bytes()
    ours, theirs = (pd.read_csv(folder / "metrics.csv").drop(columns="tokens_per_second") for folder in (run, straight))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    ours, theirs = json.loads(last.stdout)["evaluation"], json.loads((straight / "evaluation.json").read_text())
    assert (ours["train"], ours["held_out"]) == (theirs["train"], theirs["held_out"])
    assert not [path for path in run.rglob("*") if path.name.endswith(".tmp")]
