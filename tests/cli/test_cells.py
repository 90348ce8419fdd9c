from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from cytosae_toolkit.cli.cells import register
from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.demo import generate_field
from cytosae_toolkit.images import read_images


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("field") / "smear.png"
    Image.fromarray(generate_field(np.random.default_rng(0), n_white_cells=4, scale=5.0).image).save(path)
    return path


def cells(*arguments: object):
    app = typer.Typer(cls=HandlingGroup)
    register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["cells", *map(str, arguments)])


def test_it_says_what_it_found(field, tmp_path):
    result = cells(field, "--out", tmp_path / "cells")
    assert result.exit_code == 0, result.output
    assert "smear.png: 4 cells" in result.stdout
    assert "cells.csv" in result.stdout
    assert "Finding white cells" in result.stderr
    assert len(read_images(tmp_path / "cells" / "cells.csv")) == 4


def test_json_and_quiet(field, tmp_path):
    result = cells(field, "--out", tmp_path / "cells", "--json", "--quiet")
    found = json.loads(result.stdout)
    assert found["n_cells"] == 4 and found["skipped"] == []
    assert found["fields"][0]["red_cell_diameter"] == pytest.approx(37.5, rel=0.15)
    assert result.stderr == ""


def test_skipped_fields_are_named(field, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nonsense")
    result = cells(field, tmp_path / "broken.png", "--out", tmp_path / "cells")
    assert result.exit_code == 0
    assert "broken.png: it is not a PNG" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "does not exist"),
        (["{field}", "--like", "missing", "--margin", "0.2"], "--like and --margin"),
        (["{field}", "--pixel-size", "0.1", "--red-cell-diameter", "70"], "both set the scale"),
        (["{field}", "--red-cell-diameter", "2"], "do not fit"),
        (["{field}", "--like", "{folder}"], "{folder}"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message, field, tmp_path):
    (tmp_path / "empty").mkdir()
    names = {"field": field, "folder": tmp_path / "empty"}
    result = cells(*(text.format(**names) for text in arguments), "--out", tmp_path / "cells")
    assert result.exit_code == 2, result.output
    assert message.format(**names) in result.stderr.replace("\n", "")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "cells").exists()


def test_crops_as_wide_as_training_images(field, tmp_path, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.cli.cells._cell_share", lambda source: 0.2)
    assert cells(field, "--like", "run", "--out", tmp_path / "cells").exit_code == 0
    frame = pd.read_csv(tmp_path / "cells" / "cells.csv")
    sides = frame["field_x1"] - frame["field_x0"]
    assert frame["cell_area_px"].median() / sides.iloc[0] ** 2 == pytest.approx(0.2, rel=0.05)
