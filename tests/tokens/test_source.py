from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from token_parts import Matrix

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import read_images
from cytosae_toolkit.tokens import (
    LiveView,
    TokenStore,
    TokenView,
    default_store,
    estimate_bytes,
    identity_for,
    missing_images,
    token_source,
)


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i:02}.png")
    return read_images(tmp_path / "images")


def test_default_place_is_in_the_cache_and_filled_once(images):
    backbone = Matrix()
    view = token_source(images, backbone, -2, plugin={"name": "matrix"}, demonstration=True)
    assert isinstance(view, TokenView)
    assert view.store.path == default_store(backbone, -2)
    assert view.store.path == cache_folder() / "tokens" / "0123456789abcdef-layer2-float16"
    assert view.identity.demonstration
    assert view.identity.plugin == {"name": "matrix"}
    n = len(backbone.batches)
    token_source(images, backbone, -2, demonstration=True)
    assert len(backbone.batches) == n


@pytest.mark.parametrize(("name", "expected"), [("nano", True), ("timm", False), ("gone", False)])
def test_demonstration_backbones_stamp_their_tokens(tmp_path, name, expected):
    backbone = Matrix()
    backbone.plugin = {"distribution": "cytosae-toolkit", "name": name}
    assert identity_for(backbone, -2, tmp_path / "s").demonstration == expected


def test_live_and_stored_tokens_are_equal(images, tmp_path):
    stored = token_source(images, Matrix(), -2, store=tmp_path / "s")
    live = token_source(images, Matrix(), -2, no_store=True)
    assert isinstance(live, LiveView)
    np.testing.assert_array_equal(live.read(range(12)), stored.read(range(12)))
    assert not (cache_folder() / "tokens").exists()


@pytest.mark.parametrize("no_store", [True, False])
def test_unreadable_images_are_left_out_or_refused(images, tmp_path, no_store):
    images.path(4).write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    fresh = read_images(tmp_path / "images")
    view = token_source(fresh, Matrix(), -2, store=tmp_path / "s", no_store=no_store)
    assert len(view) == 11
    assert [item.path.endswith("04.png") for item in view.skipped] == [True]
    with pytest.raises(CytosaeError, match=r"04\.png"):
        token_source(fresh, Matrix(), -2, store=tmp_path / "s", no_store=no_store, strict=True)


def test_rows_of_the_table_are_the_same_with_and_without_a_store(images, tmp_path):
    (images.path(4)).write_bytes(b"no image")
    table = read_images(tmp_path / "images")
    stored = token_source(table, Matrix(), -2, store=tmp_path / "s")
    live = token_source(table, Matrix(), -2, no_store=True)
    assert live.table_rows.tolist() == stored.table_rows.tolist()
    assert list(live.keys) == list(stored.keys)
    assert 4 not in live.table_rows
    np.testing.assert_array_equal(live.read(range(11)), stored.read(range(11)))


@pytest.mark.parametrize("no_store", [True, False])
def test_no_readable_image(tmp_path, no_store):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"nothing")
    table = read_images(tmp_path / "images")
    with pytest.raises(CytosaeError, match="image"):
        token_source(table, Matrix(), -2, store=tmp_path / "s", no_store=no_store)


def test_estimates(images, tmp_path):
    assert missing_images(tmp_path / "s", images) == 12
    token_source(images.subset(range(5)), Matrix(), -2, store=tmp_path / "s")
    assert missing_images(tmp_path / "s", images) == 7
    assert 160 * 100 < estimate_bytes(100, Matrix()) < estimate_bytes(100, Matrix(), "float32")


def test_automatic_precision_follows_the_store(images, tmp_path):
    token_source(images.subset(range(5)), Matrix(), -2, store=tmp_path / "s", precision="bfloat16")
    token_source(images, Matrix(), -2, store=tmp_path / "s")
    assert TokenStore.open(tmp_path / "s").identity.precision == "bfloat16"
    with pytest.raises(CytosaeError, match=r"bfloat16; asked for is .*float32"):
        token_source(images, Matrix(), -2, store=tmp_path / "s", precision="float32")
    assert default_store(Matrix(), -2, precision="bfloat16").name.endswith("-bfloat16")


@pytest.mark.parametrize("no_store", [True, False])
def test_an_empty_part_of_a_table_has_no_tokens(images, tmp_path, no_store):
    view = token_source(images.subset(np.arange(0)), Matrix(), -2, store=tmp_path / "s", no_store=no_store)
    assert len(view) == 0
    assert view.read([]).shape == (0, *view.identity.image_shape)
