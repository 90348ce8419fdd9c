from __future__ import annotations

import anndata
import numpy as np
import pytest
import zarr
from scipy import sparse

from cytosae_toolkit.atlas.matrix_reading import MatrixReader
from cytosae_toolkit.atlas.writing import quiet_zarr

DENSE = np.random.default_rng(0).random((12, 5), dtype=np.float32) * (np.random.default_rng(1).random((12, 5)) < 0.4)


@pytest.fixture
def matrices(tmp_path):
    path = tmp_path / "a.zarr"
    with quiet_zarr(), anndata.settings.override(zarr_write_format=3):
        anndata.AnnData(sparse.csr_matrix(DENSE), layers={"max": sparse.csr_matrix(2 * DENSE)}).write_zarr(path)
    return MatrixReader(zarr.open_group(path, mode="r"), path, 5)


@pytest.mark.parametrize("rows", [[3], [3, 4, 5], [11, 0, 1, 7], [2, 2], []])
def test_rows_in_any_order(matrices, rows):
    assert np.array_equal(matrices.rows("X", rows).toarray(), DENSE[rows])
    assert np.array_equal(matrices.rows("layers/max", rows).toarray(), 2 * DENSE[rows])
