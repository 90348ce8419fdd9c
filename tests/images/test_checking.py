"""Unreadable images are skipped and listed, or refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import check, read_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("good.png", "half.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    content = (tmp_path / "half.png").read_bytes()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "zero.bmp").write_bytes(b"")
    return tmp_path


def test_unreadable_images_are_left_out_and_listed(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    images, skipped = check(read_images(folder), progress=lambda done, total: seen.append((done, total)))
    assert images.frame["path"].tolist() == ["good.png"]
    assert [item.path for item in skipped] == ["half.png", "text.jpg", "zero.bmp"]
    assert images.skipped == tuple(skipped) and seen[-1] == (4, 4)
    assert "empty" in skipped[2].reason


def test_strict_refuses_and_names_them(folder: Path) -> None:
    with pytest.raises(CytosaeError, match=r"3 of 4 images .*half\.png.*text\.jpg.*zero\.bmp.*--strict"):
        check(read_images(folder), strict=True)


def test_nothing_readable_is_an_error(folder: Path) -> None:
    (folder / "good.png").unlink()
    with pytest.raises(CytosaeError, match="3 of 3 images"):
        check(read_images(folder))


def test_importing_the_package_needs_no_torch() -> None:
    code = "import sys, cytosae_toolkit.images; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
