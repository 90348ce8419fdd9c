"""Two processes of torchrun do what one does: training, tokens, atlas; and none waits for one that is gone."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.cli.main import app
from cytosae_toolkit.plugins import reset_registry
from cytosae_toolkit.tokens import TokenStore
from cytosae_toolkit.training import Interrupted, TrainConfig, load_run, train
from cytosae_toolkit.training.log import AFTER_TERMS

from ..atlas.conftest import cell_table
from ..atlas.test_building import contents, same_record
from ..torchrun import torchrun

__all__ = ["cell_table"]

BACKBONE = ["--backbone", "timm", "-B", "model=test_vit", "-B", "untrained=true", "-B", "size=32", "--device", "cpu"]
COMMON = [*BACKBONE, "--expansion", "3", "--log-every", "1", "--warmup-steps", "2", "--lr", "0.003"]
VARIANTS = {  # neither batch can be halved; latents die soon, for the terms of the dead
    "relu-l1": ["--batch-tokens", "101", "-S", "dead_feature_window=1", "-S", "l1_coefficient=0.002", "--lr", "0.05"],
    "topk": ["--batch-images", "21", "-S", "dead_feature_window=1", "-S", "k=2"],
}
PARAMETERS = ("W_enc", "b_enc", "W_dec", "b_dec")
PATIENCE = 240.0
"""Seconds to wait for processes, on a machine that has other work too."""


def training(images: object, out: Path, variant: str, steps: int) -> list[str]:
    """Return the command that trains a variant, its run folder named by variant and steps."""
    return [
        *("train", str(images), "--out", str(out / f"{variant}-{steps}"), "--tokens", str(out / "tokens")),
        *("--sae", variant, *COMMON, *VARIANTS[variant], "--steps", str(steps)),
    ]


def extraction(images: Path, out: Path) -> list[str]:
    return ["tokens", str(images), "--out", str(out / "more"), *BACKBONE, "--layer", "1", "--json"]


def building(run: Path, images: Path, out: Path) -> list[str]:
    store = str(out / "atlas-tokens")
    return ["atlas", "build", str(run), str(images), "--out", str(out / "a.atlas.zarr"), "--tokens", store,
            "--device", "cpu"]  # fmt: skip


@dataclass(frozen=True)
class Together:
    """What two processes left behind.

    Parameters
    ----------
    folder : Path
        Where.
    text : str
        What they printed.
    code : int
        Exit code of torchrun.
    """

    folder: Path
    text: str
    code: int


@pytest.fixture(scope="module")
def together(
    cell_table: Path, tiny_images: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Together:
    """The work of two processes in one start of torchrun; the last command fails in one of them."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "images-0").symlink_to(tiny_images)
    shutil.copytree(tiny_images, folder / "images-1")
    next((folder / "images-1").rglob("*.png")).unlink()
    commands = [
        *(training(cell_table, folder, variant, steps) for variant in VARIANTS for steps in (1, 10)),
        extraction(cell_table, folder),
        building(folder / "topk-10", cell_table, folder),
        training(folder / "images-{rank}", folder, "topk", 3),
    ]
    (folder / "commands.json").write_text(json.dumps(commands))
    worker = Path(__file__).with_name("parallel_worker.py")
    code = torchrun(worker, folder / "commands.json", log=folder / "log").wait(PATIENCE)
    return Together(folder, (folder / "log").read_text(), code)


