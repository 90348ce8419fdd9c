from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import typer
from typer.testing import CliRunner

from cytosae_toolkit.atlas.building import build_atlas
from cytosae_toolkit.atlas.writing import write_anndata
from cytosae_toolkit.cli import atlas_figure, atlas_show
from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.images import read_images
from cytosae_toolkit.training import load_run

from ..atlas.conftest import WholeTokens


@pytest.fixture
def run():
    app = typer.Typer(cls=HandlingGroup, pretty_exceptions_enable=False)
    atlas_show.register(app)
    atlas_figure.register(app)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def atlas(tmp_path):
    """Statistics without images of three latents."""
    var = pd.DataFrame(
        {"mean_activation": [0.5, 0.005, 0.0], "frequency": [1.0, 0.1, 0.0], "label_entropy": [0.4, np.nan, np.nan],
         "dominant_label": ["blast", "", ""], "dominant_share": [0.8, np.nan, np.nan], "colour_r2": [0.7, 0.1, np.nan],
         "flag_colour": [True, False, False]}
    )  # fmt: skip
    record = {"format": "cytosae-atlas", "version": 1, "sae_fingerprint": "f" * 32, "d_sae": 3, "has_images": False,
              "sets": [{"name": "toy", "n_images": None}], "labels": ["blast"], "grid": None}  # fmt: skip
    obs = pd.DataFrame(index=pd.Index([], dtype=str))
    write_anndata(tmp_path / "a.atlas.zarr", obs=obs, var=var, X=sp.csr_matrix((0, 3)), uns_record=record)
    return tmp_path / "a.atlas.zarr"


def test_statistics_and_control_card_are_printed(run, atlas):
    result = run("show", atlas, "#0", "2")
    assert result.exit_code == 0, result.output
    assert "latent 0\n" in result.stdout
    assert "blast, 80 % of the activation" in result.stdout
    assert "control card; flags: colour" in result.stdout
    assert "latent 2\n" in result.stdout


def test_json(run, atlas):
    document = json.loads(run("show", atlas, "1", "--json").stdout)
    (latent,) = document["latents"]
    assert latent["latent"] == 1
    assert latent["label_entropy"] is None
    assert latent["references"] == {"top": []}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["7"], "There is no latent 7"),
        (["rods"], "'rods' is not the number of a latent"),
        (["0", "--kind", "tpo"], "no kind 'tpo'"),
        (["0", "--set", "lab"], "no image set 'lab'"),
        (["0", "--out", "x.jpg"], "no suffix of a figure"),
    ],
)
def test_bad_input_is_one_sentence(run, atlas, arguments, message):
    result = run("show", atlas, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_there_is_no_montage_without_images(run, atlas, tmp_path):
    result = run("show", atlas, "0", "--out", tmp_path / "a.png")
    assert result.exit_code == 2
    assert "has no images" in result.stderr
    assert not (tmp_path / "a.png").exists()


@pytest.fixture(scope="module")
def with_images(whole_run_folder, cell_table, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: WholeTokens(images))
        images = read_images(cell_table)
        return build_atlas(load_run(whole_run_folder), images, tmp_path_factory.mktemp("a") / "b.atlas.zarr")


def test_images_are_named_by_their_files_and_limits_stand_beside_values(run, with_images):
    out = run("show", with_images.path, "95", "--limit", "2").stdout
    first = with_images.references(95)[0]
    assert f"  {with_images.file_name(first.row)}  " in out
    assert first.id not in out.replace(with_images.file_name(first.row), "")
    assert ", limit 0.25" in out
    found = json.loads(run("show", with_images.path, "#95", "--limit", "2", "--json").stdout)["latents"][0][
        "references"
    ]
    assert [entry["file"] for entry in found["top"]] == [
        with_images.file_name(reference.row) for reference in with_images.references(95)[:2]
    ]


def test_a_limit_on_typical_images_keeps_the_strongest_quartile(run, with_images):
    out = run("show", with_images.path, "95", "--kind", "typical", "--limit", "4").stdout
    assert [out.count(f"quartile {i}") for i in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_rows_of_a_set_say_what_its_own_references_are(run, with_images):
    out = run("show", with_images.path, "95", "--per-set").stdout
    for name in with_images.sets:
        known = with_images.statistics_in_set(95, name)
        assert f"images (top, {name}; {known['label']} {known['n_of_label']} of {known['n_labelled']})" in out


def test_typical_images_of_a_set_are_refused(run, with_images):
    for option in (["--set", "north"], ["--per-set"]):
        result = run("show", with_images.path, "95", *option, "--kind", "typical")
        assert result.exit_code == 2
        assert "Images of the kind 'typical' are kept over all sets only." in result.stderr
