from __future__ import annotations

import anndata
import numpy as np
import pytest
import zarr

from cytosae_toolkit.atlas.reference_reading import Reference, ReferenceReader
from cytosae_toolkit.atlas.writing import quiet_zarr
from cytosae_toolkit.errors import CytosaeError

TEXTS = {
    "id": [f"x{i}" for i in range(9)], "label": ["blast"] * 8 + [""], "patient": [""] * 9,
    "group": [f"g{i}" for i in range(9)], "set": ["north"] * 9,
}  # fmt: skip


class OneColumn:
    """Latent 0 is active on images 1, 3 and 5."""

    def column(self, latent):
        return np.array([1, 3, 5]), np.array([0.5, 0.25, 0.125], np.float32)


@pytest.fixture
def reader(tmp_path):
    varm = {
        "ref_rows": [[1, 3, -1, -1]], "ref_peaks": [[7, -1, -1, -1]], "ref_rows:north": [[3, -1]],
        "ref_peaks:north": [[-1, -1]], "typical_rows": [[5, -1, 3, 1, -1, -1, 3, 5]], "typical_peaks": [[0] * 8],
        "miss_rows": [[8, -1]],
    }  # fmt: skip
    made = anndata.AnnData(np.zeros((9, 1), np.float32), varm={key: np.array(value) for key, value in varm.items()})
    path = tmp_path / "a.zarr"
    with quiet_zarr(), anndata.settings.override(zarr_write_format=3):
        made.write_zarr(path)
    return ReferenceReader(zarr.open_group(path, mode="r"), path, OneColumn(), TEXTS)


def test_the_best_come_with_all_that_is_known(reader):
    first, second = reader.read(0, "top", None, None)
    assert first == Reference(0, 1, 0.5, 7, "x1", "blast", None, "g1", "north")
    assert (second.row, second.value, second.peak) == (3, 0.25, -1)
    assert reader.read(0, "top", "north", None) == [second]
    assert reader.read(0, "top", None, 1) == [first]


def test_typical_images_know_their_quartile(reader):
    assert [(one.row, one.quartile) for one in reader.read(0, "typical", None, None)] == [
        (5, 0), (3, 1), (1, 1), (3, 3), (5, 3)
    ]  # fmt: skip
    assert [one.quartile for one in reader.read(0, "typical", None, 3)] == [0, 1, 3]


def test_a_near_miss_is_silent(reader):
    (miss,) = reader.read(0, "miss", None, None)
    assert (miss.row, miss.value, miss.peak, miss.label, miss.quartile) == (8, 0.0, -1, None, None)


def test_what_is_missing_from_the_atlas_is_a_sentence(reader):
    with pytest.raises(CytosaeError, match="is damaged"):
        reader.read(0, "top", "south", None)
