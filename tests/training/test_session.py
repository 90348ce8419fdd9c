from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.errors import CytosaeError, NotFiniteError
from cytosae_toolkit.progress import SILENT
from cytosae_toolkit.tokens import TokenStore, is_token_store
from cytosae_toolkit.training import TrainConfig, load_run, session, train
from cytosae_toolkit.training.trainer import Trainer

from .running import interrupted, weights

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


# Start and seed


def test_the_sae_starts_on_tokens_drawn_with_the_runs_seed(tiny_config):
    starts = []
    for seed in (0, 0, 1):
        prepared = session.prepare(tiny_config(seed=seed, init_tokens=7))
        sae = prepared.create_sae()
        session.initialize(sae, session.open_tokens(prepared, SILENT), prepared.config)
        starts.append(sae.b_dec.detach())  # the centre of the sample: no other randomness is in it
    assert torch.equal(starts[0], starts[1])
    assert not torch.allclose(starts[0], starts[2])


def test_the_same_seed_gives_the_same_run(tiny_config, tmp_path):
    train(tiny_config())
    train(tiny_config(out=tmp_path / "again"))
    assert weights(tmp_path / "run") == weights(tmp_path / "again")


# Holding out


def test_held_out_images_never_train(tiny_config, patients, tmp_path):
    first = train(tiny_config(images=str(patients), held_out=0.3))
    table = pd.read_csv(first.path / "images.csv")
    for i, path in enumerate(table["path"][table["split"] == "held-out"]):
        pixels = np.random.default_rng(100 + i).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(first.path / path)
    second = train(tiny_config(images=str(patients), held_out=0.3, out=tmp_path / "second"))
    assert weights(first.path) == weights(second.path)
    assert first.evaluation["train"] == second.evaluation["train"]
    assert first.evaluation["held_out"] != second.evaluation["held_out"]


# Going on


def test_resumed_is_uninterrupted_byte_for_byte(tiny_config, tmp_path):
    train(tiny_config(out=tmp_path / "straight"))
    interrupted(tiny_config(), 7)
    assert not load_run(tmp_path / "run").completed
    run = train(TrainConfig(images=tiny_config().images, out=tmp_path / "run"), resume=True)  # the rest is recorded
    assert weights(run.path) == weights(tmp_path / "straight")
    straight = load_run(tmp_path / "straight")
    pd.testing.assert_frame_equal(
        run.metrics.drop(columns="tokens_per_second"), straight.metrics.drop(columns="tokens_per_second")
    )
    for name in ("train", "held_out", "dead_share_window", "tokens_seen"):
        assert run.evaluation[name] == straight.evaluation[name]
    assert run.record["origins"] == straight.record["origins"]


def test_resume_where_nothing_exists_starts_afresh(tiny_config):
    assert train(tiny_config(), resume=True).completed


