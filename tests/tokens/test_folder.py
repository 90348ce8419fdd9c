from __future__ import annotations

import pytest
import zarr
from token_parts import Images, computer, filled

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenStore, is_token_store, refuse_foreign


@pytest.mark.parametrize("kind", ["file", "folder", "zarr"])
def test_other_things_are_refused(tmp_path, kind):
    place = tmp_path / "s"
    if kind == "file":
        place.write_text("hello")
    elif kind == "folder":
        place.mkdir()
        (place / "note.txt").write_text("mine")
    else:
        zarr.open_group(place, mode="w")
    with pytest.raises(CytosaeError, match="not a token store"):
        TokenStore.open_or_create(place, computer().identity)
    with pytest.raises(CytosaeError, match="not a token store"):
        refuse_foreign(place)


def test_empty_folder_is_welcome(tmp_path):
    (tmp_path / "s").mkdir()
    refuse_foreign(tmp_path / "s")
    assert len(TokenStore.open_or_create(tmp_path / "s", computer().identity)) == 0


def test_a_store_is_recognised(tmp_path):
    filled(tmp_path / "s", Images(range(3)))
    assert is_token_store(tmp_path / "s")
    assert not is_token_store(tmp_path)
    (tmp_path / "zarr.json").write_text("[]")
    assert not is_token_store(tmp_path)
