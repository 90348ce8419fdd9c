from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.interfaces.codes import Codes


def loaded(width=392, height=300, grid=(3, 5), offset=(0.0, 0.0)):
    xs = offset[0] + np.arange(grid[1] + 1) * (width - 2 * offset[0]) / grid[1]
    ys = offset[1] + np.arange(grid[0] + 1) * (height - 2 * offset[1]) / grid[0]
    boxes = np.array([[xs[c], ys[r], xs[c + 1], ys[r + 1]] for r in range(grid[0]) for c in range(grid[1])])
    h = torch.arange(grid[0] * grid[1] * 2, dtype=torch.float32).reshape(-1, 2)
    codes = ImageCodes.of(Codes.from_dense(h), 0, grid)
    image = np.zeros((height, width, 3), dtype=np.uint8)
    return LoadedImage("an image", image, h.numpy(), codes, boxes, None, 0.1, 2.0, False)


@given(st.integers(1, 700), st.integers(1, 700), st.tuples(st.integers(1, 7), st.integers(1, 7)), st.data())
def test_the_patch_at_a_point_is_the_one_whose_box_holds_it(width, height, grid, data):
    image = loaded(width, height, grid)
    x = data.draw(st.floats(0, width, exclude_max=True))
    y = data.draw(st.floats(0, height, exclude_max=True))
    row, column = image.patch_at(x, y)
    x0, y0, x1, y1 = image.patch_box(row, column)
    assert x0 <= x < x1
    assert y0 <= y < y1


@given(st.integers(1, 700), st.integers(1, 700), st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_corners_and_edges_belong_to_the_patch_that_they_begin(width, height, grid):
    image = loaded(width, height, grid)
    for row in range(grid[0]):
        for column in range(grid[1]):
            x0, y0, x1, y1 = image.patch_box(row, column)
            assert image.patch_at(x0, y0) == (row, column)
            assert image.patch_at(np.nextafter(x1, 0), np.nextafter(y1, 0)) == (row, column)


def test_outside_there_is_no_patch():
    image = loaded()
    for point in ((-0.1, 5), (392, 5), (5, -0.1), (5, 300), (float("nan"), 5)):
        assert image.patch_at(*point) is None
    cropped = loaded(offset=(46.0, 0.0))
    assert cropped.patch_at(45.9, 10) is None
    assert cropped.patch_at(46.0, 10) == (0, 0)
    assert cropped.patch_at(346.0, 10) is None


def test_the_latents_of_a_patch_are_sorted():
    table = loaded().at_patch((1, 0))
    assert table.index.tolist() == [1, 0]
    assert table["activation"].tolist() == [11, 10]


@pytest.mark.parametrize("patch", [(-1, 0), (3, 0), (0, 5), (0, -1)])
def test_a_patch_outside_the_grid_is_refused(patch):
    with pytest.raises(CytosaeError, match="outside the grid of 3 rows and 5 columns"):
        loaded().at_patch(patch)
    with pytest.raises(CytosaeError, match="outside the grid"):
        loaded().patch_box(*patch)


@pytest.mark.parametrize("latent", [-1, 2])
def test_a_latent_that_does_not_exist_is_refused(latent):
    with pytest.raises(CytosaeError, match=f"Latent {latent} does not exist: there are 2"):
        loaded().heatmap(latent)
