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
def opened(monkeypatch):
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
    return opened


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


def test_words_may_begin_with_a_minus_and_options_stay_options():
    def order(*arguments):
        return [row["latent"] for row in json.loads(run("search", "--json", *arguments).stdout)["latents"]]

    assert order("-label:eosinophil") == [3]
    assert order("-label:eosinophil", "--hidden") == [2, 3]
    assert order("--hidden", "--", "-label:eosinophil") == [2, 3]
    assert order("--limit", 1, "--sort=mean", "-granules") == [1]
    assert order("-hairy", "--limit", 1) == [0]
    assert order("label:eosinophil", "-granules", "OR", "label:blast", "--hidden") == [1, 2]
    assert "Usage" in run("search", "--help").stdout
    result = run("search", "--hiden", "label:eosinophil")
    assert result.exit_code == 2
    assert "--hidden" in result.output


def test_the_best_label_is_shown_where_it_is_asked_for(opened):
    opened.latents = opened.latents.assign(best_label="monocyte", best_precision=0.75)
    for query in ("best:mono", "precision>0.5", "best_precision>0.5"):
        found = run("search", query).stdout
        assert "best label" in found and "monocyte" in found and "0.75" in found
    assert "best label" in run("search", "--sort", "precision").stdout
    assert "monocyte" not in run("search", "label:eosinophil").stdout


def test_nothing_found_is_no_error_but_says_what_may_have_been_meant():
    result = run("search", "label:eosinofil")
    assert (result.exit_code, result.stdout) == (0, "No latent matches.\n")
    assert "Did you mean eosinophil?" in result.stderr
    assert "eosinophil" in json.loads(run("search", "label:eosinofil", "--json").stdout)["hint"]
    result = run("search", "label:blast")
    assert (result.stdout, result.stderr.split(" ")[0]) == ("No latent matches.\n", "1")
    result = run("search", "#99")
    assert result.exit_code == 2
    assert result.stderr == "Error: There is no latent 99 among these 4. Choose 0 to 3.\n"


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
    assert json.loads(run("similar", "#3", "--json").stdout)["latent"] == 3
    assert run("similar", 4).exit_code == 2
    result = run("similar", "rods")
    assert result.exit_code == 2
    assert "'rods' is not the number of a latent" in result.stderr
