from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.training import train

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


@pytest.fixture
def run(tiny_config):
    return train(tiny_config(held_out=0.0, steps=5))


@pytest.fixture
def cell(tiny_images):
    return tiny_images / "blast" / "blast-03.png"


def explain(*arguments: object):
    import typer

    from cytosae_toolkit.cli.explain import register

    app = typer.Typer(cls=HandlingGroup)
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["explain", *(str(argument) for argument in arguments), "--device", "cpu"])


def test_the_latents_of_an_image(run, cell):
    result = explain(run.path, cell, "--top", 4)
    assert result.exit_code == 0, result.output
    assert "blast-03.png: 32 x 32 pixels, 2 x 2 patches, L0" in result.stdout
    assert [word in result.stdout for word in ("latent", "mean", "max", "peak", "count")] == [True] * 5
    document = json.loads(explain(run.path, cell, "--top", 4, "--json").stdout)
    session = Explorer(run, device="cpu")
    image = session.load(cell)
    assert [row["latent"] for row in document["latents"]] == session.image_latents(4).index.tolist()
    assert document["fvu"] == image.fvu
    assert (document["grid"], document["unlike"]) == ([2, 2], False)


def test_a_patch_a_region_and_given_latents(run, cell):
    session = Explorer(run, device="cpu")
    session.load(cell)
    patch = json.loads(explain(run.path, cell, "--patch", "1,0", "--json").stdout)["latents"]
    expected = session.top_latents((1, 0))
    assert [row["latent"] for row in patch] == expected.index.tolist()
    assert [row["activation"] for row in patch] == pytest.approx(expected["activation"].tolist())
    region = json.loads(explain(run.path, cell, "--region", "0,0,16,16", "--json").stdout)["latents"]
    assert {"score", "share_inside"} <= set(region[0])
    given = json.loads(explain(run.path, cell, "--latent", 3, "--latent", 9, "--json").stdout)["latents"]
    assert [row["latent"] for row in given] == [3, 9]
    hidden = json.loads(explain(run.path, cell, "--top", 999, "--json").stdout)["latents"]
    shown = json.loads(explain(run.path, cell, "--top", 999, "--everywhere", "--json").stdout)["latents"]
    assert len(shown) > len(hidden)


def test_the_folder(run, cell, tmp_path):
    out = tmp_path / "out"
    assert explain(run.path, cell, "--top", 2, "--patch", "0,0", "--out", out).exit_code == 0
    assert {path.name for path in out.iterdir()} == {"latents.csv", "attribution.png", "overlays", "heatmaps"}
    again = explain(run.path, cell, "--out", out)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert explain(run.path, cell, "--top", 3, "--out", out, "--force").exit_code == 0
    assert len(list((out / "heatmaps").iterdir())) == 3


def test_an_image_unlike_the_training_images_is_marked(run, cell, tmp_path):
    path = run.path / "evaluation.json"
    evaluation = json.loads(path.read_text())
    evaluation["image_fit"]["fvu"]["quantiles"] = [0.0] * 9
    path.write_text(json.dumps(evaluation))
    result = explain(run.path, cell)
    assert "blast-03.png is unlike the images that the model was trained on" in result.stderr


def test_a_large_image_is_taken_for_a_field(run, tmp_path):
    Image.new("RGB", (200, 90), "white").save(tmp_path / "field.png")
    result = explain(run.path, tmp_path / "field.png")
    assert "200 pixels wide or high, the training images at most 32: it is taken for a field" in result.stderr
    assert "--window" in result.stderr
    assert (result.exit_code, "No white cell was found" in result.stderr) == (2, True)
    assert explain(run.path, tmp_path / "field.png", "--no-cells").exit_code == 0


@pytest.fixture
def field(tmp_path):
    """A drawn field with two cells about (110, 90) and (300, 200); a red cell is 24 pixels wide."""
    y, x = np.mgrid[:300, :400]
    image = np.full((300, 400, 3), (236, 228, 222), dtype=np.float64)
    for cy, cx in ((90, 110), (200, 300)):
        image[np.hypot(y - cy, x - cx) < 26] = (186, 178, 214)
        image[np.hypot(y - cy, x - cx) < 17] = (92, 52, 138)
    image += np.random.default_rng(0).normal(0, 2, image.shape)
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(tmp_path / "field.png")
    return tmp_path / "field.png"


