"""The folder of a token store: how it is recognised, and how an empty one is made."""

from __future__ import annotations

from pathlib import Path

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import read_json
from cytosae_toolkit.tokens.identity import TokenIdentity
from cytosae_toolkit.tokens.shards import BLOCK

FORMAT = "cytosae-token-store"
VERSION = 1


def is_token_store(path: Path) -> bool:
    """Tell whether a folder is a token store of any version."""
    if not (path / "zarr.json").is_file():
        return False
    value = read_json(path / "zarr.json")
    attributes = value.get("attributes") if isinstance(value, dict) else None
    return isinstance(attributes, dict) and attributes.get("format") == FORMAT


def refuse_foreign(path: Path) -> None:
    """Refuse a place where something other than a token store lies; an empty folder is fine.

    Raises
    ------
    CytosaeError
        If it is a file, or a folder with other contents.
    """
    if not path.exists() or (path.is_dir() and (not any(path.iterdir()) or is_token_store(path))):
        return
    raise CytosaeError(f"{path} exists and is not a token store.", "Choose another place for the tokens.")


def write_empty(folder: Path, identity: TokenIdentity) -> None:
    """Write an empty store into an existing, empty folder."""
    import zarr

    attributes = {"format": FORMAT, "version": VERSION, "block": BLOCK, **identity.to_dict()}
    group = zarr.open_group(folder, mode="w", zarr_format=3, attributes=attributes)
    group.create_array(
        "tokens",
        shape=(0, *identity.image_shape),
        chunks=(1, *identity.image_shape),
        shards=(BLOCK, *identity.image_shape),
        dtype=identity.dtype,
        compressors=None,
        filters=None,
        fill_value=0.0,
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=("image", "token", "d_model"),
    )
    for name in ("index", "plans"):
        (folder / name).mkdir()
