"""A picture in parts: patches and regions are those of the explorer, put in their places."""

from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.explore.analysing import MemoryField, analyse
from cytosae_toolkit.explore.scene import Scene, Spot
from tests.explore.conftest import BOXES

pytestmark = pytest.mark.usefixtures("no_loggers")


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
