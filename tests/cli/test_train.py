from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.cli.main import app
from cytosae_toolkit.cli.train import stop_on_signal, summary
from cytosae_toolkit.training import load_run
from cytosae_toolkit.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")

TINY = shlex.split("--steps 20 --batch-tokens 32 --expansion 2 --log-every 5 --device cpu --backbone timm")


@pytest.fixture
def train(tiny_images, tiny_backbone, tmp_path):
    """Run the command; later options win over the tiny ones."""

    def run(*options: str, images: str | Path = tiny_images, tiny: bool = True):
        backbone = [part for name, value in tiny_backbone.items() for part in ("-B", f"{name}={value}")]
        common = [*TINY, *backbone] if tiny else []
        return CliRunner().invoke(app, ["train", str(images), "--out", str(tmp_path / "run"), *common, *options])

    return run


def weights(folder: Path) -> bytes:
    return (folder / "sae.safetensors").read_bytes()


def signal_at(monkeypatch, step: int, number: int) -> None:
    """Send this process a signal in the middle of a step."""
    real = Trainer.train_step

    def train_step(self, tokens):
        if self.step == step:
            os.kill(os.getpid(), number)
        return real(self, tokens)

    monkeypatch.setattr(Trainer, "train_step", train_step)


def test_it_says_what_it_will_do_and_what_came_of_it(train, tmp_path):
    result = train()
    assert result.exit_code == 0, result.output
    for part in ("Backbone  timm, block 4 of 6, on cpu", "24 (22 to learn from, 2 held out", "128 (expansion 2)",
                 "20 of 32 tokens", "Time", "Memory", "Disk", "Training: 20/20 steps", "loss", "FVU"):  # fmt: skip
        assert part in result.stderr
    for part in ("On 2 held-out images", "FVU", "L0", "dead share", f"Run folder: {tmp_path / 'run'}"):
        assert part in result.stdout
    assert load_run(tmp_path / "run").completed


def test_json_is_one_document_on_stdout(train, tmp_path):
    result = train("--json")
    document = json.loads(result.stdout)
    assert set(document) == {"run", "config", "evaluation"}
    assert document["run"] == str(tmp_path / "run")
    assert document["evaluation"]["held_out"]["n_images"] == 2


def test_quiet_shows_the_result_alone(train):
    result = train("--quiet")
    assert result.stderr == ""
    assert "held-out" in result.stdout


def test_dry_run_writes_nothing(train, tmp_path):
    result = train("--dry-run")
    assert result.exit_code == 0
    assert "Steps     20 of 32 tokens" in result.stderr
    assert "nothing was written" in result.stdout
    plan = json.loads(train("--dry-run", "--json").stdout)
    assert (plan["n_images"], plan["n_train"], plan["d_sae"], plan["steps"]) == (24, 22, 128, 20)
    assert plan["memory_bytes"] > 0
    assert plan["skipped"] == []
    assert not list(tmp_path.iterdir())
    assert not cache_folder().joinpath("tokens").exists()


def test_options_reach_the_configuration(train, tmp_path):
    options = shlex.split(
        "--layer 1 --sae topk -S k=4 --steps 4 --batch-tokens 16 --lr 0.002 --warmup-steps 2 "
        "--lr-decay 0.5 --held-out 0.25 --seed 3 --log-every 2 --checkpoint-every 2 --workers 1 "
        "--token-dtype float32 --precision float32 --strict --offline --allow-outside "
        "--no-token-store"
    )
    assert train(*options).exit_code == 0
    config = load_run(tmp_path / "run").config
    expected = {
        "layer": 1, "sae": "topk", "sae_options": {"k": "4"}, "steps": 4, "batch_tokens": 16, "lr": 0.002,
        "warmup_steps": 2, "lr_decay": 0.5, "held_out": 0.25, "seed": 3, "log_every": 2, "checkpoint_every": 2,
        "workers": 1, "token_dtype": "float32", "precision": "float32", "strict": True, "offline": True,
        "allow_outside": True, "token_store": False, "expansion": 2.0,
    }  # fmt: skip
    assert {name: config[name] for name in expected} == expected


