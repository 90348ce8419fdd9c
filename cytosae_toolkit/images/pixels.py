"""From decoded samples to 8-bit RGB: the one place that fixes how a sample becomes a colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]
"""A picture: uint8, shape ``[height, width, 3]``, sRGB, rows from the top."""


def to_8_bit(samples: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    """Scale samples of `bits` significant bits to 8 bits; never by the content of the image.

    Integers of more than 8 bits keep their 8 highest bits (``value >> (bits - 8)``), fewer bits are stretched
    (``value * 255 / (2**bits - 1)``), floating-point samples must lie in [0, 1] and are rounded.

    Parameters
    ----------
    samples : ndarray
        Unsigned integers, bool or floating point, any shape.
    bits : int
        Declared significant bits of an integer sample.

    Returns
    -------
    ndarray of uint8
        Same shape.

    Raises
    ------
    ValueError
        Signed integers, or floating-point samples outside [0, 1].
    """
    if samples.dtype.kind == "f":
        return _float_to_8_bit(samples)
    if samples.dtype.kind not in "ub":
        raise ValueError(f"it holds {samples.dtype} samples, which have no defined brightness")
    if bits == 8:
        return samples.astype(np.uint8, copy=False)
    if bits < 8:
        top = (1 << bits) - 1
        stretched = (np.arange(256, dtype=np.uint16).clip(max=top) * 255 + top // 2) // top
        table: npt.NDArray[np.uint8] = stretched.astype(np.uint8)
        return table[samples.astype(np.uint8)]
    highest: npt.NDArray[np.uint8] = np.minimum(samples >> (bits - 8), 255).astype(np.uint8)
    return highest


def _float_to_8_bit(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if not (np.isfinite(samples).all() and samples.min() >= 0 and samples.max() <= 1):
        raise ValueError("it holds floating-point samples outside 0 to 1")
    return np.floor(samples.astype(np.float64) * 255 + 0.5).astype(np.uint8)


def grey_to_rgb(grey: npt.NDArray[np.uint8]) -> RGB:
    """Repeat a grey plane ``[height, width]`` in the three channels."""
    return np.repeat(grey[:, :, None], 3, axis=2)


def over_white(colour: RGB, alpha: npt.NDArray[np.uint8], *, premultiplied: bool = False) -> RGB:
    """Lay a transparent picture over white, rounded to the nearest integer.

    An alpha channel that is zero everywhere carries no picture and is ignored: some microscopes write it so.

    Parameters
    ----------
    colour : ndarray of uint8, shape [height, width, 3]
        The colours.
    alpha : ndarray of uint8, shape [height, width]
        Opacity, 255 = opaque.
    premultiplied : bool
        Whether `colour` is already multiplied by alpha ("associated alpha" in TIFF).
    """
    if alpha.min() == 255 or alpha.max() == 0:
        return colour
    opacity = alpha[:, :, None].astype(np.uint32)
    weighted = colour.astype(np.uint32) * (255 if premultiplied else opacity)
    mixed = (weighted + 255 * (255 - opacity) + 127) // 255
    result: RGB = np.minimum(mixed, 255).astype(np.uint8)
    return result


def oriented(picture: RGB, orientation: int) -> RGB:
    """Turn and mirror a picture as its EXIF / TIFF orientation (1 to 8) asks; other values mean 1."""
    if orientation in (5, 6, 7, 8):
        picture = picture.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return picture
