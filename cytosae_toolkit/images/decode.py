"""Decode any supported image file to the same pixels everywhere.

Rules, which hold whatever the container (PNG, JPEG, BMP, TIFF):

* the result is uint8 RGB ``[height, width, 3]``; the orientation of EXIF or TIFF is applied;
* samples of more than 8 bits keep their 8 highest bits, by the declared depth, never by the content;
* palettes are looked up; grey is repeated; CMYK becomes RGB by Pillow's formula; alpha lies over white;
* colour profiles (ICC) and gamma are ignored; of several pages or frames the first is read;
* the size in the header is checked before any pixel is decoded.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import tiff
from cytosae_toolkit.images.pixels import RGB, grey_to_rgb, oriented, over_white, to_8_bit

MAX_PIXELS = 200_000_000
"""Largest image that is decoded; the environment variable ``CYTOSAE_MAX_PIXELS`` overrides it."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""File name endings that a folder is searched for, in lower case."""

Box = tuple[int, int, int, int]
"""``(x0, y0, x1, y1)`` in pixels of the oriented image, half-open."""

MAX_SAMPLES = 8
"""Samples per pixel that a picture has at most."""
_MAX_PIXELS_PER_BYTE = 10_000  # deflate, the tightest codec, reaches 8,256 on an empty 1-bit picture
_ORIENTATION_TAG = 0x0112