def test_resume_of_what_a_kill_left_before_the_first_file(tiny_config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config.json.abc.tmp").write_text("{")
    run = train(tiny_config(), resume=True)
    assert run.completed
    assert not list(run.path.glob(".*"))


def test_leftovers_of_a_kill_are_removed(tiny_config, tmp_path):
    interrupted(tiny_config(), 7)
    (tmp_path / "run" / ".sae.safetensors.abc.tmp").write_text("half")
    (tmp_path / "run" / "state" / ".step-00000010.abc.tmp").mkdir()
    run = train(tiny_config(), resume=True)
    assert not list(run.path.rglob(".*"))


def test_resume_of_a_finished_run_changes_nothing(tiny_config, monkeypatch):
    run = train(tiny_config())
    before = weights(run.path), (run.path / "evaluation.json").read_text()
    monkeypatch.setattr(Trainer, "train_step", lambda *_: pytest.fail("a step"))
    train(tiny_config(), resume=True)
    assert before == (weights(run.path), (run.path / "evaluation.json").read_text())


def test_more_steps_continue_a_finished_run(tiny_config):
    run = train(tiny_config())
    before, created = weights(run.path), run.record["created"]
    longer = train(TrainConfig(images=tiny_config().images, out=run.path, steps=30), resume=True)
    assert weights(run.path) != before
    assert list(longer.metrics["step"]) == [5, 10, 15, 20, 25, 30]
    assert longer.evaluation["steps"] == longer.config["steps"] == 30
    assert longer.record["created"] == created
    assert longer.record["origins"] == run.record["origins"] | {"steps": "option"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.5}, r"started with lr = 0.0004, now lr = 0.5 is asked for"),
        ({"seed": 5}, "started with seed = 0, now seed = 5"),
        (
            {"sae_options": {"ghost_grads": False}},
            r"started with sae_options = \{\}, now sae_options = \{'ghost_grads'",
        ),
        ({"sae": "topk"}, "started with sae = 'relu-l1', now sae = 'topk'"),
        ({"expansion": 3.0}, r"started with expansion = 2.0, now expansion = 3.0"),
        ({"layer": 0}, "started with layer = -2, now layer = 0"),
        ({"backbone": "nano", "backbone_options": {}}, "started with backbone = 'timm', now backbone = 'nano'"),
        ({"held_out": 0.3}, "started with held_out = 0.1, now held_out = 0.3"),
        ({"steps": 5}, r"planned for 20 steps, 5 are fewer"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_resume_with_another_configuration_is_refused_naming_both(tiny_config, tmp_path, change, message):
    interrupted(tiny_config(lr=4e-4), 3)
    with pytest.raises(CytosaeError, match=message):
        train(tiny_config(**change), resume=True)
    assert (tmp_path / "run" / "state" / "step-00000003").is_dir()  # untouched


def test_resume_with_other_images_is_refused(tiny_config, images):
    config = tiny_config(images=str(images))
    interrupted(config, 3)
    next(images.rglob("*.png")).unlink()
    with pytest.raises(CytosaeError, match=r"started with a different set of images.*--force"):
        train(config, resume=True)


def test_the_same_images_may_have_moved(tiny_config, images, tmp_path):
    interrupted(tiny_config(images=str(images)), 3)
    moved = images.rename(tmp_path / "elsewhere")
    assert train(tiny_config(images=str(moved)), resume=True).completed


def test_an_expansion_that_rounds_is_the_same_on_resume(tiny_config):
    interrupted(tiny_config(expansion=1.33), 3)
    assert train(tiny_config(expansion=1.33), resume=True).record["d_sae"] == 85


def test_loggers_may_change_on_resume(tiny_config):
    interrupted(tiny_config(), 5)
    run = train(tiny_config(log_every=2, checkpoint_every=3, workers=1), resume=True)
    assert list(run.metrics["step"])[:3] == [5, 6, 8]


def test_a_damaged_checkpoint_is_a_sentence(tiny_config, tmp_path):
    interrupted(tiny_config(), 3)
    (tmp_path / "run/state/step-00000003/state.safetensors").write_bytes(b"")
    with pytest.raises(CytosaeError, match="is damaged"):
        train(tiny_config(), resume=True)


def test_going_on_and_being_complete_are_said(tiny_config):
    class Listener:
        said: list[str] = []

        def task(self, *arguments, **options):
            return SILENT.task("", 1, "")

        def message(self, text):
            self.said.append(text)

    interrupted(tiny_config(), 3)
    train(tiny_config(), resume=True, progress=Listener())
    train(tiny_config(), resume=True, progress=Listener())
    assert Listener.said[0] == "Going on after step 3 of 20."
    assert "complete already" in Listener.said[-1]


# What exists


def test_an_existing_run_is_refused_and_replaced_by_force(tiny_config):
    run = train(tiny_config())
    before = weights(run.path)
    with pytest.raises(CytosaeError, match=r"run .* exists\. Go on with --resume, replace it with --force"):
        train(tiny_config(seed=1))
    assert weights(run.path) == before
    replaced = train(tiny_config(seed=1, steps=10), force=True)
    assert weights(replaced.path) != before
    assert list(replaced.metrics["step"]) == [5, 10]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_something_else_is_never_touched(tiny_config, tmp_path, force):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"model_type": "bert"}')  # as of other programs
    for resume in (False, True):
        with pytest.raises(CytosaeError, match="is not a run of cytosae-toolkit"):
            train(tiny_config(), force=force, resume=resume)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_a_file_is_no_folder(tiny_config, tmp_path):
    (tmp_path / "run").write_text("notes")
    with pytest.raises(CytosaeError, match="is not a run"):
        train(tiny_config(), force=True)


def test_force_keeps_the_old_run_until_the_tokens_are_there(tiny_config, tmp_path):
    run = train(tiny_config(layer=0))
    store = run.record["token_store"]
    with pytest.raises(CytosaeError, match="token store"):
        train(tiny_config(layer=1, tokens=store), force=True)
    assert load_run(tmp_path / "run").completed


def test_force_spares_a_token_store_inside_the_run(tiny_config, tmp_path):
    config = tiny_config(tokens=tmp_path / "run" / "tokens")
    train(tiny_config())
    train(config, force=True)
    assert len(TokenStore.open(tmp_path / "run" / "tokens")) == 24
    assert train(config, force=True).completed


# Tokens


def test_without_a_token_store_the_weights_are_the_same(tiny_config, tmp_path):
    train(tiny_config())
    shutil.rmtree(cache_folder() / "tokens")
    train(tiny_config(token_store=False, out=tmp_path / "live"))
    assert weights(tmp_path / "run") == weights(tmp_path / "live")
    assert not (cache_folder() / "tokens").exists()
    assert load_run(tmp_path / "live").record["token_store"] is None


def test_tokens_are_read_once(tiny_config, tmp_path, monkeypatch):
    run = train(tiny_config())
    assert is_token_store(Path(run.record["token_store"]))
    prepared = session.prepare(tiny_config(out=tmp_path / "second", seed=1))
    assert prepared.plan.images_to_read == 0
    monkeypatch.setattr("cytosae_toolkit.interfaces.vit.TimmBackbone.tokens", lambda *_: pytest.fail("read again"))
    assert session.run_prepared(prepared).completed


def test_whole_images_make_a_batch(tiny_config):
    run = train(tiny_config(batch_images=4, batch_tokens=None))
    assert (run.config["batch_images"], run.config["batch_tokens"]) == (4, None)
    assert list(run.metrics["tokens"]) == [5 * 20, 10 * 20, 15 * 20, 20 * 20]
    interrupted(tiny_config(batch_images=4, batch_tokens=None, out=run.path.with_name("two")), 9)
    again = tiny_config(batch_images=4, batch_tokens=None, out=run.path.with_name("two"))
    train(again, resume=True)
    assert weights(again.out) == weights(run.path)


def test_unreadable_images_are_skipped_listed_and_no_reason_to_stop_later(tiny_config, images, tmp_path):
    (images / "blast" / "broken.png").write_bytes(b"nonsense")
    for out in ("first", "second"):  # the second time, the tokens of all others are known
        run = train(tiny_config(images=str(images), out=tmp_path / out))
        assert [Path(item["path"]).name for item in run.record["images"]["skipped"]] == ["broken.png"]
        assert run.record["images"]["n"] == 24
    with pytest.raises(CytosaeError, match="broken.png"):
        train(tiny_config(images=str(images), out=tmp_path / "third", strict=True))


def test_tokens_that_are_not_finite_stop_the_run(tiny_config, monkeypatch):
    monkeypatch.setattr(
        "cytosae_toolkit.interfaces.vit.TimmBackbone.tokens",
        lambda self, batch, layer: torch.full((len(batch), 5, 64), float("inf")),
    )
    with pytest.raises(CytosaeError, match="finite|infinite|NaN"):
        train(tiny_config())


def test_a_loss_that_is_not_finite_names_the_step(tiny_config, tmp_path):
    with pytest.raises(NotFiniteError, match="step"):
        train(tiny_config(lr=1e38, checkpoint_every=1))
    assert not load_run(tmp_path / "run").completed


def test_stopping_while_tokens_are_read_keeps_what_is_complete(tiny_config, tmp_path):
    with pytest.raises(KeyboardInterrupt, match="kept"):
        train(tiny_config(), stop=lambda: True)
    assert not (tmp_path / "run").exists()
    assert train(tiny_config(), resume=True).completed
