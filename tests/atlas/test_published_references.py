from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cytosae_toolkit.atlas.published_references import entropy, find_references, label_shares
from cytosae_toolkit.errors import CytosaeError


def test_references_come_best_first_and_empty_slots_have_neither_image_nor_label():
    tensors = {"values": np.array([[0.0, 1.0, 3.0]]), "labels": np.array([[1, 0, 1]])}
    found = find_references(tensors, ["blast", "smudge"], Path("set"))
    np.testing.assert_equal(found.values, [[3, 1, np.nan]])
    assert found.labels.tolist() == [[1, 0, -1]]
    assert (found.indices, found.n_references.tolist()) == (None, [2])
    assert find_references({}, [], Path("set")) is None


def test_a_label_without_a_name_is_refused():
    with pytest.raises(CytosaeError, match="Label 1 of a reference image in set has no name: there are 1"):
        find_references({"values": np.ones((1, 1)), "labels": np.ones((1, 1))}, ["blast"], Path("set"))


def test_entropy_of_certain_even_and_no_labels():
    values = np.array([[1.0, 2.0], [1.0, 1.0], [np.nan, np.nan]])
    shares = label_shares(values, np.array([[0, 0], [0, 1], [-1, -1]], dtype=np.int32), 2)
    np.testing.assert_allclose(entropy(shares), [0, np.log(2), np.nan])
