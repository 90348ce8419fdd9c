from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cytosae_toolkit.atlas.card import label_entropy as module
from cytosae_toolkit.atlas.card.label_entropy import label_entropy


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_entropy_of_the_ten_best_one_per_group(monkeypatch, form):
    monkeypatch.setattr(module, "UNITS_AT_ONCE", 2)
    labels = np.array(["a"] * 12 + ["b"] * 12, dtype=object)
    groups = np.array([f"g{i}" for i in range(24)])
    one, both, few = np.zeros((3, 24), dtype=np.float32)
    one[:12], both[2:12], both[12:22], few[:9] = 1, 1, 1, 1
    both[:7] = 0
    found = label_entropy(form(np.stack([one, both, few], axis=1)), labels, groups)
    np.testing.assert_allclose(found.entropy[:2], [0, np.log(2)], atol=1e-7)
    assert np.isnan(found.entropy[2])
    assert 0.3 < found.shuffled[0] < np.log(2)


def test_images_of_one_group_are_one_reference():
    labels = np.array(["a"] * 11, dtype=object)
    activations = np.ones((11, 1), dtype=np.float32)
    groups = np.array(["same", "same", *(f"g{i}" for i in range(9))])
    assert label_entropy(activations, labels, groups).entropy[0] == 0  # ten groups
    groups[2] = "same"
    assert np.isnan(label_entropy(activations, labels, groups).entropy[0])
