from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import typer
from typer.testing import CliRunner

from cytosae_toolkit.atlas.writing import write_anndata
from cytosae_toolkit.cli import atlas_figure, atlas_show
from cytosae_toolkit.cli.handling import HandlingGroup


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
