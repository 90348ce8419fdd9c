from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from cytosae_toolkit.atlas import similarity
from cytosae_toolkit.atlas.similarity import coactivation_cosines, direction_cosines, similar
from cytosae_toolkit.errors import CytosaeError


class SmallAtlas:
    """Six latents over seven images; latent 5 never fires."""

    d_sae, n_images, has_images, path = 6, 7, True, Path("small.atlas.zarr")

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.means = rng.random((7, 6)).astype(np.float32) * (rng.random((7, 6)) < 0.6)
        self.means[:, 1] = 2 * self.means[:, 0]
        self.means[:, 5] = 0
        self.W_dec = rng.normal(size=(6, 4)).astype(np.float32)
        self.W_dec[3] = 5 * self.W_dec[0]

    @property
    def run(self) -> SimpleNamespace:
        return SimpleNamespace(sae=SimpleNamespace(decoder_directions=torch.tensor(self.W_dec)))

    @property
    def latents(self) -> pd.DataFrame:
        return pd.DataFrame(
            {"mean_activation": self.means.mean(axis=0), "name": ["", "a", "b", "c", "d", "e"], "verdict": ""}
        )

    def mean_rows(self, rows):
        return sparse.csr_matrix(self.means[rows])


class NoRun(SmallAtlas):
    @property
    def run(self) -> SimpleNamespace:
        raise CytosaeError("It carries no run.")


@pytest.fixture
def atlas() -> SmallAtlas:
    return SmallAtlas()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a.astype(float) @ b.astype(float) / np.linalg.norm(a.astype(float)) / np.linalg.norm(b.astype(float)))


def test_directions_are_compared_whatever_their_length(atlas, monkeypatch):
    monkeypatch.setattr(similarity, "_LATENT_BLOCK", 2)
    expected = [cosine(atlas.W_dec[0], direction) for direction in atlas.W_dec]
    assert direction_cosines(atlas.W_dec, 0) == pytest.approx(expected)


def test_a_direction_of_length_zero_is_like_none(atlas):
    atlas.W_dec[2] = 0
    assert np.isnan(direction_cosines(atlas.W_dec, 0)).tolist() == [False, False, True, False, False, False]
    atlas.has_images = False
    assert 2 not in similar(atlas, 0)["latent"].tolist()


@pytest.mark.parametrize("block", [1, 3, 512])
def test_coactivation_is_the_cosine_over_all_images(atlas, monkeypatch, block):
    monkeypatch.setattr(similarity, "_ROW_BLOCK", block)
    found = coactivation_cosines(atlas, 0)
    fires = atlas.means.any(axis=0)
    assert np.isnan(found).tolist() == (~fires).tolist()
    assert found[fires] == pytest.approx([cosine(atlas.means[:, 0], atlas.means[:, s]) for s in np.flatnonzero(fires)])


def test_both_measures_stand_side_by_side(atlas):
    found = similar(atlas, 0, 1)
    assert set(found["latent"]) == {1, 3}
    assert found.columns.tolist() == [
        "latent", "direction_cosine", "coactivation_cosine", "name", "verdict", "mean_activation",
    ]  # fmt: skip
    row = found.set_index("latent").loc[3]
    assert row["direction_cosine"] == pytest.approx(1)
    assert row["coactivation_cosine"] == pytest.approx(cosine(atlas.means[:, 0], atlas.means[:, 3]))
    assert row["name"] == "c"


def test_live_latents_come_first_in_the_order_of_both(atlas):
    atlas.has_images = False
    found = similar(atlas, 0)
    expected = {s: cosine(atlas.W_dec[0], atlas.W_dec[s]) for s in range(1, 5)}  # 5 never fires
    assert found["latent"].tolist() == sorted(expected, key=lambda s: -expected[s])
    assert len(similar(atlas, 0, 2)) == 2


def test_one_measure_alone(atlas):
    atlas.has_images = False
    assert similar(atlas, 0, 2)["coactivation_cosine"].isna().all()
    bare = NoRun()
    assert similar(bare, 0, 2)["direction_cosine"].isna().all()
    bare.has_images = False
    with pytest.raises(CytosaeError, match="neither"):
        similar(bare, 0)


def test_a_latent_that_never_fires_is_like_none(atlas):
    with pytest.raises(CytosaeError, match="active on no image"):
        similar(atlas, 5)
