from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.errors import CytosaeError, NotFiniteError, PluginError
from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.progress import SILENT
from cytosae_toolkit.tokens import TokenStore, is_token_store
from cytosae_toolkit.training import TrainConfig, load_run, recording, session, train
from cytosae_toolkit.training import plan as planning
from cytosae_toolkit.training.events import Checkpointed, Ended, Started, Stepped
from cytosae_toolkit.training.run import is_run
from cytosae_toolkit.training.trainer import Interrupted, Trainer

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


def weights(folder: Path) -> bytes:
    return (folder / "sae.safetensors").read_bytes()


def interrupted(config: TrainConfig, step: int, **more) -> None:
    """Train to a step, as if Ctrl-C came then."""
    asked = iter(range(1, 10_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "Stoppable", lambda progress, stop: progress)  # ask at steps only
        with pytest.raises(Interrupted):
            train(config, stop=lambda: next(asked) == step, **more)


@pytest.fixture
def images(tiny_images, tmp_path):
    """A copy of the tiny images that may be changed."""
    return Path(shutil.copytree(tiny_images, tmp_path / "images"))


@pytest.fixture
def patients(images):
    """A table of the tiny images: six patients of four images, some photographed twice."""
    paths = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
    table = pd.DataFrame({"path": paths, "patient": [f"P{i // 4}" for i in range(24)]})
    table.to_csv(images / "patients.csv", index=False)
    table.drop(columns="patient").assign(group=[f"g{i // 2}" for i in range(24)]).to_csv(
        images / "groups.csv", index=False
    )
    return images / "patients.csv"


# The run folder


def test_from_images_to_a_run_folder(tiny_config, tiny_images):
    run = train(tiny_config(sae_options={"l1_coefficient": 1e-3}))
    assert {path.name for path in run.path.iterdir()} == {
        "config.json", "images.csv", "sae.safetensors", "metrics.csv", "evaluation.json", "state"
    }  # fmt: skip
    assert run.completed
    assert (run.record["d_model"], run.record["d_sae"], run.layer) == (64, 128, 4)
    assert list(run.metrics["step"]) == [5, 10, 15, 20]
    assert run.sae.options.l1_coefficient == 1e-3
    shapes = {name: tuple(tensor.shape) for name, tensor in load_file(run.path / "sae.safetensors").items()}
    assert shapes == {"W_enc": (64, 128), "b_enc": (128,), "W_dec": (128, 64), "b_dec": (64,)}
    torch.testing.assert_close(run.sae.W_dec.norm(dim=1), torch.ones(128))
    assert run.config["images"] == [str(tiny_images)]


def test_the_evaluation_says_how_good_it_is(tiny_config):
    found = train(tiny_config(held_out=0.25)).evaluation
    assert (found["train"]["n_images"], found["held_out"]["n_images"]) == (18, 6)
    assert found["held_out"]["n_tokens"] == 30
    assert found["held_out"]["patches"]["n_tokens"] == 24
    assert (found["steps"], found["tokens_seen"], found["dead_window_steps"]) == (20, 640, 64)
    assert 0 < found["train"]["fvu"] < 1


def test_what_was_left_open_is_recorded_with_its_origin(tiny_config):
    run = train(tiny_config(expansion=None, batch_tokens=None))
    assert (run.config["d_sae"], run.config["expansion"], run.config["batch_tokens"]) == (512, 8.0, 22 * 5)
    recommended = type(run.sae).recommended_lr
    assert (run.config["lr"], run.config["warmup_steps"], run.config["precision"]) == (recommended, 1, "float32")
    origins = run.record["origins"]
    assert set(origins) == set(TrainConfig.model_fields)
    assert [origins[name] for name in ("steps", "expansion", "batch_tokens", "lr", "seed")] == [
        "option", "data", "data", "sae", "default"
    ]  # fmt: skip
    assert run.record["plugins"]["sae"]["name"] == "relu-l1"
    assert run.record["software"]["torch"] == torch.__version__.split("+")[0]


def test_options_that_the_backbone_was_tuned_for_apply_unless_given(tiny_config, monkeypatch):
    tuned = {"l1_coefficient": 0.5}
    monkeypatch.setattr("cytosae_toolkit.training.preparing.tuned_options", lambda backbone, sae: tuned)
    monkeypatch.setattr("cytosae_toolkit.training.recording.tuned_options", lambda backbone, sae: tuned)
    run = train(tiny_config())
    assert run.sae.options.l1_coefficient == 0.5
    assert run.record["origins"]["sae_options"] == "backbone"
    given = train(tiny_config(sae_options={"l1_coefficient": 0.25}), force=True)
    assert given.sae.options.l1_coefficient == 0.25
    assert given.record["origins"]["sae_options"] == "option"


def test_demonstration_backbones_are_stamped(tiny_config):
    assert not train(tiny_config(steps=1)).demonstration
    nano = tiny_config(backbone="nano", backbone_options={"untrained": True}, steps=1, expansion=1.0)
    run = train(nano, force=True)
    assert run.demonstration
    assert TokenStore.open(Path(run.record["token_store"])).identity.demonstration


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


def test_no_patient_is_on_both_sides(tiny_config, patients):
    run = train(tiny_config(images=str(patients), held_out=0.3))
    table = pd.read_csv(run.path / "images.csv")
    assert set(table["split"]) == {"train", "held-out"}
    assert (table.groupby("patient")["split"].nunique() == 1).all()
    assert run.record["images"]["split_unit"] == "patient"
    assert len(table) == run.record["images"]["n_train"] + run.record["images"]["n_held_out"]


def test_no_group_is_on_both_sides(tiny_config, patients):
    run = train(tiny_config(images=str(patients.with_name("groups.csv")), held_out=0.3))
    table = pd.read_csv(run.path / "images.csv")
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert run.record["images"]["split_unit"] == "group"


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


def test_nothing_may_be_held_out(tiny_config):
    found = train(tiny_config(held_out=0.0)).evaluation
    assert found["held_out"] is None
    assert found["train"]["n_images"] == 24


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


def test_a_kill_between_the_two_files_of_the_result_is_no_end(tiny_config, monkeypatch):
    """The weights of 20 steps must not pass for those of 30."""
    run = train(tiny_config())
    longer = TrainConfig(images=tiny_config().images, out=run.path, steps=30)
    real = recording.write_json

    def killed(path, value):
        if path.name == "evaluation.json":
            raise KeyboardInterrupt
        real(path, value)

    monkeypatch.setattr(recording, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        train(longer, resume=True)
    monkeypatch.setattr(recording, "write_json", real)
    assert train(longer, resume=True).evaluation["steps"] == 30
    fresh = train(tiny_config(steps=30, out=run.path.with_name("fresh"), warmup_steps=1, lr_decay=0.2))
    assert load_file(run.path / "sae.safetensors").keys() == load_file(fresh.path / "sae.safetensors").keys()


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


# Refusals before the work starts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": "/nowhere"}, "/nowhere does not exist"),
        ({"batch_images": 23, "batch_tokens": None}, "batch of 23 images is more than the 22 training images"),
        ({"batch_tokens": 111}, "batch of 111 tokens is more than the 110 tokens"),
        ({"backbone": "dinobloom-bb"}, r"no backbone 'dinobloom-bb'. Did you mean dinobloom-b"),
        ({"sae": "relu-l2"}, r"no SAE variant 'relu-l2'. Did you mean relu-l1"),
        ({"backbone_options": {"modle": "x"}}, r"no option 'modle'. Did you mean model"),
        ({"sae_options": {"ghost_grad": 1}}, r"no option 'ghost_grad'. Did you mean ghost_grads"),
        ({"sae_options": {"l1_coefficient": -1}}, "l1_coefficient=-1"),
        ({"layer": 6}, r"Layer 6 does not exist.*Choose 0 to 5"),
        ({"sae": "topk", "sae_options": {"k": 999}}, "k = 999 of 128"),
        ({"device": "cud"}, "no device 'cud'"),
        ({"precision": "float8"}, "precision 'float8' is unknown"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_is_a_sentence(tiny_config, tmp_path, change, message):
    with pytest.raises(CytosaeError, match=message):
        train(tiny_config(**change))
    assert not (tmp_path / "run").exists()


def test_a_folder_without_images_is_refused(tiny_config, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CytosaeError, match="empty"):
        train(tiny_config(images=str(tmp_path / "empty")))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_where_there_is_none_is_refused(tiny_config):
    with pytest.raises(CytosaeError, match="no CUDA GPU"):
        train(tiny_config(device="cuda"))


def test_too_little_memory_or_disk_is_refused_before_anything_is_written(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "memory_available", lambda device: 1000)
    with pytest.raises(CytosaeError, match="of memory"):
        train(tiny_config())
    monkeypatch.setattr(planning, "memory_available", lambda device: 10**12)
    monkeypatch.setattr(planning, "disk_available", lambda path: 1000)
    with pytest.raises(CytosaeError, match="of disk"):
        train(tiny_config())
    assert not (tmp_path / "run").exists()
    assert not cache_folder().joinpath("tokens").exists()


def test_preparing_writes_nothing(tiny_config, tmp_path):
    plan = session.prepare(tiny_config()).plan
    assert (plan.n_images, plan.n_train, plan.n_held_out, plan.images_to_read) == (24, 22, 2, 24)
    assert plan.memory_bytes > 0
    assert plan.disk_bytes > 24 * 5 * 64 * 2
    assert not list(tmp_path.iterdir())
    assert not cache_folder().exists() or not list(cache_folder().iterdir())


# Listeners


@pytest.fixture
def listener(monkeypatch):
    """Install a logger that remembers its events and fails when told so."""
    from cytosae_toolkit import plugins

    class Logger:
        def __init__(self):
            self.events, self.fails = [], False

        @hookimpl
        def cytosae_training_event(self, event):
            self.events.append(event)
            if self.fails:
                raise RuntimeError("the logger broke")

    logger = Logger()
    real = plugins.registry()
    added = plugins.Registry.from_plugins([("lab", "1.0", "logger", logger)])
    both = plugins.Registry([*real.plugins, *added.plugins])
    monkeypatch.setattr(plugins, "registry", lambda: both)
    return logger


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


# No dead options


def rows(run) -> int:
    return len(run.metrics)


OPTIONS = {
    "images": ("others", "weights"),
    "out": ("elsewhere", lambda run: run.path.name),
    "map": ({"path": "file"}, "refused"),
    "allow_outside": (True, "refused"),
    "strict": (True, "refused"),
    "backbone": ("nano", "weights"),
    "backbone_options": ({"model": "test_vit", "untrained": True, "size": 32, "seed": 1}, "weights"),
    "layer": (0, "weights"),
    "sae": ("topk", "weights"),
    "sae_options": ({"l1_coefficient": 1.0}, "weights"),
    "expansion": (3.0, "weights"),
    "d_sae": (100, "weights"),
    "steps": (10, "weights"),
    "batch_tokens": (16, "weights"),
    "batch_images": (3, "weights"),
    "window_images": (4, "weights"),
    "lr": (1e-2, "weights"),
    "warmup_steps": (15, "weights"),
    "lr_decay": (0.9, "weights"),
    "init_tokens": (7, "weights"),
    "held_out": (0.4, "weights"),
    "seed": (1, "weights"),
    "device": ("meta", "refused"),
    "precision": ("bfloat16", "weights"),
    "tokens": ("store", lambda run: Path(run.record["token_store"]).name),
    "token_store": (False, lambda run: run.record["token_store"]),
    "token_dtype": ("float32", "weights"),
    "workers": (1, "passed"),
    "offline": (True, "passed"),
    "log_every": (4, rows),
    "checkpoint_every": (3, "checkpoints"),
}


def test_the_table_of_options_is_complete():
    assert set(OPTIONS) == set(TrainConfig.model_fields)


@pytest.mark.parametrize("name", [name for name, (_, seen) in OPTIONS.items() if seen == "weights" or callable(seen)])
def test_every_option_changes_something(tiny_config, images, tmp_path, name):
    value, seen = OPTIONS[name]
    replaced = {"batch_images": {"batch_tokens": None}, "d_sae": {"expansion": None}}.get(name, {})
    if name == "images":
        next(images.rglob("*.png")).unlink()
        value = str(images)
    if name in ("out", "tokens"):
        value = tmp_path / value
    if name == "backbone":
        replaced = {"backbone_options": {"untrained": True}, "batch_tokens": None}
    base = train(tiny_config())
    changed = train(tiny_config(**({"out": tmp_path / "changed", name: value} | replaced)))
    look = seen if callable(seen) else lambda run: weights(run.path)
    assert look(base) != look(changed)


def test_map_allow_outside_and_strict_change_what_is_accepted(tiny_config, images, tmp_path):
    table = tmp_path / "tables" / "cells.csv"
    table.parent.mkdir()
    (images / "blast" / "broken.png").write_bytes(b"nonsense")
    paths = sorted(f"../images/{path.relative_to(images).as_posix()}" for path in images.rglob("*.png"))
    pd.DataFrame({"file": paths}).to_csv(table, index=False)
    accepted = {"images": str(table), "map": {"path": "file"}, "allow_outside": True}
    assert train(tiny_config(**accepted)).completed
    for name, value in (("map", {}), ("allow_outside", False), ("strict", True)):
        with pytest.raises(CytosaeError):
            train(tiny_config(**(accepted | {name: value, "out": tmp_path / "refused"})))


def test_a_device_that_is_not_supported_is_refused(tiny_config):
    with pytest.raises(CytosaeError, match="'meta' is not supported"):
        train(tiny_config(device=OPTIONS["device"][0]))


def test_workers_and_offline_reach_those_who_decode_and_download(tiny_config, monkeypatch):
    import cytosae_toolkit.tokens as tokens
    from cytosae_toolkit import plugins

    passed, source, build = {}, tokens.token_source, plugins.build_backbone
    monkeypatch.setattr(tokens, "token_source", lambda *a, **k: (passed.update(k), source(*a, **k))[1])
    monkeypatch.setattr(plugins, "build_backbone", lambda *a, **k: (passed.update(k), build(*a, **k))[1])
    train(tiny_config(workers=1, offline=True))
    assert (passed["workers"], passed["offline"]) == (1, True)


def test_checkpoint_every_decides_how_often_to_save(tiny_config, listener):
    train(tiny_config(checkpoint_every=3))
    assert [event.step for event in listener.events if isinstance(event, Checkpointed)] == [3, 6, 9, 12, 15, 18, 20]


def test_offline_without_weights_says_how_to_get_them(tiny_config):
    with pytest.raises(CytosaeError, match="weights"):
        train(tiny_config(backbone="dinobloom-s", backbone_options={}, offline=True))


def test_a_backbone_that_breaks_its_contract_is_blamed(tiny_config, monkeypatch):
    monkeypatch.setattr("cytosae_timm.backbone.build", lambda *a, **k: object())
    with pytest.raises(PluginError, match="backbone 'timm'"):
        train(tiny_config())


def test_records_are_plain_json(tiny_config):
    run = train(tiny_config())
    assert is_run(run.path)
    for name in ("config.json", "evaluation.json"):
        text = (run.path / name).read_text()
        assert "NaN" not in text
        json.loads(text)


def test_a_store_of_other_tokens_is_refused_before_anything_is_said_to_be_possible(tiny_config, tmp_path):
    train(tiny_config(steps=1, tokens=tmp_path / "tokens"))
    with pytest.raises(CytosaeError, match=r"token store .* holds .* layer"):
        session.prepare(tiny_config(tokens=tmp_path / "tokens", layer=0))


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
