"""A tiny atlas of patients with troublesome names, its barcodes, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cytosae_toolkit.atlas.building import build_atlas
from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.cohort.cohort import save_cohort
from cytosae_toolkit.cohort.report.inputs import Request, open_inputs
from cytosae_toolkit.cohort.report.patient_tables import Patient
from cytosae_toolkit.cohort.report.profile import Profile
from cytosae_toolkit.cohort.report.sources import TableFolder
from cytosae_toolkit.images import read_images
from cytosae_toolkit.progress import SILENT
from cytosae_toolkit.training import load_run
from tests.atlas.conftest import WholeTokens, whole_run_folder
from tests.cohort.compared import NoExplorer
from tests.conftest import skip_or_fail

__all__ = ["whole_run_folder"]

ODD = "<script>alert('1')</script> \"Ünï\" & __BODY__ $x$ =1+1 " + "very-long-" * 8
ALONE, UNKNOWN = "one cell", "no disease"
GROUPS = ("aml <b>m3", "cll & b")


def patients() -> list[tuple[str, str | None, int]]:
    """Return names, diseases and numbers of cells."""
    named = [(f"p{i:02}", GROUPS[i % 2], 4) for i in range(8)]
    return [*named, (ODD, GROUPS[0], 5), (ALONE, GROUPS[1], 1), (UNKNOWN, None, 3)]


@pytest.fixture(scope="session")
def atlas_path(whole_run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng, rows = tmp_path_factory.mktemp("reported"), np.random.default_rng(3), []
    for name, disease, n in patients():
        for i in range(n):
            path = f"{len(rows):03}.png"
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / path)
            label = ["blast", "lymphocyte"][i % 2]
            rows.append({"path": path, "patient": name, "disease": disease, "label": label, "sex": "f"})
    pd.DataFrame(rows).to_csv(folder / "cells.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: WholeTokens(images))
        images = read_images(folder / "cells.csv")
        options = {"threshold": 3}
        build_atlas(load_run(whole_run_folder), images, folder / "a.atlas.zarr", top=4, aggregator_options=options)
    return folder / "a.atlas.zarr"


@pytest.fixture(scope="session")
def barcodes_path(atlas_path: Path) -> Path:
    return save_cohort(barcodes(atlas_path, command="cytosae-toolkit barcodes"), atlas_path.parent / "b.h5ad")


@pytest.fixture
def request_for(barcodes_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    """Return a function that makes a request; heat maps that the atlas does not keep cannot be computed."""
    monkeypatch.setattr("cytosae_toolkit.explore.explorer.Explorer", NoExplorer)
    return lambda **changes: Request(**({"source": barcodes_path, "out": tmp_path / "r.html"} | changes))


@pytest.fixture
def alone(request_for: Callable[..., Request], tmp_path: Path) -> Patient:
    """A patient of one cell, whom no classification knows."""
    request = request_for()
    inputs = open_inputs(request, ["--patient", ALONE])
    profile = Profile(inputs.cohort, inputs.cohort.row_of(ALONE), inputs.groups)
    tables = TableFolder(tmp_path, tmp_path, request.out, inputs.command)
    return Patient(inputs, ALONE, profile, None, tables, SILENT)


@pytest.fixture(scope="session")
def chromium() -> Iterator[str]:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        skip_or_fail("Chromium is not installed")
    yield str(browser)
