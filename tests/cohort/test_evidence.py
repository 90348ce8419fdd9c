from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.evidence import COLUMNS, check_atlas, find_evidence, patch_text
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.making import make_barcodes


class TinyAtlas:
    """Six images of two patients; latent 5 is active on all but the last."""

    path, grid, has_images = "a.atlas.zarr", (4, 4), True

    def __init__(self):
        self.record = {"sae_fingerprint": "f" * 32}
        owners = pd.Categorical(["p00", "p00", "p01", "p00", "p00", "p01"])
        self.images = pd.DataFrame({"id": [f"i{i}" for i in range(6)], "patient": owners})
        self.media = self

    def entries(self, first, stop):
        assert (first, stop) == (5, 6)
        return SimpleNamespace(
            rows=np.arange(5), mean=np.array([0.1, 0.4, 9.0, 0.3, 0.2], np.float32), peak=np.array([0, 6, 1, -1, 2])
        )


def drivers(**changes):
    row = {
        "patient": "p00", "predicted": "aml", "against": "cll", "rank": 1, "latent": "5", "name": "", "column": 5,
        "contribution": 0.7, "speaks": "for", "value": 3.0, "training_mean": 1.0,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def test_a_driver_leads_to_the_patients_own_cells_and_patches():
    cohort = open_cohort(make_barcodes())
    found = find_evidence(drivers(), cohort, TinyAtlas(), 3)
    assert list(found) == list(COLUMNS)
    assert found["image"].tolist() == ["i1", "i3", "i4"]
    assert found["patch"].tolist() == ["1,2", "", "0,2"]
    assert found["mean_activation"].tolist() == pytest.approx([0.4, 0.3, 0.2])


def test_a_driver_by_its_absence_has_no_cells():
    assert find_evidence(drivers(value=0.0), open_cohort(make_barcodes()), TinyAtlas(), 3).empty


def test_atlases_that_cannot_serve_are_refused():
    cohort, atlas = open_cohort(make_barcodes()), TinyAtlas()
    check_atlas(cohort, atlas)
    with pytest.raises(CytosaeError, match="of named concepts"):
        check_atlas(open_cohort(make_barcodes(by_name=True)), atlas)
    atlas.images["patient"] = None
    with pytest.raises(CytosaeError, match="does not say whose cells"):
        check_atlas(cohort, atlas)
    atlas.record["sae_fingerprint"] = "0" * 32
    with pytest.raises(CytosaeError, match="Name the atlas that they were made from"):
        check_atlas(cohort, atlas)


def test_patches_are_row_and_column():
    assert patch_text(17, (16, 16)) == "1,1"
    assert patch_text(-1, (16, 16)) == ""
