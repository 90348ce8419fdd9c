"""The same picture is the same pixels in every container; damaged files are refused in a sentence."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import UnreadableImage, decode, image_size

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
GREY = PICTURE[:, :, 0]
WIDE = PICTURE.astype(np.uint16) * 256 + 77


def pil(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def tif(samples: np.ndarray, **options: object) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


RGB = Image.fromarray(PICTURE)
LOSSLESS = {
    "png": pil(RGB, "PNG"),
    "bmp": pil(RGB, "BMP"),
    "tiff": pil(RGB, "TIFF"),
    "tiff lzw": pil(RGB, "TIFF", compression="tiff_lzw"),
    "tiff deflate predictor": tif(PICTURE, photometric="rgb", compression="zlib", predictor=True),
    "tiff big-endian": tif(PICTURE, photometric="rgb", byteorder=">"),
    "bigtiff": tif(PICTURE, photometric="rgb", bigtiff=True),
    "tiff tiled": tif(PICTURE, photometric="rgb", tile=(16, 16)),
    "tiff planar": tif(PICTURE.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
    "tiff 16 bit": tif(WIDE, photometric="rgb"),
    "tiff 16 bit big-endian": tif(WIDE, photometric="rgb", byteorder=">"),
    "tiff 12 bit camera": tif(WIDE >> 4, photometric="rgb", extratags=[(281, "H", 3, (4095, 4095, 4095), True)]),
    "tiff float": tif((PICTURE / 255).astype(np.float32), photometric="rgb"),
    "tiff opaque RGBA": pil(RGB.convert("RGBA"), "TIFF"),
    "tiff undeclared fourth sample": tif(np.dstack([PICTURE, GREY]), photometric="rgb", extrasamples=["unspecified"]),
    "tiff of two pages": pil(RGB, "TIFF", save_all=True, append_images=[Image.new("RGB", (99, 99))]),
    "png opaque RGBA": pil(RGB.convert("RGBA"), "PNG"),
    "png, alpha all zero": pil(Image.fromarray(np.dstack([PICTURE, 0 * GREY])), "PNG"),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_one_picture_in_every_container(name: str) -> None:
    decoded = decode(LOSSLESS[name])
    np.testing.assert_array_equal(decoded, PICTURE)
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous and decoded.flags.writeable


def png_16_bit(samples: np.ndarray) -> bytes:
    """Write a 16-bit PNG by hand: Pillow cannot write colour of that depth."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = samples.shape[:2]
    colour = 2 if samples.ndim == 3 else 0
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_png_of_16_bits_keeps_the_high_byte() -> None:
    np.testing.assert_array_equal(decode(png_16_bit(WIDE)), PICTURE)


GREYS = {
    "png": pil(Image.fromarray(GREY), "PNG"),
    "png 16 bit": png_16_bit(WIDE[:, :, 0]),
    "bmp": pil(Image.fromarray(GREY), "BMP"),
    "tiff": tif(GREY),
    "tiff white is zero": tif(255 - GREY, photometric="miniswhite"),
    "tiff 16 bit": tif(WIDE[:, :, 0]),
    "tiff 32 bit": tif(WIDE[:, :, 0].astype(np.uint32) << 16),
    "png palette": pil(Image.fromarray(GREY).convert("P"), "PNG"),
}


