"""A content key is a documented hash: others can compute it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.keys import content_keys, file_keys


def test_the_documented_formula(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    expected = [
        hashlib.blake2b(b"content", digest_size=16).hexdigest(),
        hashlib.blake2b(b"content\0box:1,2,3,4", digest_size=16).hexdigest(),
    ]
    assert file_keys(tmp_path / "a", [None, (1, 2, 3, 4)]) == expected
    again = content_keys([tmp_path / "a"] * 3, [(1, 2, 3, 4), None, None])
    assert again == [expected[1], expected[0], expected[0]]


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CytosaeError, match="not a regular file"):
        file_keys(tmp_path, [None])
    with pytest.raises(CytosaeError, match="absent cannot be read"):
        file_keys(tmp_path / "absent", [None])