def test_the_number_of_latents_may_be_said(train, tiny_backbone, tmp_path):
    backbone = [part for name, value in tiny_backbone.items() for part in ("-B", f"{name}={value}")]
    options = shlex.split("--backbone timm --device cpu --steps 1 --latents 77 --batch-images 2")
    assert train(*options, *backbone, tiny=False).exit_code == 0
    run = load_run(tmp_path / "run")
    assert run.record["d_sae"] == 77
    assert run.config["batch_images"] == 2


def test_preset_file_and_options(train, tmp_path):
    (tmp_path / "settings.yaml").write_text("batch_images: 4\nlr: 1e-3\nsae_options: {dead_feature_window: 9}\n")
    backbone = shlex.split("--backbone timm -B model=test_vit -B untrained=true -B size=32")
    options = [*shlex.split("--preset paper --steps 3 --expansion 1 --config"), str(tmp_path / "settings.yaml")]
    assert train(*options, *backbone, "--device", "cpu", tiny=False).exit_code == 0
    run = load_run(tmp_path / "run")
    assert (run.config["batch_images"], run.config["batch_tokens"], run.config["lr"]) == (4, None, 1e-3)
    found = run.record["plugins"]["sae"]["options"]
    assert (found["l1_coefficient"], found["encoder_init"], found["dead_feature_window"]) == (8e-5, "independent", 9)
    assert [run.record["origins"][name] for name in ("warmup_steps", "lr", "steps", "seed")] == [
        "preset", "file", "option", "default"
    ]  # fmt: skip
    again = train(*options, *backbone, "--device", "cpu", "--resume", tiny=False)
    assert again.exit_code == 0, again.output


def test_a_demonstration_backbone_is_never_silent(train, tmp_path):
    options = shlex.split("--backbone nano -B untrained=true --steps 1 --expansion 1 --device cpu --dry-run")
    assert "demonstration backbone" in train(*options, tiny=False).stderr


def test_skipped_images_are_listed(train, tiny_images, tmp_path):
    import shutil

    images = Path(shutil.copytree(tiny_images, tmp_path / "images"))
    for i in range(11):
        (images / "blast" / f"broken-{i}.png").write_bytes(f"nonsense {i}".encode())
    result = train(images=images)
    assert result.exit_code == 0
    assert "Skipped   11 images:" in result.stderr
    assert "blast/broken-0.png: it is not a" in result.stderr
    assert "… and 1 more" in result.stderr
    strict = train("--strict", "--force", images=images)
    assert strict.exit_code == 2
    assert "broken-0.png" in strict.stderr


# Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_saves_and_says_how_to_go_on(train, tmp_path, monkeypatch, number):
    assert train().exit_code == 0
    straight = weights((tmp_path / "run").rename(tmp_path / "straight"))
    with monkeypatch.context() as patch:
        signal_at(patch, 6, number)
        result = train()
    assert result.exit_code == 130
    assert "Interrupted after step 7; the state is saved" in result.stderr
    assert "--resume" in result.stderr
    assert (tmp_path / "run" / "state" / "step-00000007" / "part.json").is_file()
    assert train("--resume").exit_code == 0
    assert weights(tmp_path / "run") == straight


def test_a_signal_while_tokens_are_read_or_measured_loses_nothing(train, tmp_path, monkeypatch):
    from cytosae_toolkit.training import final_metrics

    def interrupt(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    real = final_metrics.measure_images
    with monkeypatch.context() as patch:
        patch.setattr(final_metrics, "measure_images", lambda *a, **k: (interrupt(), real(*a, **k))[1])
        result = train()
    assert result.exit_code == 130
    assert "--resume" in result.stderr
    assert not load_run(tmp_path / "run").completed
    resumed = train("--resume")
    assert resumed.exit_code == 0
    assert "Training" not in resumed.stderr  # all steps were done


def test_a_second_ctrl_c_stops_at_once():
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signal() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt, match="at once"):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_sigterm_is_patient():
    with stop_on_signal() as stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop()


