"""Three planes may be colours or a stack: asked about unless the layer tells."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._colour_axis import UnclearColours, colour_axis, keep_as_stack, show_as_colour
from napari_cytosae._pixels import picture_of

COLOUR = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
PLANES = np.moveaxis(COLOUR, -1, 0)


@pytest.mark.parametrize(
    ("data", "arguments", "expected"),
    [
        (PLANES, {}, 0),
        (PLANES, {"axis_labels": ("channel", "y", "x")}, 0),
        (PLANES, {"axis_labels": ("C", "y", "x"), "scale": (2, 1, 1)}, 0),
        (np.concatenate([PLANES, PLANES[:1]]), {}, 0),
        (COLOUR, {"rgb": False}, 2),
        (PLANES, {"axis_labels": ("z", "y", "x")}, None),
        (PLANES, {"scale": (5, 1, 1)}, None),
        (PLANES, {"units": ("um", "um", "um")}, None),
        (PLANES, {"units": ("s", "um", "um")}, None),
        (np.zeros((5, 20, 30)), {}, None),
        (np.zeros((3, 4, 20, 30)), {}, None),
        (COLOUR, {"rgb": True}, None),
        (COLOUR[..., 0], {}, None),
        ([PLANES, PLANES[:, ::2, ::2]], {"multiscale": True}, 0),
    ],
)
def test_an_axis_that_may_be_colours(data, arguments, expected):
    layer = Image(data, **arguments)
    assert colour_axis(layer) == expected
    keep_as_stack(layer)
    assert colour_axis(layer) is None


@pytest.mark.parametrize("data", [PLANES, da.from_array(PLANES), [PLANES, PLANES[:, ::2, ::2]], COLOUR])
def test_planes_become_one_picture_in_colour_where_they_lay(viewer, data):
    layer = viewer.add_image(
        data, rgb=False, scale=(1, 0.2, 0.2) if data is not COLOUR else (0.2, 0.2, 1), name="cells"
    )
    viewer.add_image(COLOUR, rgb=True)
    colour = show_as_colour(viewer, layer)
    assert [layer.name for layer in viewer.layers[:2]] == ["cells", "cells (colour)"]
    assert not layer.visible and viewer.layers.selection.active is colour
    assert colour.scale.tolist() == [0.2, 0.2]
    np.testing.assert_array_equal(picture_of(colour).field.read_window(0, 0, 30, 20), COLOUR)


def test_nothing_is_read_before_it_is_said(viewer):
    layer = viewer.add_image(PLANES, name="cells")
    with pytest.raises(
        UnclearColours, match="“cells” has 3 planes: the colours of one picture, or a stack of 3"
    ) as error:
        picture_of(layer, viewer.dims)
    assert error.value.layer is layer and isinstance(error.value, CytosaeError)
    keep_as_stack(layer)
    assert picture_of(layer, viewer.dims).field.shape == (20, 30, 3)
