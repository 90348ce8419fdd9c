"""Searching folders: sorted, hidden files passed over, links kept inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.folders import find_images


def test_order_is_that_of_posix_paths(tmp_path: Path) -> None:
    for name in ("b.png", "B.png", "a/z.TIF", "a-b/x.bmp", "._b.png", "a/t.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images(tmp_path)
    assert [str(path) for path in found.paths] == ["B.png", "a-b/x.bmp", "a/z.TIF", "b.png"]
    assert found.n_ignored == 1


def test_links_and_cycles(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
        (folder / "x.png").touch()
    (root / "loop").symlink_to(root)
    assert len(find_images(root).paths) == 1
    (root / "out").symlink_to(outside)
    (outside / "back").symlink_to(outside)
    with pytest.raises(CytosaeError, match="--allow-outside"):
        find_images(root)
    assert [str(path) for path in find_images(root, allow_outside=True).paths] == ["out/x.png", "x.png"]
