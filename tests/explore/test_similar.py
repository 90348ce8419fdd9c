from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cytosae_toolkit.explore import similar
from cytosae_toolkit.explore.similar import inverse_document_frequency, similar_images


def atlas_of(means, **columns):
    means = np.asarray(means, dtype=np.float32)
    images = pd.DataFrame({"id": [f"i{row}" for row in range(len(means))]} | columns)
    if "group" not in images:
        images["group"] = images["id"]
    latents = pd.DataFrame({"n_images": (means > 0).sum(axis=0)})
    return SimpleNamespace(
        images=images,
        latents=latents,
        mean_rows=lambda rows: sparse.csr_matrix(means[rows]),
        file_name=lambda row: f"cell-{row}.png",
    )


MEANS = [
    [5, 1, 0, 0],
    [5, 2, 0, 0],
    [5, 0, 1, 0],
    [5, 0, 1, 1],
]


def test_latents_that_fire_everywhere_count_for_nothing():
    found = similar_images(atlas_of(MEANS), np.array([100.0, 1, 0, 0]))
    assert found["file"].tolist() == ["cell-0.png", "cell-1.png"]
    assert found.index.tolist() == [0, 1]  # rows 2 and 3 share only latent 0
    np.testing.assert_allclose(found["similarity"], 1.0)
    assert inverse_document_frequency(np.array([4, 2]), 4)[0] == 0


@pytest.mark.parametrize("share", [None, np.array([1, 0.5, 0.25, 0])])
def test_similarity_is_its_definition_to_the_last_bit(share):
    means = np.array([[0, 2, 0, 1], [3, 1, 0, 0], [0, 0.5, 4, 0], [1, 0, 0, 2]])
    query, r = np.array([0.0, 1, 2, 0]), np.ones(4) if share is None else share
    w = np.log((1 + 4) / (1 + (means > 0).sum(axis=0))) * r
    cosine = (means * (w * query)).sum(axis=1) / (np.sqrt((means**2 * w).sum(axis=1)) * np.sqrt((w * query**2).sum()))
    expected = [row for row in np.argsort(-cosine, kind="stable") if cosine[row] > 0]
    found = similar_images(atlas_of(means), query, share=share)
    assert found.index.tolist() == expected
    assert found["similarity"].tolist() == cosine[expected].tolist()


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_blocks_of_images_change_nothing(at_once, monkeypatch):
    rng = np.random.default_rng(0)
    means = (rng.random((30, 12)) * (rng.random((30, 12)) < 0.4)).astype(np.float32)
    query, share = rng.random(12) * (rng.random(12) < 0.5), rng.random(12)
    expected = similar_images(atlas_of(means), query, share=share, n=5)
    monkeypatch.setattr(similar, "ROWS_AT_ONCE", at_once)
    pd.testing.assert_frame_equal(similar_images(atlas_of(means), query, share=share, n=5), expected)
    products = np.log(31 / (1 + (means > 0).sum(axis=0))) * share * query * means[expected.index[0]]
    best = [latent for latent in np.argsort(-products)[:3] if products[latent] > 0]
    assert expected["shared"].iloc[0] == " ".join(map(str, best))


def test_latents_outside_the_region_count_for_nothing():
    found = similar_images(atlas_of(MEANS), np.array([0, 1.0, 1, 0]), share=np.array([0, 0, 1.0, 0]))
    assert found.index.tolist() == [2, 3]


def test_one_image_per_group_and_never_the_image_itself():
    atlas = atlas_of([*MEANS, [5, 3, 0, 0]], group=["a", "a", "b", "b", "c"], key=["k0", "k1", "k2", "k3", "k4"])
    query = np.array([0, 1.0, 0, 0])
    assert similar_images(atlas, query).index.tolist() == [0, 4]
    assert similar_images(atlas, query, key="k1").index.tolist() == [4]  # nor another image of its group
    assert similar_images(atlas, query, group="c").index.tolist() == [0]


def test_nothing_in_common():
    found = similar_images(atlas_of(MEANS), np.zeros(4))
    assert len(found) == 0
    assert "similarity" in found.columns
