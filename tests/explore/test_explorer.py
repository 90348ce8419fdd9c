from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cytosae_patch_aggregators.aggregators import Count

from cytosae_toolkit.atlas.encoding import ImageEncoder
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.training import load_run

pytestmark = pytest.mark.usefixtures("no_loggers")


@pytest.fixture
def session(trained):
    return Explorer(trained.run, device="cpu")


def test_values_are_those_of_the_store_and_of_an_atlas(trained, session):
    encoder = ImageEncoder(trained.run.sae, Count(0.2), (2, 2), 1, session.image_fit.spread)
    for row in (0, 7, 23):
        image = session.load(trained.table.path(row))
        np.testing.assert_array_equal(image.tokens, trained.tokens[row])
        assert image.tokens.dtype == trained.tokens.dtype
        np.testing.assert_array_equal(image.codes.tokens.toarray(), trained.h[row])
        expected = encoder(trained.tokens[row].astype(np.float32), row)
        table = session.image_latents(hide_everywhere=False).sort_index()
        np.testing.assert_array_equal(table.index, expected.latent)
        np.testing.assert_array_equal(table["mean"], expected.mean)
        np.testing.assert_array_equal(table["max"], expected.max)
        np.testing.assert_array_equal(table["peak"], expected.peak)
        np.testing.assert_array_equal(table["count"], expected.value)
        for latent in range(0, 128, 17):
            np.testing.assert_array_equal(session.heatmap(latent).reshape(-1), trained.h[row, 1:, latent])


def test_the_latents_of_a_patch(trained, session):
    session.load(trained.table.path(5))
    found = session.top_latents((1, 0), 4, hide_everywhere=False)
    h = trained.h[5, 1 + 2]
    expected = np.argsort(-h, kind="stable")[:4]
    assert found.index.tolist() == expected.tolist()
    np.testing.assert_array_equal(found["activation"], h[expected])
    assert len(session.top_latents((1, 0), None, hide_everywhere=False)) == (h > 0).sum()


def test_latents_that_fire_everywhere_are_hidden(trained, session, atlas):
    bare = session.load(trained.table.path(0))
    shares = (trained.h[0, 1:] > 0).mean(axis=0)
    assert (shares > 0.95).any()
    np.testing.assert_array_equal(session.fires_everywhere(), shares > 0.95)
    frequency = (trained.h.max(axis=1) > 0).mean(axis=0)
    known = Explorer(atlas, device="cpu", everywhere=0.8)
    np.testing.assert_array_equal(known.fires_everywhere(bare), frequency >= 0.8)
    shown = known.image_latents(image=bare)
    assert len(shown) < len(known.image_latents(image=bare, hide_everywhere=False))
    assert (frequency[shown.index] < 0.8).all()
    assert (frequency[known.top_latents((0, 0), image=bare).index] < 0.8).all()


def test_a_region_of_patches_or_pixels(trained, session):
    session.load(trained.table.path(2))
    patches, pixels = np.array([[True, False], [False, False]]), np.zeros((32, 32), dtype=bool)
    pixels[:16, :16] = True
    found = session.rank_region(patches, hide_everywhere=False, n=None)
    pd.testing.assert_frame_equal(found, session.rank_region(pixels, hide_everywhere=False, n=None))
    h = trained.h[2, 1:]
    assert set(found.index) == set(np.flatnonzero(h[0].astype(float) > h[1:].astype(float).mean(axis=0)))
    against = session.rank_region(patches, patches[::-1], hide_everywhere=False, n=None)
    assert set(against.index) == set(np.flatnonzero(h[0] > h[2]))
    assert len(session.rank_region(patches, n=3)) == 3


def test_similar_images_come_from_the_atlas(trained, atlas):
    session = Explorer(atlas, device="cpu")
    session.load(trained.table.path(4))
    found = session.similar_images(30)
    assert len(found) == 11  # one of each cell, but none of the cell itself
    assert not {4, 5} & set(found.index)
    assert found["similarity"].is_monotonic_decreasing
    assert {"label", "set", "shared"} <= set(found.columns)
    copied = session.load(trained.table.read(4))
    assert session.similar_images(1, image=copied).index.tolist() == [4]  # pixels have no key
    region = session.similar_images(30, region=np.array([[True, False], [False, False]]))
    assert region["similarity"].tolist() != found["similarity"].tolist()
    everything = session.similar_images(30, region=np.ones((2, 2), dtype=bool))
    assert everything["shared"].str.len().gt(0).all()


def test_an_atlas_adds_names_and_statistics(trained, session, atlas):
    table = Explorer(atlas, device="cpu").describe(pd.DataFrame({"activation": [2.0, 1.0]}, index=[5, 2]))
    assert table["name"].tolist() == ["=pattern 5", ""]
    assert table["frequency"].tolist() == atlas.latents["frequency"].iloc[[5, 2]].tolist()
    bare = pd.DataFrame({"activation": [1.0]}, index=[3])
    pd.testing.assert_frame_equal(session.describe(bare), bare)


def test_bad_input_is_one_sentence(trained, session, atlas, tmp_path):
    with pytest.raises(CytosaeError, match=r"uint8 \[H, W, 3\], not float64 \[4, 4\]"):
        session.load(np.zeros((4, 4)))
    (tmp_path / "broken.png").write_bytes(b"nonsense")
    with pytest.raises(CytosaeError, match=r"broken\.png cannot be read"):
        session.load(tmp_path / "broken.png")
    with pytest.raises(CytosaeError, match="no images to compare with"):
        session.load(trained.table.path(0))
        session.similar_images()
    atlas.record["backbone_fingerprint"] = "0123456789abcdef"
    with pytest.raises(CytosaeError, match="belong to different SAEs: 0123456789ab and"):
        Explorer(atlas)


def test_a_run_may_be_named_by_its_path(trained):
    assert Explorer(str(trained.run.path), device="cpu").d_sae == load_run(trained.run.path).sae.d_sae
