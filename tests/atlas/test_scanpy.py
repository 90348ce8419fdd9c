"""scanpy, in an environment of its own, runs on an atlas as the documentation shows."""

from __future__ import annotations

import re
import subprocess
import venv
from pathlib import Path

import pytest

from cytosae_toolkit.atlas.building import build_atlas
from tests.conftest import ROOT, skip_or_fail

UNREACHABLE = ("No matching distribution", "Could not find a version", "ConnectionError", "NewConnectionError")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a scratch environment with scanpy and nothing of this project."""
    folder = tmp_path_factory.mktemp("scanpy") / "env"
    try:
        venv.create(folder, with_pip=True)
    except subprocess.CalledProcessError:
        skip_or_fail("this Python has no ensurepip, so that no environment with pip can be made")
    interpreter = next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists())
    install = [interpreter, "-m", "pip", "install", "--quiet", "scanpy", "anndata>=0.12", "zarr>=3.1"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode and any(sign in done.stderr + done.stdout for sign in UNREACHABLE):
        skip_or_fail("the package index, which has scanpy, is unreachable")
    assert done.returncode == 0, done.stderr
    return interpreter


def test_the_example_of_the_documentation_runs(python, whole_run, cells, tmp_path):
    atlas = build_atlas(whole_run, cells, tmp_path / "cells.atlas.zarr", aggregator_options={"threshold": 3})
    page = (ROOT / "docs" / "atlas.md").read_text(encoding="utf-8")
    (example,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "scanpy" in code)
    code = example.replace("sc.pl.rank_genes_groups(atlas)", "print(atlas.uns['rank_genes_groups']['names'][0])")
    done = subprocess.run([python, "-c", code], cwd=atlas.path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    best = re.findall(r"'(\d+)'", done.stdout)
    assert len(best) == 3
    assert all(0 < int(latent) < 96 for latent in best)
