"""A Zarr store of an atlas that refuses to read zeros where a chunk is gone."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zarr.abc.store import Store
from zarr.storage import WrapperStore

from cytosae_toolkit.atlas.checksums import read_checksums
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

_CHUNK = re.compile(r"(^|/)c(/\d+)*$")


class WholeStore(WrapperStore[Store]):
    """Reads an atlas; a chunk that was written and is gone is an error.

    Zarr writes no chunk that holds nothing but zeros, so a missing chunk may be right: only then the recorded
    checksums are looked at. An atlas without them is read as Zarr reads it.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The folder or the ZIP.
    path : Path
        Where it lies.
    """

    def __init__(self, store: Store, path: Path) -> None:
        super().__init__(store)
        self._path = path

    def _with_store(self, store: Store) -> WholeStore:
        return WholeStore(store, self._path)

    @cached_property
    def _recorded(self) -> Collection[str]:
        return read_checksums(self._path) or ()

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the content of a file, None where there never was one.

        Raises
        ------
        CytosaeError
            If the file is gone.
        """
        found = await self._store.get(key, prototype, byte_range)
        if found is None and _CHUNK.search(key) and key in self._recorded:
            raise CytosaeError(
                f"The atlas {self._path} is damaged: {key} is missing.", "Build it again, or copy it again."
            )
        return found
