from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.heat_maps import heat_maps
from tests.cohort.compared import ComparedAtlas, NoExplorer, ToyExplorer

EXPLORER = "cytosae_toolkit.explore.explorer.Explorer"


@pytest.fixture
def atlas():
    return ComparedAtlas([f"p{i}" for i in range(4)])


def test_kept_maps_are_read_and_others_computed_once_per_image(atlas, monkeypatch):
    monkeypatch.setattr(EXPLORER, ToyExplorer)
    monkeypatch.setattr(ToyExplorer, "calls", [])
    pairs = [(0, 0), (0, 1), (5, 1), (0, 3), (0, 0)]
    found = heat_maps(atlas, pairs)
    assert found.problem == ""
    assert ToyExplorer.calls == [1, 3]
    assert set(found.maps) == set(pairs)
    for latent, row in pairs:
        assert np.array_equal(found.maps[latent, row].ravel(), atlas.h[row, :, latent])


def test_without_a_backbone_the_strongest_patch_is_shown_and_said(atlas, monkeypatch):
    monkeypatch.setattr(EXPLORER, NoExplorer)
    rows = atlas.column(3)[0]
    odd = int(rows[rows % 2 == 1][0])
    found = heat_maps(atlas, [(3, odd), (3, 0)])
    assert found.problem == "The weights are not here."
    expected = np.where(np.arange(4) == atlas.h[odd, :, 3].argmax(), atlas.h[odd, :, 3], 0)
    assert np.array_equal(found.maps[3, odd].ravel(), expected)
    assert np.array_equal(found.maps[3, 0].ravel(), atlas.h[0, :, 3])


def test_nothing_is_computed_where_all_are_kept(atlas, monkeypatch):
    monkeypatch.setattr(EXPLORER, NoExplorer)
    assert heat_maps(atlas, [(1, 0), (1, 2)]).problem == ""
