from __future__ import annotations

import json
from types import SimpleNamespace

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.cli import atlas_search
from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture(autouse=True)
def atlas(monkeypatch):
    latents = pd.DataFrame(
        {
            "mean_activation": [0.5, 0.4, 0.3, float("nan")],
            "label_entropy": [0.2, 2.0, 1.0, float("nan")],
            "dominant_label": ["eosinophil", "eosinophil", "blast", ""],
            "name": ["granules", "", "", ""],
            "flag_colour": [False, False, True, False],
        }
    ).rename_axis("latent")

    def check_latent(latent):
        if latent > 3:
            raise CytosaeError(f"There is no latent {latent}.")
        return latent

    opened = SimpleNamespace(latents=latents, check_latent=check_latent)
    monkeypatch.setattr("cytosae_toolkit.atlas.reading.open_atlas", lambda path: opened)


def run(command: str, *arguments: object):
    app = typer.Typer(cls=HandlingGroup)
    atlas_search.register(app)
    return CliRunner().invoke(app, [command, "a.atlas.zarr", *map(str, arguments)])


def test_latents_are_found_and_hidden_ones_counted():
    result = run("search", "label:eosinophil OR label:blast", "--limit", 1)
    assert result.exit_code == 0, result.output
    assert "granules" in result.stdout
    assert "1 of 2 latents that match" in result.stdout
    assert "1 more match but are flagged" in result.stderr
    result = run("search", "label:eosinophil OR label:blast", "--hidden")
    assert "3 of 3 latents" in result.stdout
    assert result.stderr == ""


def test_json_holds_all_columns_and_no_nan():
    found = json.loads(run("search", "--json").stdout)
    assert (found["n_matches"], found["n_hidden"]) == (3, 1)
    assert found["latents"][0] == {
        "latent": 0, "mean_activation": 0.5, "label_entropy": 0.2, "dominant_label": "eosinophil",
        "name": "granules", "flag_colour": False,
    }  # fmt: skip
    assert found["latents"][-1]["mean_activation"] is None


def test_words_need_no_quotes_and_order_can_be_chosen():
    def order(*arguments):
        return [row["latent"] for row in json.loads(run("search", *arguments, "--json").stdout)["latents"]]

    assert order("label:eosinophil", "entropy>1") == [1]
    assert order("--sort", "entropy", "--hidden") == [0, 2, 1, 3]
    assert order("--sort", "entropy", "--hidden", "--descending") == [1, 2, 0, 3]
    assert order("--sort", "mean", "--ascending") == [1, 0, 3]


def test_malformed_queries_say_where():
    result = run("search", "entrpy<1")
    assert result.exit_code == 2
    assert "position 1" in result.stderr
    assert "    ^" in result.stderr
    assert "Did you mean entropy" in result.stderr
    assert run("search", "--sort", "nothing").exit_code == 2


def test_similar_latents(monkeypatch):
    def similar(atlas, latent, n, *, progress):
        return pd.DataFrame(
            {"latent": [7, 8][:n], "direction_cosine": [0.9, float("nan")][:n], "coactivation_cosine": 0.25, "name": ""}
        )

    monkeypatch.setattr("cytosae_toolkit.atlas.similarity.similar", similar)
    result = run("similar", 3, "--limit", 2)
    assert result.exit_code == 0, result.output
    for word in ("direction", "co-activation", "0.9", "0.25"):
        assert word in result.stdout
    assert "nan" not in result.stdout
    assert json.loads(run("similar", 3, "--limit", 1, "--json").stdout) == {
        "latent": 3,
        "similar": [{"latent": 7, "direction_cosine": 0.9, "coactivation_cosine": 0.25, "name": ""}],
    }
    assert run("similar", 4).exit_code == 2
