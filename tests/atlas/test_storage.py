"""Elements of an AnnData are read as anndata reads them, without importing it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import zarr
from anndata.io import read_elem, write_elem
from pandas.testing import assert_frame_equal
from scipy import sparse

from cytosae_toolkit.atlas.storage import read_element
from cytosae_toolkit.atlas.writing import quiet_zarr
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture
def group(tmp_path):
    label = pd.Categorical(["blast", None, "ä", "blast"])
    table = pd.DataFrame(
        {
            "label": label,
            "grade": pd.Categorical(["II", "I", "III", "I"], ["I", "II", "III"], ordered=True),
            "id": pd.Series(["", "é", "c", "d"], dtype=object),
            "mean": np.array([0.5, np.nan, 0, 1], dtype=np.float32),
            "n": [1, 2, 3, 4],
            "flag": [True, False, False, True],
        },
        index=["0", "1", "2", "3"],
    )
    with quiet_zarr():
        root = zarr.open_group(tmp_path / "a", mode="w", zarr_format=3)
        write_elem(root, "table", table)
        write_elem(root, "named", table.rename_axis("image"))
        write_elem(root, "empty", table.iloc[:0])
        write_elem(root, "array", np.arange(6.0).reshape(2, 3))
        write_elem(root, "matrix", sparse.csr_matrix(np.eye(3)))
    return root


@pytest.mark.parametrize("name", ["table", "named", "empty"])
def test_tables_equal_those_that_anndata_reads(group, tmp_path, name):
    with quiet_zarr():
        assert_frame_equal(read_element(group, name, tmp_path), read_elem(group[name]))


def test_arrays_and_whatever_else(group, tmp_path):
    assert np.array_equal(read_element(group, "array", tmp_path), np.arange(6.0).reshape(2, 3))
    assert (read_element(group, "matrix", tmp_path) != sparse.csr_matrix(np.eye(3))).nnz == 0


@pytest.mark.parametrize("name", ["nothing", "table/nothing"])
def test_what_is_missing_is_damage(group, tmp_path, name):
    with pytest.raises(CytosaeError, match="damaged"):
        read_element(group, name, tmp_path)


def test_reading_a_table_does_not_wait_for_the_import_of_anndata(group, tmp_path):
    code = (
        "import sys, zarr; from pathlib import Path; from cytosae_toolkit.atlas.storage import read_element; "
        f"read_element(zarr.open_group({str(tmp_path / 'a')!r}, mode='r'), 'table', Path('a')); "
        "assert 'anndata' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