@pytest.mark.parametrize("name", GREYS)
def test_grey_is_repeated(name: str) -> None:
    np.testing.assert_array_equal(decode(GREYS[name]), np.repeat(GREY[:, :, None], 3, axis=2))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_palettes_are_looked_up(format: str) -> None:
    palette = RGB.quantize(7)
    np.testing.assert_array_equal(decode(pil(palette, format)), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_transparency_lies_over_white(format: str) -> None:
    clear = np.dstack([PICTURE, np.where(GREY > 128, 255, 51).astype(np.uint8)])
    alpha = clear[:, :, 3:] / 255
    expected = np.floor(PICTURE * alpha + 255 * (1 - alpha) + 0.5)
    assert np.abs(decode(pil(Image.fromarray(clear), format)) - expected).max() <= 1


def test_cmyk_and_jpeg_agree_with_pillow() -> None:
    cmyk = RGB.convert("CMYK")
    np.testing.assert_array_equal(decode(pil(cmyk, "TIFF")), np.asarray(cmyk.convert("RGB")))
    for image in (RGB, RGB.convert("L"), cmyk):
        content = pil(image, "JPEG", quality=95)
        with Image.open(BytesIO(content)) as reference:
            np.testing.assert_array_equal(decode(content), np.asarray(reference.convert("RGB")))


def test_jpeg_inside_tiff_is_close() -> None:
    smooth = np.asarray(Image.fromarray(PICTURE).resize((64, 64)))
    decoded = decode(pil(Image.fromarray(smooth), "TIFF", compression="jpeg", quality=95))
    assert np.abs(decoded.astype(int) - smooth).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_orientation_is_applied(orientation: int, format: str) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    if format == "TIFF":
        content = tif(PICTURE, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    else:
        content = pil(RGB, format, exif=exif, **({"quality": 95} if format == "JPEG" else {}))
    with Image.open(BytesIO(content)) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(decode(content), expected)
    assert image_size(content) == expected.shape[1::-1]


def test_boxes_are_cut_from_the_oriented_picture() -> None:
    np.testing.assert_array_equal(decode(LOSSLESS["png"], (2, 1, 5, 8)), PICTURE[1:8, 2:5])
    for box in [(0, 0, 14, 9), (-1, 0, 3, 3), (3, 3, 3, 5)]:
        with pytest.raises(UnreadableImage, match="box"):
            decode(LOSSLESS["png"], box)


TRUNCATED = ["png", "bmp", "tiff lzw", "tiff", "tiff deflate predictor", "tiff tiled"]


@pytest.mark.parametrize("name", TRUNCATED)
def test_truncated_files_never_give_other_pixels(name: str) -> None:
    content = LOSSLESS[name]
    refused = 0
    for length in range(1, len(content)):
        try:
            np.testing.assert_array_equal(decode(content[:length]), PICTURE)
        except UnreadableImage:
            refused += 1
    assert refused > len(content) // 3


@pytest.mark.parametrize("name", ["png", "bmp", "tiff lzw", "tiff tiled"])
def test_damaged_bytes_raise_nothing_else(name: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(150):
        content = bytearray(LOSSLESS[name])
        for position in rng.integers(0, len(content), 3):
            content[position] = rng.integers(256)
        try:
            assert decode(bytes(content)).ndim == 3
        except UnreadableImage as error:
            assert str(error).startswith("The image of")


def test_unreadable_files_are_explained(tmp_path: Path) -> None:
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not an image")
    reasons = {"zero": "empty", "text": "not a PNG", "absent": "does not exist"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        reasons["pipe"] = "regular file"
    for stem, reason in reasons.items():
        with pytest.raises(UnreadableImage, match=reason) as raised:
            decode(tmp_path / f"{stem}.png")
        assert f"{stem}.png" in str(raised.value)


def test_bombs_are_refused_by_their_header(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = bytearray(LOSSLESS["png"])
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    for function in (decode, image_size):
        with pytest.raises(UnreadableImage, match="60000 x 60000"):
            function(bytes(bomb))
    bomb[16:24] = struct.pack(">II", 10_000, 10_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    with pytest.raises(UnreadableImage, match="bytes cannot hold"):
        decode(bytes(bomb))
    empty = pil(Image.new("1", (4000, 4000)), "PNG")
    assert decode(empty).shape == (4000, 4000, 3) and len(empty) < 4000
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", "100")
    for name in ("png", "bmp", "tiff"):
        with pytest.raises(UnreadableImage, match="limit of 100"):
            decode(LOSSLESS[name])
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", "many")
    with pytest.raises(CytosaeError, match="CYTOSAE_MAX_PIXELS"):
        decode(LOSSLESS["png"])


def test_samples_without_defined_brightness_are_refused() -> None:
    for samples in (np.full((4, 4), 3.5, np.float32), np.zeros((4, 4), np.int16)):
        with pytest.raises(UnreadableImage):
            decode(tif(samples))


def test_a_real_image_decodes_like_pillow(shared_data: Path) -> None:
    patterns = ("data/mll23_example/*.TIF", "data/wbc_d2/images/*/*.png")
    files = [file for pattern in patterns for file in sorted(shared_data.glob(pattern))[:2]]
    assert files
    for file in files:
        with Image.open(file) as image:
            np.testing.assert_array_equal(decode(file), np.asarray(image.convert("RGB")))
