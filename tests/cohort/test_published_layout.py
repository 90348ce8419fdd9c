"""The documented sequence of commands on a generated tree that is shaped exactly like AML Hehr."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cytosae_toolkit.cli.main import app
from cytosae_toolkit.demo import generate_cell, sample_patients

DOCUMENT = Path(__file__).parents[2] / "docs" / "cohort.md"
DISEASES = {
    "CBFB_MYH11": "eosinophilia",
    "control": "healthy",
    "NPM1": "acute_leukemia",
    "PML_RARA": "aml_m3",
    "RUNX1_RUNX1T1": "cll",
}
"""Names of the published folders, and the generated disease that stands in."""
PATIENTS, CELLS = 12, 2
SMALLER = {
    "--preset paper": "--backbone nano --expansion 4 --steps 80 --held-out 0 --tokens tokens --device cpu",
    "--sweep": "--sweep --thresholds=-3,-2 --permutations 9 --bootstraps 20 --repeats 1",
    "--atlas hehr.atlas.zarr --out comparison/": "--atlas hehr.atlas.zarr --bootstraps 20 --top 3 --out comparison/",
}
"""What makes the documented commands fast."""


def commands() -> list[list[str]]:
    """Return the commands of the document, made smaller."""
    found = re.search(r"<!-- sequence -->\n```bash\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = found[1]
    for documented, small in SMALLER.items():
        assert documented in text
        text = text.replace(documented, small)
    return [shlex.split(line)[1:] for line in text.splitlines()]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    number = 0
    for folder, disease in DISEASES.items():
        rng = np.random.default_rng(number)
        for patient in sample_patients(PATIENTS, rng, diseases=[disease], laboratories=["amber"]):
            place = tmp_path / "AML_Hehr" / folder / f"P{number:03d}"
            place.mkdir(parents=True)
            classes = rng.choice(len(patient.mixture), CELLS, p=patient.mixture)
            for i, cell_class in enumerate(classes):
                picture = generate_cell(names()[cell_class], rng, laboratory="amber", size=48)
                Image.fromarray(picture.image).save(place / f"image_{i}.tif")
            number += 1
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names() -> tuple[str, ...]:
    from cytosae_toolkit.demo import CELL_CLASSES

    return tuple(CELL_CLASSES)


@pytest.mark.usefixtures("no_loggers")
def test_from_the_published_folders_to_a_report(tree):
    assert len(list(tree.glob("AML_Hehr/*/*/image_*.tif"))) == len(DISEASES) * PATIENTS * CELLS
    for command in commands():
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, f"{command}: {result.output}"
    found = json.loads((tree / "classification" / "classification.json").read_text())
    assert found["n_patients"] == len(DISEASES) * PATIENTS
    for name in ("patient.html", "groups.html"):
        assert "research use only" in (tree / name).read_text(encoding="utf-8")
    assert {"latents.csv", "scatter.png", "comparison.json"} <= {path.name for path in (tree / "comparison").iterdir()}
