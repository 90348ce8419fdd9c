"""A picture in parts: heat maps, patches and regions are those of the explorer, put in their places."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from cytosae_toolkit.demo import generate_field
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.explore.scene import (
    MOST_PARTS,
    MemoryField,
    Part,
    Scene,
    Spot,
    analyse,
    cells_of_edges,
    clip_boxes,
    regular_grid,
)
from cytosae_toolkit.explore.windows import slide
from cytosae_toolkit.images.windows import window_grid
from cytosae_toolkit.progress import SILENT, Stoppable, Stopped

pytestmark = pytest.mark.usefixtures("no_loggers")

BOXES = [(5, 3, 37, 35), (30, 20, 77, 58), (0, 30, 21, 60)]


@pytest.fixture
def explorer(trained):
    return Explorer(trained.run, device="cpu")


@pytest.fixture
def pixels():
    return np.random.default_rng(4).integers(0, 256, (60, 80, 3), dtype=np.uint8)


@pytest.fixture
def boxed(explorer, pixels):
    return analyse(explorer, MemoryField(pixels), "boxes", boxes=BOXES)


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


# Heat maps


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


# Patches


@pytest.mark.parametrize("kind", ["cell", "boxes", "windows"])
def test_every_corner_and_edge_of_a_patch_belongs_to_it(explorer, pixels, kind):
    scene = analyse(explorer, MemoryField(pixels), kind, boxes=[(5, 3, 37, 35), (40, 20, 77, 59)], window=27)
    for number, part in enumerate(scene.parts):
        for row in range(2):
            for column in range(2):
                x0, y0, x1, y1 = scene.patch_box(Spot(number, row, column))
                assert part.box[0] <= x0 < x1 <= part.box[2]
                for x in (x0, (x0 + x1) / 2, np.nextafter(x1, 0)):
                    for y in (y0, (y0 + y1) / 2, np.nextafter(y1, 0)):
                        spot = scene.locate(x, y)
                        left, top, right, bottom = scene.patch_box(spot)
                        assert left <= x < right and top <= y < bottom
                        if kind != "windows":
                            assert spot == Spot(number, row, column)


def test_outside_there_is_no_patch(boxed, explorer, pixels):
    for x, y in ((-0.1, 5), (4.9, 4), (79, 5), (10, 60), (60, 58.0), (1e9, -1e9), (float("nan"), 3)):
        assert boxed.locate(x, y) is None
    cell = analyse(explorer, MemoryField(pixels), "cell")
    assert cell.locate(0, 0) == Spot(0, 0, 0)
    assert cell.locate(79.999, 59.999) == Spot(0, 1, 1)
    assert cell.locate(80, 59) is None


def test_where_boxes_overlap_the_one_whose_middle_is_nearer_counts(boxed):
    assert boxed.locate(31, 21).part == 0  # box 1 only begins here
    assert boxed.locate(36.5, 34.5).part == 1
    assert boxed.locate(35, 50).part == 1


def test_overlapping_windows_share_a_point_by_distance(explorer, pixels):
    scene = analyse(explorer, MemoryField(pixels), "windows", window=32)
    for x in np.arange(0.5, 80):
        spot = scene.locate(x, 30.5)
        middles = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in (part.box for part in scene.parts)]
        distances = [max(abs(x - middle[0]), abs(30.5 - middle[1])) for middle in middles]
        assert distances[spot.part] == min(distances)


def test_the_top_latents_of_a_patch_are_those_of_its_part(explorer, pixels, boxed):
    x0, y0, x1, y1 = BOXES[1]
    image = explorer.load(pixels[y0:y1, x0:x1])
    expected = explorer.top_latents((1, 0), 6, image=image)
    assert boxed.top_latents(Spot(1, 1, 0), 6).equals(expected)
    table = boxed.latents(hide_everywhere=False)
    assert table["max"].max() == max(part.image.codes.patches.data.max() for part in boxed.parts)


# Regions


@pytest.mark.parametrize("compared", [False, True])
@pytest.mark.parametrize("hide_everywhere", [False, True])
def test_regions_of_one_cell_are_ranked_as_by_the_explorer(explorer, pixels, compared, hide_everywhere):
    scene = analyse(explorer, MemoryField(pixels), "cell")
    mask, other = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    mask[4:33, 10:45], other[40:, 50:] = True, True
    options = {"n": None, "hide_everywhere": hide_everywhere}
    found = scene.rank_region(mask, other if compared else None, **options)
    expected = explorer.rank_region(mask, other if compared else None, image=explorer.load(pixels), **options)
    assert len(found) > 3
    assert found.equals(expected)


def test_an_atlas_says_what_fires_everywhere(atlas, pixels):
    explorer = Explorer(atlas.run, device="cpu")
    explorer.atlas = atlas
    scene = analyse(explorer, MemoryField(pixels), "cell")
    mask = np.zeros((60, 80), bool)
    mask[:25, :30] = True
    assert scene.rank_region(mask).equals(explorer.rank_region(mask, image=explorer.load(pixels)))


def test_a_region_is_compared_with_the_parts_it_touches(explorer, boxed):
    mask = np.zeros((60, 80), bool)
    mask[0:12, 0:20] = True  # of the first box alone
    alone = Scene(explorer, "boxes", (60, 80), boxed.parts[:1])
    assert boxed.rank_region(mask, hide_everywhere=False).equals(alone.rank_region(mask, hide_everywhere=False))
    with pytest.raises(CytosaeError, match="where nothing was read"):
        boxed.rank_region(np.eye(60, 80, 75, dtype=bool))
    with pytest.raises(CytosaeError, match=r"\[3, 3\]"):
        boxed.rank_region(np.ones((3, 3), bool))


# Reading


def test_boxes_are_clipped_and_slivers_left_out():
    assert clip_boxes([(-5, -7, 20, 30), (70, 50, 99, 99), (78, 0, 90, 9), (100, 0, 120, 20)], (60, 80)) == [
        (0, 0, 20, 30),
        (70, 50, 80, 60),
    ]
    with pytest.raises(CytosaeError, match="no box in the picture"):
        clip_boxes([(100, 0, 120, 20)], (60, 80))


def test_cells_of_a_field_are_found_and_read(explorer):
    made = generate_field(np.random.default_rng(1), width=320, height=240, n_white_cells=2).image
    scene = analyse(explorer, MemoryField(made), "cells")
    assert scene.parts and scene.scale.diameter > 5
    for part in scene.parts:
        x0, y0, x1, y1 = part.box
        np.testing.assert_array_equal(part.image.image, made[y0:y1, x0:x1])
    with pytest.raises(CytosaeError, match="No white cell") as error:
        analyse(explorer, MemoryField(np.full((90, 90, 3), 230, np.uint8)), "cells", red_cell_diameter=20)
    assert "--" not in str(error.value)


def test_too_many_windows_are_refused_before_they_are_made(explorer):
    class Slide:
        shape, pixel_size = (300_000, 400_000, 3), None

    start = time.perf_counter()
    with pytest.raises(CytosaeError, match="are the most"):
        analyse(explorer, Slide(), "windows", window=40)
    assert time.perf_counter() - start < 5


def test_looking_for_cells_can_be_stopped_between_two_pieces(explorer):
    field, asked = MemoryField(np.full((90, 90, 3), 230, np.uint8)), []
    progress = Stoppable(SILENT, lambda: asked.append(1) or len(asked) == 2)
    with pytest.raises(Stopped):
        analyse(explorer, field, "cells", progress=progress)
    assert len(asked) == 2


def test_what_cannot_be_read_is_refused(explorer, pixels):
    with pytest.raises(CytosaeError, match="windows"):
        analyse(explorer, MemoryField(pixels), "window")
    with pytest.raises(CytosaeError, match=f"{MOST_PARTS:,} are the most"):
        analyse(explorer, MemoryField(np.zeros((900, 900, 3), np.uint8)), "windows", window=20)
    for wrong in (pixels.astype(float), pixels[..., 0], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(CytosaeError, match="A picture is RGB"):
            MemoryField(wrong)


def test_patches_that_differ_in_size_are_no_regular_grid():
    regular = np.array([[2.0, 1, 5, 3], [5, 1, 8, 3]])
    assert regular_grid(regular, (1, 2)) == ((1.0, 2.0), (2.0, 3.0))
    assert regular_grid(np.array([[2.0, 1, 4, 3], [4, 1, 8, 3]]), (1, 2)) is None
