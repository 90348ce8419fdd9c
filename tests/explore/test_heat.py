"""Heat maps of a picture are those of its parts, put in their places."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from cytosae_toolkit.explore.analysing import MemoryField, analyse
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.heat import cells_of_edges, regular_grid
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.explore.scene import Part, Scene
from cytosae_toolkit.explore.windows import slide
from cytosae_toolkit.images.windows import window_grid
from tests.explore.conftest import BOXES

pytestmark = pytest.mark.usefixtures("no_loggers")


def fake(explorer, boxes, shape, grid=(3, 4), kind="boxes", n_active=5, d_sae=20):
    """A scene of boxes whose patches fire at random."""
    rng, parts = np.random.default_rng(1), []
    for x0, y0, x1, y1 in boxes:
        n = grid[0] * grid[1]
        rows, latents = np.repeat(np.arange(n), n_active), rng.integers(0, d_sae, n * n_active)
        values = rng.random(n * n_active).astype(np.float32)
        codes = ImageCodes(sparse.csr_array((values, (rows, latents)), shape=(n, d_sae)), 0, grid)
        y, x = np.divmod(np.arange(n), grid[1])
        size = np.array([(x1 - x0) / grid[1], (y1 - y0) / grid[0]])
        corners = np.stack([x, y], axis=1) * size
        places = np.concatenate([corners, corners + size], axis=1)
        image = LoadedImage("part", np.zeros((y1 - y0, x1 - x0, 3), np.uint8), np.zeros((0, 8)), codes, places, None,
                            0.1, 5.0, None)  # fmt: skip
        parts.append(Part(image, (x0, y0, x1, y1)))
    return Scene(explorer, kind, shape, parts)


def test_one_cell_has_the_heat_map_of_the_explorer(explorer, pixels):
    scene, loaded = analyse(explorer, MemoryField(pixels), "cell"), explorer.load(pixels)
    for latent in range(0, 128, 9):
        heat = scene.heat(latent)
        np.testing.assert_array_equal(heat.values, loaded.heatmap(latent))
        assert (heat.origin, heat.cell) == ((0.0, 0.0), (30.0, 40.0))


def test_one_box_keeps_its_patches(explorer, pixels):
    heat = analyse(explorer, MemoryField(pixels), "boxes", boxes=[(30, 20, 77, 58)]).heat(6)
    np.testing.assert_array_equal(heat.values, explorer.load(pixels[20:58, 30:77]).heatmap(6))
    assert (heat.origin, heat.cell) == ((20.0, 30.0), (19.0, 23.5))


def test_windows_are_blended_as_by_slide(explorer, pixels):
    scene = analyse(explorer, MemoryField(pixels), "windows", window=32)
    latents = [3, 40, 77]
    expected = slide(explorer, MemoryField(pixels), window_grid(pixels.shape, 32), latents)
    for latent, values in zip(latents, expected.maps, strict=True):
        heat = scene.heat(latent)
        np.testing.assert_array_equal(heat.values, np.nan_to_num(values))
        assert heat.cell == expected.cell
    assert scene.approximate


def test_boxes_are_painted_pixel_by_pixel(explorer, pixels, boxed):
    images = [explorer.read(pixels[y0:y1, x0:x1]) for x0, y0, x1, y1 in BOXES]
    for latent in (2, 50, 101):
        expected = np.zeros((60, 80), np.float32)
        for image, (x0, y0, x1, y1) in zip(images, BOXES, strict=True):
            for y in range(y0, y1):
                for x in range(x0, x1):
                    value = image.heatmap(latent)[image.patch_at(x + 0.5 - x0, y + 0.5 - y0)]
                    expected[y, x] = max(expected[y, x], value)
        heat = boxed.heat(latent)
        np.testing.assert_array_equal(heat.values, expected)
        assert (heat.origin, heat.cell) == ((0.0, 0.0), (1.0, 1.0))


def test_a_small_map_of_a_large_field_loses_no_patch(explorer):
    boxes = [(100, 50, 130, 74), (9000, 12_000, 9030, 12_024), (15_990, 40, 16_000, 50)]
    scene = fake(explorer, boxes, (12_288, 16_384))
    for latent in range(20):
        heat = scene.heat(latent)
        assert heat.values.shape == (1536, 2048)
        assert heat.cell == (8.0, 8.0)
        for part in scene.parts:
            x0, y0, x1, y1 = (round(edge / 8) for edge in part.box)
            assert heat.values[y0 - 1 : y1 + 1, x0 - 1 : x1 + 1].max() == part.image.heatmap(latent).max()


@given(
    begin=st.floats(0, 40),
    patch=st.floats(0.05, 12),
    n_patches=st.integers(1, 20),
    after=st.floats(0, 10),
)
def test_a_cell_shows_the_patch_under_its_centre_and_none_is_lost(begin, patch, n_patches, after):
    edges = begin + patch * np.arange(n_patches + 1)
    n = int(np.ceil(edges[-1] + after))
    first, patches = cells_of_edges(edges, n)
    assert first >= 0 and first + len(patches) <= n
    ranks = np.arange(1.0, n_patches + 1)
    assert all(np.maximum.reduceat((ranks == rank).astype(int), patches).any() for rank in ranks)
    if patch > 1:
        shown = np.maximum.reduceat(ranks, patches)
        centres = first + np.arange(len(patches)) + 0.5
        under = np.clip(np.floor((centres - begin) / patch), 0, n_patches - 1)
        away = np.abs((centres - begin) / patch - np.round((centres - begin) / patch)) > 1e-9
        np.testing.assert_array_equal(shown[away] - 1, under[away])


def test_painting_forty_cells_is_fast(explorer):
    rng = np.random.default_rng(2)
    corners = rng.integers(0, (1440 - 170, 900 - 170), (40, 2)).tolist()
    scene = fake(explorer, [(x, y, x + 170, y + 170) for x, y in corners], (900, 1440), grid=(16, 16), n_active=40)
    scene.heat(0)
    took = []
    for latent in range(1, 12):
        start = time.perf_counter()
        scene.heat(latent)
        took.append(time.perf_counter() - start)
    assert np.median(took) < 0.05


def test_patches_that_differ_in_size_are_no_regular_grid():
    regular = np.array([[2.0, 1, 5, 3], [5, 1, 8, 3]])
    assert regular_grid(regular, (1, 2)) == ((1.0, 2.0), (2.0, 3.0))
    assert regular_grid(np.array([[2.0, 1, 4, 3], [4, 1, 8, 3]]), (1, 2)) is None
