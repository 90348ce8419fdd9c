"""TIFF headers are known before pixels, and lost tags are refused."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import tifffile

from cytosae_toolkit.images import UnreadableImage, decode
from cytosae_toolkit.images.tiff import TiffPage


def test_the_header_alone() -> None:
    buffer = BytesIO()
    tifffile.imwrite(buffer, np.zeros((5, 7, 3), np.uint8), photometric="rgb", tile=(16, 32))
    buffer.seek(0)
    page = TiffPage(buffer)
    assert (page.size, page.orientation, page.n_samples) == ((7, 5), 1, 3)
    assert page.largest_extent == 16 * 32


def test_a_colour_model_without_colours_is_refused() -> None:
    buffer = BytesIO()
    tifffile.imwrite(buffer, np.zeros((5, 7, 3), np.uint8), photometric="cielab")
    with pytest.raises(UnreadableImage, match="CIELAB"):
        decode(buffer.getvalue())


def test_a_volume_is_refused() -> None:
    buffer = BytesIO()
    tifffile.imwrite(buffer, np.zeros((4, 16, 16), np.uint8), volumetric=True, photometric="minisblack")
    with pytest.raises(UnreadableImage, match="4 planes"):
        decode(buffer.getvalue())
