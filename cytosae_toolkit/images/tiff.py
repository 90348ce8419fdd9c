"""TIFF pages to 8-bit RGB, whatever their compression, bit depth, planes or photometric."""

from __future__ import annotations

import logging
import struct
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from cytosae_toolkit.images.pixel_size import stored_pixel_size
from cytosae_toolkit.images.pixels import RGB, grey_to_rgb, over_white, to_8_bit
from cytosae_toolkit.images.tiff_segments import TiffSegments

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First four bytes of a TIFF or BigTIFF file."""

_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA = 1, 2
_COLOUR_CODECS = ("OJPEG", "JPEG")  # their decoder returns RGB
# Tags of size, depth, codec, colours, strips, tiles, planes and orientation.
_DECISIVE = frozenset((256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 281, 284, 317)) | frozenset(
    (320, 322, 323, 324, 325, 338, 339, 347)
)
_SILENCE = logging.NullHandler()


class TiffPage:
    """The first page of a TIFF file: its header at once, its pixels on demand.

    Further pages (reduced copies, labels, other focal planes) are not read.

    Parameters
    ----------
    stream : binary file
        A seekable TIFF file; must stay open.

    Raises
    ------
    Exception
        Whatever the parser raises on a damaged header.
    """

    def __init__(self, stream: BinaryIO) -> None:
        import tifffile

        logging.getLogger("tifffile").addHandler(_SILENCE)  # what matters is raised
        self._file = tifffile.TiffFile(stream)
        self._page: Any = self._file.pages.first
        self._n_bytes = self._file.filehandle.size
        self._segments: TiffSegments | None = None
        self._refuse_lost_tags(stream)

    @property
    def size(self) -> tuple[int, int]:
        """Stored (width, height), before orientation."""
        return int(self._page.imagewidth), int(self._page.imagelength)

    @property
    def orientation(self) -> int:
        """Value of the orientation tag, 1 where absent."""
        return int(self._tag("Orientation", 1))

    @property
    def largest_extent(self) -> int:
        """Pixels of the page or of one of its tiles, whichever is more: what decoding may allocate."""
        page = self._page
        tile = max(1, page.tilewidth) * max(1, page.tilelength) if page.is_tiled else 0
        depth = max(1, int(page.imagedepth)) * max(1, int(page.tiledepth))
        return max(int(page.imagewidth) * int(page.imagelength), tile) * depth

    @property
    def n_samples(self) -> int:
        """Samples per pixel."""
        return int(self._page.samplesperpixel)

    def rgb(self) -> RGB:
        """Decode the page.

        Returns
        -------
        ndarray of uint8, shape [height, width, 3]
            Before orientation.

        Raises
        ------
        ValueError
            Truncated data, or a kind of picture that has no defined colours.
        """
        self._refuse_missing_data()
        return self._colours(self._samples())

    def rgb_window(self, x0: int, y0: int, x1: int, y1: int) -> RGB:
        """Decode a box of the stored page from the tiles or strips that it meets, by the rules of `rgb`.

        Returns
        -------
        ndarray of uint8, shape [y1 - y0, x1 - x0, 3]
            Before orientation.

        Raises
        ------
        ValueError
            As `rgb`.
        """
        if self._segments is None:
            self._refuse_missing_data()
            self._segments = TiffSegments(self._file.filehandle, self._page)
        return self._colours(self._segments.read(x0, y0, x1, y1))

    @property
    def segment_extent(self) -> int:
        """Pixels of one tile or strip: what reading a small window decodes at least."""
        page = self._page
        if page.is_tiled:
            return max(1, int(page.tilewidth)) * max(1, int(page.tilelength)) * max(1, int(page.tiledepth))
        return int(page.imagewidth) * min(int(page.imagelength), max(1, int(page.rowsperstrip)))

    @property
    def pixel_size(self) -> float | None:
        """Micrometres per pixel as the header tells, or None."""
        return stored_pixel_size(
            str(self._tag("ImageDescription", "")),
            self._tag("XResolution", None),
            int(self._tag("ResolutionUnit", 2)),
        )

    def _colours(self, samples: npt.NDArray[Any]) -> RGB:
        photometric = self._page.photometric.name
        if photometric == "YCBCR" and self._page.compression.name not in _COLOUR_CODECS:
            raise ValueError("its YCbCr samples are not compressed by JPEG, which is not supported")
        if photometric == "PALETTE":
            return self._palette(samples)
        eight = to_8_bit(samples, self._bits(samples))
        if photometric in ("MINISBLACK", "MINISWHITE"):
            return self._grey(eight, inverted=photometric == "MINISWHITE")
        if photometric in ("RGB", "YCBCR") and eight.shape[2] >= 3:
            return self._with_alpha(eight[:, :, :3], eight[:, :, 3:])
        if photometric == "SEPARATED" and eight.shape[2] >= 4:
            return _cmyk(eight[:, :, :4])
        raise ValueError(f"its TIFF colour model {photometric} is not supported")

    def _refuse_lost_tags(self, stream: BinaryIO) -> None:
        """Refuse a header of which the parser dropped a decisive tag: it logs that and assumes defaults."""
        form, entry = ("Q", 20) if self._file.is_bigtiff else ("H", 12)
        stream.seek(self._page.offset)
        (count,) = struct.unpack(self._file.byteorder + form, stream.read(struct.calcsize(form)))
        entries = stream.read(entry * min(count, 4096))
        written = {code for (code,) in struct.iter_unpack(f"{self._file.byteorder}H{entry - 2}x", entries)}
        lost = (written & _DECISIVE) - {tag.code for tag in self._page.tags}
        if lost:
            raise ValueError(f"its header is damaged (TIFF tag {min(lost)} cannot be read)")

    def _refuse_missing_data(self) -> None:
        pieces = zip(self._page.dataoffsets, self._page.databytecounts, strict=False)
        if any(offset + count > self._n_bytes for offset, count in pieces):
            raise ValueError("it is truncated: pixel data lie beyond the end of the file")
        if not self._page.dataoffsets or not any(self._page.databytecounts):
            raise ValueError("it holds no pixel data")

    def _samples(self) -> npt.NDArray[Any]:
        """Return samples as [height, width, samples], without colour interpretation."""
        page = self._page
        planes, depth, height, width, interleaved = page.shaped
        if depth != 1:
            raise ValueError(f"it is a volume of {depth} planes instead of a picture")
        samples = np.asarray(page.asarray(maxworkers=1)).reshape(planes, height, width, interleaved)
        return samples.transpose(1, 2, 0, 3).reshape(height, width, planes * interleaved)

    def _bits(self, samples: npt.NDArray[Any]) -> int:
        """Return BitsPerSample, or fewer where MaxSampleValue declares 2**k - 1 (a 12-bit camera)."""
        bits = 1 if samples.dtype == bool else int(self._page.bitspersample)
        declared = self._tag("MaxSampleValue", None)
        if declared is None or bits <= 8 or samples.dtype.kind == "f":
            return bits
        top = int(np.max(declared))
        is_full = top > 255 and (top & (top + 1)) == 0
        return min(bits, top.bit_length()) if is_full else bits

    def _tag(self, name: str, default: Any) -> Any:
        tag = self._page.tags.get(name)
        return default if tag is None else tag.value

    def _palette(self, samples: npt.NDArray[Any]) -> RGB:
        colours = np.asarray(self._page.colormap)  # [3, 2**bits], 16 bit, or 8 bit from careless writers
        if colours.max() > 255:
            colours = colours >> 8
        index = samples[:, :, 0].astype(np.intp)
        return colours.T.astype(np.uint8)[index]

    def _grey(self, eight: npt.NDArray[np.uint8], *, inverted: bool) -> RGB:
        grey = eight[:, :, 0]
        return self._with_alpha(grey_to_rgb(255 - grey if inverted else grey), eight[:, :, 1:])

    def _with_alpha(self, colour: RGB, extra: npt.NDArray[np.uint8]) -> RGB:
        """Composite over white where the first extra sample is declared alpha; else ignore it."""
        kinds = tuple(int(kind) for kind in self._page.extrasamples)
        if not kinds or extra.shape[2] == 0 or kinds[0] not in (_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA):
            return colour
        return over_white(colour, extra[:, :, 0], premultiplied=kinds[0] == _ASSOCIATED_ALPHA)


def _cmyk(inks: npt.NDArray[np.uint8]) -> RGB:
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(inks), mode="CMYK").convert("RGB"))
