from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.review_items import DecoyLatent, draw_weak, review_items
from cytosae_toolkit.progress import SILENT
from tests.atlas.review_atlas import ReviewAtlas


def decoy(n_pictures: int, *, intruder: bool) -> DecoyLatent:
    picture, heat = np.zeros((8, 8, 3), np.uint8), np.ones((2, 2), np.float32)
    return DecoyLatent(7, [picture] * n_pictures, [heat] * n_pictures, picture if intruder else None)


def test_only_who_has_an_intruder_and_pictures_to_compare_it_with_is_tested_so(tmp_path):
    atlas = ReviewAtlas(tmp_path / "a.atlas.zarr")
    decoys = [decoy(2, intruder=True), decoy(2, intruder=False), decoy(1, intruder=True)]
    nothing = atlas.latents.reset_index()[["latent"]].assign(cluster=0)[:0]
    items, facts = review_items(atlas, nothing, decoys, intruder=True, n_images=9, seed=0, progress=SILENT)
    assert [item.kind for item in items] == ["intruder", "meaning", "meaning", "meaning"]
    assert [facts[item.id]["decoy"] for item in items] == [7] * 4


def test_an_intruder_of_a_latent_that_fires_everywhere_is_weak():
    rng = np.random.default_rng(0)
    means = np.linspace(1, 2, 40)
    assert {draw_weak(means, rng) for _ in range(100)} == {0, 1, 2, 3}
    means[7] = 0
    assert draw_weak(means, rng) == 7
    assert draw_weak(np.ones(1), rng) == 0
