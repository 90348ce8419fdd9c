from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.cli.main import app
from cytosae_toolkit.tokens import is_token_store
from cytosae_toolkit.training import train

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


@pytest.fixture
def run(tiny_config):
    return train(tiny_config(held_out=0.0, steps=5))


def evaluate(*arguments: object):
    return CliRunner().invoke(app, ["evaluate", *(str(argument) for argument in arguments), "--device", "cpu"])


def test_it_shows_all_tokens_beside_patches(run, tiny_images):
    result = evaluate(run.path, tiny_images)
    assert result.exit_code == 0, result.output
    assert "24 images, 120 tokens" in result.stdout
    for word in ("FVU", "L0", "never fired", "shrinkage", "density", "patches"):
        assert word in result.stdout
    assert "Measuring" in result.stderr
    assert evaluate(run.path, tiny_images, "--quiet").stderr == ""


def test_json_is_what_training_found_on_the_same_images(run, tiny_images):
    found = json.loads(evaluate(run.path, tiny_images, "--json").stdout)
    expected = run.evaluation["train"]
    assert {name: found[name] for name in expected} == expected


def test_skipped_images_are_named(run, tiny_images, tmp_path):
    images = Path(shutil.copytree(tiny_images, tmp_path / "images"))
    (images / "blast" / "broken.png").write_bytes(b"nonsense")
    assert "broken.png: it is not a" in evaluate(run.path, images).stderr
    strict = evaluate(run.path, images, "--strict")
    assert strict.exit_code == 2
    assert "broken.png" in strict.stderr


def test_images_unlike_the_training_images_are_warned_of(run, tiny_images):
    assert "unlike" not in evaluate(run.path, tiny_images).stderr
    path = run.path / "evaluation.json"
    evaluation = json.loads(path.read_text())
    evaluation["image_fit"]["fvu"]["quantiles"] = [0.0] * 9
    path.write_text(json.dumps(evaluation))
    result = evaluate(run.path, tiny_images)
    assert "100 % of these images are unlike those that the SAE was trained on" in result.stderr
    assert json.loads(evaluate(run.path, tiny_images, "--json").stdout)["unlike_share"] == 1


def test_where_tokens_are_kept(run, tiny_images, tmp_path):
    shutil.rmtree(cache_folder() / "tokens")
    assert evaluate(run.path, tiny_images, "--no-token-store").exit_code == 0
    assert not (cache_folder() / "tokens").exists()
    assert evaluate(run.path, tiny_images, "--tokens", tmp_path / "store").exit_code == 0
    assert is_token_store(tmp_path / "store")


def test_bad_input_is_one_sentence(run, tiny_images, tmp_path):
    for arguments, message in (
        ((tmp_path / "absent", tiny_images), "is not a run"),
        ((tiny_images, tiny_images), "has no config.json"),
        ((run.path, tmp_path / "absent"), "does not exist"),
        ((run.path, tiny_images, "--map", "path=file"), "--map"),
    ):
        result = evaluate(*arguments)
        assert result.exit_code == 2, result.output
        assert message in result.stderr


def test_an_unfinished_run_says_how_to_go_on(run, tiny_images):
    (run.path / "evaluation.json").unlink()
    result = evaluate(run.path, tiny_images)
    assert result.exit_code == 2
    assert "--resume" in result.stderr


@pytest.fixture
def masked(tiny_images, tmp_path):
    """A table of the tiny images with a mask: nucleus above, cytoplasm at its left below."""
    import numpy as np
    from PIL import Image

    mask = np.zeros((32, 32), dtype=np.uint8)
    mask[:16], mask[16:, :16] = 255, 128
    Image.fromarray(mask).save(tmp_path / "mask.png")
    shutil.copytree(tiny_images, tmp_path / "images")
    rows = [f"{p.relative_to(tmp_path)},{p.parent.name},mask.png" for p in sorted(tmp_path.glob("images/*/*.png"))]
    (tmp_path / "images.csv").write_text("path,label,mask\n" + "\n".join(rows))
    return tmp_path / "images.csv"


def test_full_writes_the_card(run, masked, tmp_path):
    arguments = (run.path, masked, "--full", "--other", run.path, "--out", tmp_path / "card", "--ablate", 3)
    masks = ("--mask", "nucleus=255", "--mask", "cell=128,255")
    result = evaluate(*arguments, *masks, "--seed", 1)
    assert result.exit_code == 0, result.output
    for text in ("monosemanticity", "circular", "label entropy", "probes", "nucleus", "without latent 3",
                 "pairs above 0.7: 1.000 by hungarian", f"wrote {tmp_path / 'card' / 'card.json'}"):  # fmt: skip
        assert text in result.stdout
    assert sorted(path.name for path in (tmp_path / "card").iterdir()) == ["card.csv", "card.json", "card.png"]
    card = json.loads((tmp_path / "card" / "card.json").read_text())
    assert (card["card"]["seed"], card["localisation"]["structures"]) == (1, ["nucleus", "cell"])
    again = evaluate(*arguments)
    assert again.exit_code == 2
    assert "card.json exists. Overwrite with --force" in again.stderr
    assert evaluate(*arguments, *masks, "--seed", 1, "--force", "--json").exit_code == 0
    assert json.loads((tmp_path / "card" / "card.json").read_text()) == card


def test_another_backbone_may_judge_which_images_are_alike(run, tiny_images, tiny_backbone):
    options = [word for key, value in (tiny_backbone | {"seed": "5"}).items() for word in ("-E", f"{key}={value}")]
    result = evaluate(run.path, tiny_images, "--full", "--embedding-backbone", "timm", *options, "--json")
    assert result.exit_code == 0, result.output
    encoders = json.loads(result.stdout)["monosemanticity"]["encoders"]
    assert [encoder["circular"] for encoder in encoders] == [True, False]


def test_what_belongs_to_the_card_needs_full(run, tiny_images, tmp_path):
    for arguments, message in (
        (("--out", tmp_path / "card"), "--out belongs to the metrics card. Add --full"),
        (("--mask", "a=1", "--seed", 0), "--mask and --seed belongs"),
        (("--full", "-E", "a=b"), "-E gives options of no backbone"),
        (("--full", "--mask", "a=x"), "no grey values"),
        (("--full", "--mask", "a=1", "--mask-bits", "b"), "both by value and by bit"),
        (("--full", "--other", tmp_path), "has no config.json"),
    ):
        result = evaluate(run.path, tiny_images, *arguments)
        assert result.exit_code == 2, result.output
        assert message in result.stderr.replace("\n", " ")
