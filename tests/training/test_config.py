from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training import train
from cytosae_toolkit.training.config import TrainConfig, build_config, count_latents, merge, read_config_file
from cytosae_toolkit.training.events import Checkpointed

from .running import weights

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")

GIVEN = {"images": ("cells",), "out": Path("run")}


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text)
        return path

    return write


def test_defaults_then_preset_then_file_then_options(file):
    settings = file("steps: 300\nlr: 1e-3\nseed: 4\n")
    config, origins = merge(GIVEN | {"lr": 0.01}, preset="paper", file=settings)
    assert (config.held_out, config.batch_images, config.steps, config.seed, config.lr) == (0.1, 64, 300, 4, 0.01)
    names = ("held_out", "batch_images", "steps", "seed", "lr")
    assert [origins[name] for name in names] == ["default", "preset", "file", "file", "option"]
    assert set(origins) == set(TrainConfig.model_fields)


def test_what_was_not_given_does_not_count():
    config, origins = merge(GIVEN | {"lr": None, "sae_options": {}, "map": {}})
    assert origins["lr"] == origins["sae_options"] == origins["map"] == "default"
    assert "lr" not in config.model_fields_set


def test_the_paper_preset_is_the_paper():
    """Science.md, "The SAE (Eq. 1)"."""
    config, _ = merge(GIVEN, preset="paper")
    assert config.lr == 4e-4
    assert config.warmup_steps == 500
    assert config.lr_decay == 0  # constant
    assert config.expansion == 64
    assert count_latents(768, config.expansion) == 49_152
    assert config.batch_images == 64
    assert config.steps == 15_625
    assert config.steps * config.batch_images == 1_000_000
    assert config.init_tokens == 16_384
    assert config.layer == -2
    assert config.sae == "relu-l1"
    assert config.sae_options == {
        "l1_coefficient": 8e-5,
        "ghost_grads": True,
        "dead_feature_window": 64,
        "b_dec_init": "geometric_median",
        "encoder_init": "independent",
    }


def test_the_preset_takes_the_options_of_the_chosen_variant(file):
    assert merge(GIVEN | {"sae": "topk"}, preset="paper")[0].sae_options == {}
    assert merge(GIVEN, preset="paper", file=file("sae: topk"))[0].sae_options == {}


def test_options_of_parts_are_merged_key_by_key(file):
    settings = file("sae_options: {ghost_grads: false}\n")
    config, _ = merge(GIVEN | {"sae_options": {"b_dec_init": "mean"}}, preset="paper", file=settings)
    assert config.sae_options["ghost_grads"] is False
    assert config.sae_options["b_dec_init"] == "mean"
    assert config.sae_options["l1_coefficient"] == 8e-5


def test_a_later_choice_of_the_batch_replaces_the_earlier():
    config, origins = merge(GIVEN | {"batch_tokens": 512}, preset="paper")
    assert (config.batch_tokens, config.batch_images) == (512, None)
    assert origins["batch_images"] == "option"
    assert merge(GIVEN | {"d_sae": 10}, preset="paper")[0].expansion is None


@pytest.mark.parametrize(
    "both", [{"batch_tokens": 5, "batch_images": 2}, {"expansion": 2.0, "d_sae": 10}], ids=lambda both: "+".join(both)
)
def test_two_ways_of_saying_one_thing_exclude_each_other(both):
    with pytest.raises(CytosaeError, match=f"Both {next(iter(both))} and"):
        merge(GIVEN | both)
    with pytest.raises(ValidationError, match="exclude each other"):
        TrainConfig(**GIVEN, **both)


def test_the_nearest_names_are_offered(file):
    with pytest.raises(CytosaeError, match="unknown field 'batch_token'. Did you mean batch_tokens"):
        read_config_file(file("batch_token: 5"))
    with pytest.raises(CytosaeError, match="no preset 'papre'. Did you mean paper"):
        merge(GIVEN, preset="papre")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "not a mapping of names"),
        ("steps: [1", "not readable YAML"),
        ("steps: many", "'steps' is wrong"),
        ("lr: -1", "'lr' is wrong"),
        ("images: 5", "'images' is wrong"),
        ("sae_options: hello", "sae_options in the configuration file"),
        ("map: 3", "map in the configuration file"),
        ("a: !!python/object/apply:os.system ['touch hacked']", "not readable YAML"),
    ],
)
def test_bad_files_are_a_sentence(file, text, message):
    with pytest.raises(CytosaeError, match=message):
        merge({"out": Path("run"), **({} if "images" in text else {"images": ("cells",)})}, file=file(text))


def test_missing_and_binary_files_are_a_sentence(tmp_path):
    with pytest.raises(CytosaeError, match="does not exist"):
        read_config_file(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(CytosaeError, match="not readable YAML"):
        read_config_file(tmp_path / "binary.yaml")


def test_an_empty_file_changes_nothing(file):
    assert merge(GIVEN, file=file("# nothing\n"))[0] == merge(GIVEN)[0]
    assert merge(GIVEN, file=file("sae_options:\n"))[0] == merge(GIVEN)[0]


def test_one_source_may_stand_alone():
    assert TrainConfig(images="cells", out="run").images == ("cells",)
    assert TrainConfig(images=[Path("a"), "b"], out="run").images == ("a", "b")


def test_a_wrong_value_names_its_field():
    with pytest.raises(CytosaeError, match="'token_dtype' is wrong.*'float8'"):
        build_config(GIVEN | {"token_dtype": "float8"})


def test_every_field_is_described():
    assert all(field.description for field in TrainConfig.model_fields.values())


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