class UnreadableImage(CytosaeError):
    """An image file that cannot be decoded.

    Parameters
    ----------
    name : str
        The file.
    reason : str
        What is wrong with it, as the end of the sentence "NAME cannot be read: …".
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The image {name} cannot be read: {reason}.",
            "Replace or remove it; supported are PNG, JPEG, BMP and TIFF.",
        )
        self.name = name
        self.reason = reason


def max_pixels() -> int:
    """Return the limit on width x height: `MAX_PIXELS` or the environment variable of that name.

    Raises
    ------
    CytosaeError
        The environment variable is not a positive integer.
    """
    text = os.environ.get("CYTOSAE_MAX_PIXELS", "").strip()
    if not text:
        return MAX_PIXELS
    if not text.isdecimal() or int(text) == 0:
        raise CytosaeError(f"CYTOSAE_MAX_PIXELS is {text!r}.", "Set it to a positive whole number of pixels.")
    return int(text)


def decode(source: str | os.PathLike[str] | bytes, box: Box | None = None) -> RGB:
    """Decode an image, cropped to a box if one is given.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    box : tuple of int, optional
        ``(x0, y0, x1, y1)``, half-open, in pixels of the oriented image.

    Returns
    -------
    ndarray of uint8, shape [height, width, 3]
        C-contiguous and writable.

    Raises
    ------
    UnreadableImage
        Not a regular file, empty, not an image, truncated, too large, or a box outside it.
    """
    limit = max_pixels()
    with explained(source), opened(source) as stream:
        picture = _picture(stream, limit)
        if box is not None:
            picture = _cropped(picture, box)
        return np.array(picture, order="C")


def image_size(source: str | os.PathLike[str] | bytes) -> tuple[int, int]:
    """Return (width, height) in pixels after orientation, from the header alone.

    Raises
    ------
    UnreadableImage
        As `decode`, as far as the header shows.
    """
    limit = max_pixels()
    with explained(source), opened(source) as stream:
        if is_tiff(stream):
            page = tiff.TiffPage(stream)
            width, height = page.size
            refuse_size((width, height), page.largest_extent, stream, limit)
            orientation = page.orientation
        else:
            image = pillow_image(stream)
            width, height = image.size
            refuse_size((width, height), width * height, stream, limit)
            orientation = _orientation(image)
        return (width, height) if orientation < 5 else (height, width)


def box_problem(box: Box, width: int, height: int) -> str | None:
    """Say what is wrong with a box of an image of this size, or ``None``."""
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        return f"the box {x0} {y0} {x1} {y1} is empty (x0 < x1 and y0 < y1 are needed)"
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        return f"the box {x0} {y0} {x1} {y1} leaves the image of {width} x {height} pixels"
    return None


@contextmanager
def explained(source: str | os.PathLike[str] | bytes) -> Iterator[None]:
    """Turn whatever a decoder raises on a hostile or damaged file into one sentence."""
    name = f"of {len(source)} bytes" if isinstance(source, bytes) else os.fspath(source)
    try:
        yield
    except CytosaeError:
        raise
    except FileNotFoundError:
        raise UnreadableImage(name, "it does not exist") from None
    except PermissionError as error:
        raise UnreadableImage(name, "reading it is not permitted") from error
    except MemoryError as error:
        raise UnreadableImage(name, "it does not fit into memory") from error
    except Exception as error:  # decoders raise anything on damaged files
        text = str(error).strip().rstrip(".") or type(error).__name__
        raise UnreadableImage(name, text) from error


@contextmanager
def opened(source: str | os.PathLike[str] | bytes) -> Iterator[BinaryIO]:
    """Open a regular file that is not empty, or bytes."""
    if isinstance(source, bytes):
        if not source:
            raise ValueError("it is empty (0 bytes)")
        yield BytesIO(source)
        return
    status = Path(source).stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if status.st_size == 0:
        raise ValueError("it is empty (0 bytes)")
    with Path(source).open("rb") as stream:
        yield stream


def is_tiff(stream: BinaryIO) -> bool:
    """Say by the first bytes whether a file is a TIFF."""
    magic = stream.read(4)
    stream.seek(0)
    return magic in tiff.MAGIC


def _picture(stream: BinaryIO, limit: int) -> RGB:
    if is_tiff(stream):
        page = tiff.TiffPage(stream)
        refuse_size(page.size, page.largest_extent, stream, limit)
        if page.n_samples > MAX_SAMPLES:
            raise ValueError(f"it has {page.n_samples} samples per pixel")
        return oriented(page.rgb(), page.orientation)
    image = pillow_image(stream)
    refuse_size(image.size, image.size[0] * image.size[1], stream, limit)
    return oriented(_pillow_rgb(image), _orientation(image))


def refuse_size(size: tuple[int, int], extent: int, stream: BinaryIO, limit: int) -> None:
    """Refuse a header that no picture of this file length can have, or one above the limit."""
    width, height = size
    if width < 1 or height < 1:
        raise ValueError(f"its header gives {width} x {height} pixels")
    if extent > limit:
        raise ValueError(
            f"its header gives {width} x {height} pixels, more than the limit of {limit:,} "
            "(the environment variable CYTOSAE_MAX_PIXELS raises it)"
        )
    place = stream.tell()
    n_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(place)
    if extent > _MAX_PIXELS_PER_BYTE * n_bytes:
        raise ValueError(f"its header gives {width} x {height} pixels, which {n_bytes} bytes cannot hold")


def pillow_image(stream: BinaryIO) -> Any:
    """Open lazily with exactly one of the three supported readers, chosen by the first bytes.

    The readers are called directly because `PIL.Image.open` has a global limit of its own.
    """
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

    magic = stream.read(8)
    stream.seek(0)
    try:
        if magic == b"\x89PNG\r\n\x1a\n":
            return PngImagePlugin.PngImageFile(stream)
        if magic[:3] == b"\xff\xd8\xff":
            return JpegImagePlugin.JpegImageFile(stream)
        if magic[:2] == b"BM":
            return BmpImagePlugin.BmpImageFile(stream)
    except SyntaxError as error:
        raise ValueError(f"its header is damaged ({error})") from error
    raise ValueError("it is not a PNG, JPEG, BMP or TIFF image")


def _orientation(image: Any) -> int:
    value = image.getexif().get(_ORIENTATION_TAG, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _pillow_rgb(image: Any) -> RGB:
    image.load()
    if image.mode in ("I", "I;16", "I;16B", "I;16L"):  # PNG of 16-bit grey; "I" in older Pillow
        return grey_to_rgb(to_8_bit(np.asarray(image).astype(np.uint16), 16))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layers = np.asarray(image.convert("RGBA"))
        return over_white(layers[:, :, :3], layers[:, :, 3])
    return np.asarray(image.convert("RGB"))


def _cropped(picture: RGB, box: Box) -> RGB:
    problem = box_problem(box, picture.shape[1], picture.shape[0])
    if problem is not None:
        raise ValueError(problem)
    x0, y0, x1, y1 = box
    return picture[y0:y1, x0:x1]
