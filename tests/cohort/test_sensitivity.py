from __future__ import annotations

import json

import numpy as np
import pytest

from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.cohort.patients import text_column
from cytosae_toolkit.cohort.sensitivity import TAUS, patient_correlations, threshold_table
from cytosae_toolkit.errors import CytosaeError

TRIED = (0.0, 3.0, 12.0)


def test_every_row_is_that_of_the_barcodes_at_that_threshold(atlas):
    table = threshold_table(atlas, 8.0, thresholds=TRIED)
    assert table["threshold"].tolist() == [0, 3, 8, 12]
    assert table["in_use"].tolist() == [False, False, True, False]
    made = [barcodes(atlas, threshold=tau) for tau in table["threshold"]]
    reference, diseases = made[2].X.toarray(), text_column(made[0].obs, "disease")
    for row, found in zip(table.to_dict("records"), made, strict=True):
        counts = found.X.toarray()
        assert row["kept_share"] == pytest.approx(kept_share(found), rel=1e-12)
        assert row["n_latents"] == (counts > 0).any(axis=0).sum()
        assert row["latents_per_patient"] == (counts > 0).sum(axis=1).mean()
        own = [np.corrcoef(a, b)[0, 1] for a, b in zip(counts, reference, strict=True)]
        assert row["correlation"] == pytest.approx(np.mean(own), rel=1e-5)
        r = np.corrcoef(counts)
        pairs = [(i, j) for i in range(12) for j in range(i) if None not in (diseases[i], diseases[j])]
        for name, same in (("within_disease", True), ("between_diseases", False)):
            expected = np.mean([r[pair] for pair in pairs if (diseases[pair[0]] == diseases[pair[1]]) is same])
            assert row[name] == pytest.approx(expected, rel=1e-5)
    assert table["kept_share"].is_monotonic_decreasing
    assert table["kept_share"].iloc[0] == 1


def kept_share(made):
    return json.loads(made.uns["cytosae"]["record"])["kept_share"]


def test_without_diseases_nothing_is_said_of_pairs(atlas):
    atlas.images["disease"] = ""
    table = threshold_table(atlas, 3.0, thresholds=[])
    assert table["threshold"].tolist() == [3]
    assert table["correlation"].tolist() == pytest.approx([1])
    assert table[["within_disease", "between_diseases"]].isna().all(axis=None)


def test_a_threshold_above_everything_leaves_nothing(atlas):
    last = threshold_table(atlas, 3.0, thresholds=[1e9]).iloc[-1]
    assert (last["kept_share"], last["n_latents"], last["correlation"]) == (0, 0, 0)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_what_is_no_threshold_is_refused(atlas, bad):
    with pytest.raises(CytosaeError, match="A threshold is an activation"):
        threshold_table(atlas, 3.0, thresholds=[*TAUS, bad])


def test_correlations_of_patients():
    matrix = np.array([[1.0, 2, 3], [2, 4, 6], [3, 2, 1], [5, 5, 5]])
    found = patient_correlations(matrix)
    assert np.allclose(found, [[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 1]])
    assert np.abs(found).max() <= 1
