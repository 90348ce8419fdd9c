from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from cytosae_toolkit.atlas.review_decoys import untrained_decoys
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import read_images
from cytosae_toolkit.training import train

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


@pytest.fixture
def atlas(tiny_config, tiny_images):
    images = read_images(tiny_images)
    run = train(tiny_config(steps=3))
    return SimpleNamespace(
        path=tiny_images,
        has_images=True,
        run=run,
        statistics=pd.DataFrame({"density_tokens": np.full(run.record["d_sae"], 0.3)}),
        images=pd.DataFrame({"group": np.arange(len(images)) // 2}).astype(str),
        picture=images.read,
    )


def test_decoys_show_what_an_untrained_sae_sees(atlas):
    decoys = untrained_decoys(atlas, 5, seed=1, images_per_latent=4, device="cpu")
    assert len({decoy.latent for decoy in decoys}) == 5
    backbone = atlas.run.backbone(device="cpu")
    for decoy in decoys:
        assert len(decoy.pictures) == len(decoy.heatmaps) == 4
        assert decoy.intruder is not None
        assert all(heatmap.shape == tuple(backbone.grid) for heatmap in decoy.heatmaps)
        assert not any(np.array_equal(decoy.intruder, picture) for picture in decoy.pictures)
    trained = atlas.run.sae
    with torch.inference_mode():
        batch = torch.stack([backbone.preprocess(picture) for picture in decoys[0].pictures])
        h = trained.encode(backbone.tokens(batch, atlas.run.layer))[:, backbone.prefix_tokens :, decoys[0].latent]
    assert not np.allclose(h.numpy().reshape(4, *backbone.grid), np.stack(decoys[0].heatmaps), atol=1e-3)


def test_the_seed_decides(atlas):
    first, again, other = (untrained_decoys(atlas, 4, seed=seed, device="cpu") for seed in (1, 1, 2))
    assert [d.latent for d in first] == [d.latent for d in again] != [d.latent for d in other]
    assert np.array_equal(first[0].heatmaps, again[0].heatmaps)


def test_at_most_one_picture_of_a_group_and_few_images(atlas):
    read = []
    original = atlas.picture
    atlas.picture = lambda row: read.append(row) or original(row)
    untrained_decoys(atlas, 2, device="cpu")
    assert len(read) == 12
    assert len({row // 2 for row in read}) == 12
    read.clear()
    (decoy,) = untrained_decoys(atlas, 1, max_images=3, device="cpu")
    assert len(read) == 3
    assert len(decoy.pictures) <= 3


def test_it_says_clearly_why_there_can_be_none(atlas):
    assert untrained_decoys(atlas, 0) == []
    atlas.has_images = False
    with pytest.raises(CytosaeError, match=r"Decoys cannot be computed: .* has no images.*--decoys 0"):
        untrained_decoys(atlas, 2)


def test_a_missing_backbone_is_the_reason_given(atlas):
    def fail(**options):
        raise CytosaeError("The weights are not here.", "Fetch them.")

    atlas.run.backbone = fail
    with pytest.raises(CytosaeError, match="cannot be computed: The weights are not here. Fetch them. Without"):
        untrained_decoys(atlas, 2)


def test_decoys_are_as_dense_as_latents_of_the_atlas():
    from cytosae_toolkit.atlas.review_decoys import _matched

    h = np.random.default_rng(0).normal(size=(20, 50, 3)).astype(np.float32).clip(0)
    found = _matched(h, np.array([0.02, 0.2, 1.0]))
    assert np.allclose((found > 0).mean(axis=(0, 1))[:2], [0.02, 0.2], atol=0.005)
    assert np.array_equal(found[..., 2], h[..., 2])
