from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from cytosae_toolkit.images import tiff_segments
from cytosae_toolkit.images.tiff_segments import TiffSegments

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_a_box_decodes_only_the_tiles_that_it_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "field.tif", PICTURE, tile=(16, 16), photometric="rgb")
    with tifffile.TiffFile(tmp_path / "field.tif") as file:
        segments = TiffSegments(file.filehandle, file.pages.first)
        np.testing.assert_array_equal(segments.read(18, 3, 30, 20), PICTURE[3:20, 18:30])
        assert sorted(segments._decoded) == [1, 5]
        monkeypatch.setattr(tiff_segments, "_CACHE_BYTES", 2 * 16 * 16 * 3)
        np.testing.assert_array_equal(segments.read(0, 0, 50, 40), PICTURE)
        assert len(segments._decoded) == 2


def test_an_absent_tile_is_zero(tmp_path: Path) -> None:
    picture = PICTURE.copy()
    picture[16:32, 16:32] = 0
    tiles = (picture[y : y + 16, x : x + 16] for y in (0, 16) for x in (0, 16))
    tifffile.imwrite(
        tmp_path / "field.tif",
        (np.ascontiguousarray(tile) if tile.any() else None for tile in tiles),
        shape=(32, 32, 3),
        dtype="uint8",
        tile=(16, 16),
        photometric="rgb",
    )
    with tifffile.TiffFile(tmp_path / "field.tif") as file:
        assert file.pages.first.databytecounts[3] == 0
        found = TiffSegments(file.filehandle, file.pages.first).read(0, 0, 32, 32)
    np.testing.assert_array_equal(found, picture[:32, :32])


def test_a_volume_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "volume.tif",
        np.zeros((4, 16, 16), np.uint8),
        volumetric=True,
        tile=(16, 16, 16),
        photometric="minisblack",
    )
    with tifffile.TiffFile(tmp_path / "volume.tif") as file, pytest.raises(ValueError, match="volume of 4 planes"):
        TiffSegments(file.filehandle, file.pages.first)