def test_a_cell_of_a_field_is_chosen_by_number_or_region(run, field, tmp_path):
    scale = ("--red-cell-diameter", 24)
    second = explain(run.path, field, *scale, "--cell", 2, "--json", "--out", tmp_path / "out")
    assert second.exit_code == 0, second.output
    document = json.loads(second.stdout)
    assert (document["cell"], document["grid"]) == (2, [2, 2])
    x0, y0, x1, y1 = document["box"]
    assert x0 < 300 < x1 and y0 < 200 < y1
    assert (tmp_path / "out" / "overview.png").is_file()
    region = json.loads(explain(run.path, field, *scale, "--region", "285,185,300,200", "--json").stdout)
    assert (region["cell"], region["box"]) == (2, [x0, y0, x1, y1])
    assert "score" in region["latents"][0]


def test_a_field_is_not_asked_about_one_cell_without_saying_which(run, field):
    for arguments, message in (
        (("--patch", "0,0"), "2 cells were found in the field"),
        (("--cell", 3), "There is no cell 3 in the field"),
        (("--region", "0,0,20,20"), "The region lies in no cell"),
    ):
        result = explain(run.path, field, "--red-cell-diameter", 24, *arguments)
        assert (result.exit_code, message in result.stderr.replace("\n", " ")) == (2, True), result.output


def test_mistakes_are_refused_before_the_backbone_is_made(run, cell, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.training.run.Run.backbone", None)
    for arguments in (["--latent", "128"], ["--region", "0,0,99,9"], ["--patch", "9,9"]):
        result = explain(run.path, cell, *arguments)
        assert (result.exit_code, "Traceback" in result.output) == (2, False)


def test_patches_are_printed_as_they_are_asked_for_and_columns_are_explained(run, cell):
    document = json.loads(explain(run.path, cell, "--top", 1, "--json").stdout)
    row, column = document["latents"][0]["peak"]
    shown = explain(run.path, cell, "--top", 1).stdout
    assert f" {row},{column} " in shown
    assert "ROW,COL from the upper left" in shown.replace("\n", " ")


def test_windows_are_marked_approximate(run, tiny_images, tmp_path):
    picture = Image.new("RGB", (64, 32))
    for place in (0, 1):
        picture.paste(Image.open(tiny_images / "blast" / f"blast-0{place}.png"), (32 * place, 0))
    picture.save(tmp_path / "field.png")
    out = tmp_path / "out"
    result = explain(run.path, tmp_path / "field.png", "--window", 32, "--latent", 4, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    assert "approximate" in result.stderr
    document = json.loads(result.stdout)
    assert (document["windows"], document["approximate"]) == (3, True)
    with Image.open(out / "heatmaps" / "latent-00004.tif") as heat:
        assert heat.size == (4, 2)


def test_a_tiff_above_the_limit_is_read_in_pieces(run, tmp_path, monkeypatch):
    path, out = tmp_path / "field.tif", tmp_path / "out"
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb")
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", "20000")
    whole = explain(run.path, path, "--no-cells")
    assert (whole.exit_code, "more than the limit of 20,000" in whole.stderr) == (2, True)
    result = explain(run.path, path, "--window", 128, "--latent", 4, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["windows"] == 6 * 4
    assert (out / "overlays" / "latent-00004.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--patch", "2,0"], "outside the grid of 2 rows and 2 columns"),
        (["--patch", "2"], "--patch '2' is not of the form ROW,COL"),
        (["--patch", "a,b"], "--patch 'a,b' is not of the form ROW,COL"),
        (["--region", "0,0,99,9"], "The region cannot be used"),
        (["--region", "1,2,3"], "--region '1,2,3' is not of the form X0,Y0,X1,Y1"),
        (["--latent", "128"], "Latent 128 does not exist: there are 128"),
        (["--similar"], "no images to compare with"),
        (["--pixel-size", "0.1", "--red-cell-diameter", "70"], "both set the scale"),
        (["--window", "8", "--patch", "0,0"], "ask about one cell, --window about a field"),
        (["--window", "8", "--cells"], "--window slides over the whole field, --cells finds its cells"),
        (["--no-cells", "--cell", "1"], "--no-cells finds none"),
    ],
)
def test_bad_input_is_one_sentence(run, cell, arguments, message):
    result = explain(run.path, cell, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_bad_files_are_one_sentence(run, cell, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nonsense")
    for arguments, message in (
        ((run.path, tmp_path / "broken.png"), "broken.png cannot be read"),
        ((run.path, tmp_path / "absent.png"), "absent.png cannot be read: it does not exist"),
        ((tmp_path / "nothing", cell), "nothing"),
    ):
        result = explain(*arguments)
        assert (result.exit_code, message in result.stderr) == (2, True)
    unfinished = shutil.copytree(run.path, tmp_path / "unfinished")
    (unfinished / "evaluation.json").unlink()
    result = explain(unfinished, cell)
    assert (result.exit_code, "is not finished" in result.stderr) == (2, True)