# Bad input: each a sentence and exit code 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-images", "30"], "Both batch_tokens and batch_images are given"),
        (["--batch-tokens", "999"], "batch of 999 tokens is more than the 110 tokens of the 22 training images"),
        (["--backbone", "tim"], "There is no backbone 'tim'. Did you mean timm?"),
        (["--sae", "topkk"], "There is no SAE variant 'topkk'. Did you mean topk?"),
        (["-B", "sizes=3"], "has no option 'sizes'. Did you mean size?"),
        (["-S", "l1_coef=1"], "has no option 'l1_coef'. Did you mean l1_coefficient?"),
        (["-S", "ghost_grads=perhaps"], "ghost_grads='perhaps'"),
        (["-S", "ghost_grads"], "not of the form key=value"),
        (["--layer", "6"], "Layer 6 does not exist: this backbone has 6 blocks. Choose 0 to 5"),
        (["--preset", "papre"], "There is no preset 'papre'. Did you mean paper?"),
        (["--config", "absent.yaml"], "The configuration file absent.yaml does not exist"),
        (["--lr", "-1"], "The value of 'lr' is wrong"),
        (["--steps", "0"], "The value of 'steps' is wrong"),
        (["--held-out", "1"], "The value of 'held_out' is wrong"),
        (["--token-dtype", "float8"], "The value of 'token_dtype' is wrong"),
        (["--precision", "float8"], "The precision 'float8' is unknown"),
        (["--device", "gpu"], "There is no device 'gpu'"),
        (["--map", "path=file"], "--map renames the columns of a table"),
        (["--latents", "9"], "Both expansion and d_sae are given"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options_are_one_sentence(train, tmp_path, options, message):
    result = train(*options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_that_is_not_there(train):
    result = train("--device", "cuda")
    assert result.exit_code == 2
    assert "no CUDA GPU" in result.stderr


def test_bad_images_are_one_sentence(train, tmp_path):
    (tmp_path / "empty").mkdir()
    for images, message in ((tmp_path / "absent", "does not exist"), (tmp_path / "empty", "empty")):
        result = train(images=images)
        assert result.exit_code == 2
        assert message in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [("steps: [1", "not readable YAML"), ("- 1", "not a mapping"), ("stepz: 3", "Did you mean steps")],
)
def test_a_bad_file_is_one_sentence(train, tmp_path, text, message):
    (tmp_path / "settings.yaml").write_text(text)
    result = train("--config", str(tmp_path / "settings.yaml"))
    assert result.exit_code == 2
    assert message in result.stderr


def test_what_exists_is_not_overwritten(train, tmp_path):
    assert train().exit_code == 0
    before = weights(tmp_path / "run")
    refused = train("--seed", "1")
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    assert "--force" in refused.stderr
    other = train("--seed", "1", "--resume")
    assert other.exit_code == 2
    assert "started with seed = 0, now seed = 1" in other.stderr
    assert weights(tmp_path / "run") == before
    assert train("--seed", "1", "--force").exit_code == 0
    assert weights(tmp_path / "run") != before


def test_what_cannot_fit_is_refused_before_it_starts(train, tmp_path, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.training.plan.memory_available", lambda device: 1000)
    for more in ([], ["--dry-run"]):
        result = train(*more)
        assert result.exit_code == 2
        assert "Lower --batch-tokens or --expansion" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_full_disk_says_so_and_the_run_goes_on_later(train, tmp_path, monkeypatch):
    import errno

    from cytosae_toolkit.training import state

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(state, "save_file", full)
        result = train("--checkpoint-every", "5")
    assert result.exit_code == 2
    assert "disk is full" in result.stderr
    assert train("--resume").exit_code == 0


def test_out_of_memory_says_what_to_lower(train, monkeypatch):
    def out_of_memory(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Trainer, "train_step", out_of_memory)
    result = train()
    assert result.exit_code == 2
    assert "--batch-tokens" in result.stderr


def test_a_loss_that_is_not_finite_is_one_sentence(train):
    result = train("--lr", "1e38")
    assert result.exit_code == 2
    assert "not finite" in result.stderr
    assert "step" in result.stderr


def test_without_held_out_images_the_summary_says_so(train, tmp_path):
    assert train("--held-out", "0").exit_code == 0
    assert summary(load_run(tmp_path / "run"))[0] == "On 24 training images (none were held out):"


def test_the_program_itself(tiny_images, tmp_path):
    """As a user runs it: an unknown backbone, from a shell."""
    command = [sys.executable, "-m", "cytosae_toolkit", "train", str(tiny_images), "--out", str(tmp_path / "run")]
    done = subprocess.run([*command, "--backbone", "nanoo"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: There is no backbone 'nanoo'. Did you mean nano?")
