from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.decode import UnreadableImage, decode
from cytosae_toolkit.images.windows import open_field, window_grid

PICTURE = np.random.default_rng(0).integers(0, 256, (70, 101, 3), dtype=np.uint8)
BOXES = [(0, 0, 101, 70), (0, 0, 1, 1), (100, 69, 101, 70), (13, 5, 48, 37), (15, 16, 33, 17), (90, 3, 101, 70)]


def written(folder: Path, pixels: np.ndarray, **options: Any) -> Path:
    path = folder / "field.tif"
    tifffile.imwrite(path, pixels, **{"photometric": "rgb", **options})
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "tiles": lambda folder: written(folder, PICTURE, tile=(16, 32)),
    "compressed tiles": lambda folder: written(folder, PICTURE, tile=(16, 16), compression="zlib", predictor=True),
    "lzw strips": lambda folder: written(folder, PICTURE, rowsperstrip=9, compression="lzw"),
    "one strip": lambda folder: written(folder, PICTURE, rowsperstrip=70),
    "planes": lambda folder: written(folder, PICTURE.transpose(2, 0, 1), planarconfig="separate", tile=(32, 16)),
    "16 bit": lambda folder: written(folder, PICTURE.astype(np.uint16) * 256 + 7, tile=(16, 16)),
    "grey": lambda folder: written(folder, PICTURE[:, :, 0], photometric="minisblack", tile=(16, 16)),
    "inverted": lambda folder: written(folder, PICTURE[:, :, 0], photometric="miniswhite", rowsperstrip=8),
    "alpha": lambda folder: written(
        folder, np.dstack([PICTURE, PICTURE[:, :, 0]]), extrasamples=["unassalpha"], tile=(16, 16)
    ),
    "jpeg": lambda folder: written(folder, PICTURE, tile=(16, 16), compression="jpeg"),
    "big": lambda folder: written(folder, PICTURE, bigtiff=True, tile=(16, 16)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_a_tiff_are_cut_from_what_decode_returns(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path)
    whole = decode(path)
    with open_field(path) as field:
        assert field.shape == whole.shape
        for x0, y0, x1, y1 in BOXES:
            np.testing.assert_array_equal(field.read_window(x0, y0, x1, y1), whole[y0:y1, x0:x1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_windows_follow_the_orientation(orientation: int, tmp_path: Path) -> None:
    path = written(tmp_path, PICTURE, tile=(16, 16), extratags=[(274, "H", 1, orientation, True)])
    whole = decode(path)
    field = open_field(path)
    assert field.shape == whole.shape
    np.testing.assert_array_equal(field.read_window(3, 7, 50, 61), whole[7:61, 3:50])


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg"])
def test_other_formats_are_decoded_once(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"field.{suffix}"
    Image.fromarray(PICTURE).save(path)
    field = open_field(path)
    np.testing.assert_array_equal(field.read_window(13, 5, 48, 37), decode(path)[5:37, 13:48])


def test_a_field_above_the_limit_is_read_in_windows_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", "4000")
    path = written(tmp_path, PICTURE, tile=(16, 16))
    with pytest.raises(UnreadableImage, match="limit"):
        decode(path)
    field = open_field(path)
    np.testing.assert_array_equal(field.read_window(10, 10, 60, 60), PICTURE[10:60, 10:60])
    with pytest.raises(UnreadableImage, match="more than the limit of 4,000"):
        field.read_window(0, 0, 101, 70)


def test_a_strip_above_the_limit_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", "4000")
    with pytest.raises(UnreadableImage, match="limit"):
        open_field(written(tmp_path, PICTURE, rowsperstrip=70))


def test_a_header_that_the_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, PICTURE[:16, :16], tile=(16, 16))
    content = bytearray(path.read_bytes())
    for tag in (256, 257):
        at = content.index(tag.to_bytes(2, "little") + b"\x04\x00\x01\x00\x00\x00")
        content[at : at + 12] = tag.to_bytes(2, "little") + b"\x04\x00\x01\x00\x00\x00" + (2**30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match="cannot hold"):
        open_field(path)


def test_a_header_with_fewer_tiles_than_its_size_needs_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, PICTURE, tile=(16, 16))
    content = bytearray(path.read_bytes())
    at = content.index((257).to_bytes(2, "little") + b"\x04\x00\x01\x00\x00\x00")
    content[at + 8 : at + 12] = (700).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match="tiles or strips"):
        open_field(path).read_window(0, 600, 10, 610)


def test_a_truncated_field_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, PICTURE, tile=(16, 16))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UnreadableImage):
        open_field(path).read_window(80, 50, 101, 70)


@pytest.mark.parametrize("box", [(0, 0, 102, 70), (-1, 0, 5, 5), (5, 5, 5, 9)])
def test_a_box_outside_the_field_is_refused(box: tuple[int, int, int, int], tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="the box"):
        open_field(written(tmp_path, PICTURE)).read_window(*box)


@pytest.mark.parametrize("content", [b"", b"no picture", b"II*\0\xff\xff\xff\xff"])
def test_what_is_no_image_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "field.tif"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage):
        open_field(path)


def test_pixel_size_from_the_resolution_of_a_tiff(tmp_path: Path) -> None:
    path = written(tmp_path, PICTURE, resolution=(100_000, 100_000), resolutionunit="CENTIMETER")
    assert open_field(path).pixel_size == pytest.approx(0.1)


def test_print_resolution_is_no_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "field.png"
    Image.fromarray(PICTURE).save(path, dpi=(300, 300))
    assert open_field(path).pixel_size is None


@pytest.mark.parametrize(
    ("shape", "window", "overlap"),
    list(itertools.product([(100, 130), (31, 500), (64, 64), (1, 1)], [32, 64], [0.0, 0.5])),
)
def test_windows_cover_every_pixel_with_one_size(shape: tuple[int, int], window: int, overlap: float) -> None:
    covered = np.zeros(shape, dtype=int)
    boxes = window_grid(shape, window, overlap)
    for x0, y0, x1, y1 in boxes:
        assert (x1 - x0, y1 - y0) == (min(window, shape[1]), min(window, shape[0]))
        assert x0 >= 0 and y0 >= 0 and x1 <= shape[1] and y1 <= shape[0]
        covered[y0:y1, x0:x1] += 1
    assert covered.min() >= 1
    assert len(set(boxes)) == len(boxes)


def test_neighbours_overlap_at_least_as_asked() -> None:
    starts = sorted({box[0] for box in window_grid((100, 130), 40, 0.5)})
    assert max(np.diff(starts)) <= 20


def test_a_window_without_pixels_is_refused() -> None:
    with pytest.raises(CytosaeError, match="not possible"):
        window_grid((10, 10), 0)