@pytest.fixture(scope="module")
def alone(cell_table: Path, together: Together, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    """The same work of one process, but for the mistake."""
    patch, folder = pytest.MonkeyPatch(), tmp_path_factory.mktemp("alone")
    patch.setattr("cytosae_toolkit.training.plan.seconds_per_call", lambda function, seconds=0.0: 1e-3)
    patch.setenv("CYTOSAE_DISABLE_PLUGINS", "cytosae-tensorboard")
    reset_registry()
    commands = [
        *(training(cell_table, folder, variant, steps) for variant in VARIANTS for steps in (1, 10)),
        extraction(cell_table, folder),
        building(together.folder / "topk-10", cell_table, folder),
    ]
    yield Together(folder, "".join(run(command) for command in commands), 0)
    patch.undo()
    reset_registry()


def run(arguments: list[str]) -> str:
    done = CliRunner().invoke(app, [*arguments, "--quiet"])
    assert done.exit_code == 0, done.output
    return done.stdout


def state(run: Path) -> dict[str, np.ndarray]:
    return load_file(next((run / "state").glob("step-*")) / "state.safetensors")


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_and_weights_are_those_of_one_process(variant, together, alone):
    first, expected = (state(work.folder / f"{variant}-1") for work in (together, alone))
    for name in PARAMETERS:
        assert relative(first[f"adam.{name}.exp_avg"], expected[f"adam.{name}.exp_avg"]) < 1e-5, name
    last, expected = (state(work.folder / f"{variant}-10") for work in (together, alone))
    for name in PARAMETERS:
        assert relative(last[f"sae.{name}"], expected[f"sae.{name}"]) < 1e-3, name
    assert np.array_equal(last["buffer.steps_since_fired"], expected["buffer.steps_since_fired"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_and_evaluations_are_those_of_one_process(variant, together, alone):
    found, expected = (load_run(work.folder / f"{variant}-10") for work in (together, alone))
    terms = [name for name in expected.metrics if name not in (*AFTER_TERMS, "step", "tokens")]
    assert {"relu-l1": "ghost", "topk": "auxiliary"}[variant] in terms
    assert found.metrics["tokens"].tolist() == expected.metrics["tokens"].tolist()
    np.testing.assert_allclose(found.metrics[terms], expected.metrics[terms], rtol=1e-3)
    for measure in ("fvu", "l0"):
        assert found.evaluation["held_out"][measure] == pytest.approx(
            expected.evaluation["held_out"][measure], rel=1e-2
        )


def test_one_process_goes_on_where_two_stopped(together, alone, cell_table, tmp_path):
    found = []
    for work in (together, alone):
        shutil.copytree(work.folder / "relu-l1-1", tmp_path / "relu-l1-10")
        run([*training(cell_table, tmp_path, "relu-l1", 10), "--resume"])
        found.append(state(tmp_path / "relu-l1-10"))
        assert load_run(tmp_path / "relu-l1-10").metrics["step"].tolist() == list(range(1, 11))
        shutil.rmtree(tmp_path / "relu-l1-10")
    for name in PARAMETERS:
        assert relative(found[0][f"sae.{name}"], found[1][f"sae.{name}"]) < 1e-3, name


def test_tokens_are_those_of_one_process(together, alone):
    found, expected = (TokenStore.open(work.folder / "more").blocks for work in (together, alone))
    assert {n: record.digest for n, record in found.items()} == {n: record.digest for n, record in expected.items()}
    for work in (together, alone):
        assert '"n_new": 150' in work.text
        assert '"n_left": 0' in work.text


def test_the_atlas_is_that_of_one_process(together, alone):
    found, expected = (open_atlas(work.folder / "a.atlas.zarr") for work in (together, alone))
    assert contents(found.path) == contents(expected.path)
    same_record(found, expected)
    assert not list(together.folder.glob("*.building"))


def test_a_mistake_of_one_process_ends_all_and_is_told_once(together):
    assert together.code != 0
    assert [line.partition("(")[0] for line in together.text.splitlines() if line.startswith("Error: ")] == [
        "Error: Process 1 has a different set of images than the first one "
    ]
    assert together.text.count("Run folder:") == 4
    assert "cytosae_toolkit/" not in together.text  # no traceback


def test_a_killed_process_ends_all_and_one_goes_on(cell_table, tmp_path, no_loggers):
    out, log = tmp_path / "relu-l1-100000", tmp_path / "log"
    command = [*training(cell_table, tmp_path, "relu-l1", 100_000), "--checkpoint-every", "3", "--quiet"]
    started = torchrun("-m", "cytosae_toolkit", *command, log=log)
    family = psutil.Process(started.pid)
    deadline = time.monotonic() + PATIENCE
    while not list(out.glob("state/step-*/part.json")) and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    ranks = {child.environ().get("RANK"): child for child in family.children(recursive=True)}
    ranks["1"].send_signal(signal.SIGKILL)
    assert started.wait(PATIENCE) != 0
    assert not any(child.is_running() for child in ranks.values())
    text = log.read_text()
    told = text.count("Another process of this command ended unexpectedly")
    assert told == 1 or (told == 0 and "SIGKILL" in text), "torchrun may end the others before one of them notices"

    steps = iter(range(3))
    config = TrainConfig(images=str(cell_table), out=out)
    with pytest.raises(Interrupted) as stopped:
        train(config, resume=True, stop=lambda: next(steps, None) is None)
    assert stopped.value.step >= 6
