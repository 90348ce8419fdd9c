"""The token store: a folder that keeps the tokens of many images, found by the images' content.

On disk (format version 1)::

    zarr.json                       a Zarr v3 group; its attributes say what the tokens are (`TokenIdentity`)
    tokens/zarr.json                array [image, token, d_model], float16 or float32
    tokens/c.12.0.0                 shard 12: images 768 to 831, one inner chunk each, uncompressed
    index/block-00000012.json       content keys of shard 12; a shard without this record does not exist
    plans/00000000-00000625-….json  blocks reserved for the images of one table
    .lock                           held while blocks are reserved; the operating system frees it on any exit

``zarr.open(store)["tokens"]`` reads it; rows that are not in a record, or are listed there as unreadable, are
zeros that mean nothing. Files are written under a temporary name, synced and renamed, the shard before its
record: a kill at any moment leaves complete blocks and nothing else.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder, atomic_path, explain_disk_errors, read_json, write_json
from cytosae_toolkit.tokens.folder import VERSION, is_token_store, write_empty
from cytosae_toolkit.tokens.identity import TokenIdentity
from cytosae_toolkit.tokens.images import keys_hash
from cytosae_toolkit.tokens.records import BlockRecord, Plan, block_paths, planned_blocks
from cytosae_toolkit.tokens.shards import BLOCK, shard_parts

if TYPE_CHECKING:
    import zarr

_STALE_SECONDS = 3600.0
_LOCK_SECONDS = 600.0


class TokenStore:
    """Tokens of images on disk; open one with `open`, make one with `create` or `open_or_create`.

    Parameters
    ----------
    path : Path
        Folder of an existing store.
    identity : TokenIdentity
        What its tokens are.
    read_index : bool
        Read which images are there; only a check of a damaged store does without.

    Attributes
    ----------
    path, identity
        As given.
    """

    def __init__(self, path: Path, identity: TokenIdentity, *, read_index: bool = True) -> None:
        self.path = path
        self.identity = identity
        self._records: dict[int, BlockRecord] = {}
        self._rows: dict[str, int] = {}
        self._unreadable: dict[str, str] = {}
        if read_index:
            self.refresh()

    def __repr__(self) -> str:
        return f"TokenStore({str(self.path)!r}: {len(self)} images, {self.identity.describe()})"

    def __len__(self) -> int:
        """Return the number of images that have tokens."""
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    # Opening and making

    @classmethod
    def open(cls, path: Path, *, read_index: bool = True) -> TokenStore:
        """Open an existing store.

        Raises
        ------
        CytosaeError
            If the folder is absent, is no token store, or was written in a later format.
        """
        path = Path(path)
        if not path.is_dir():
            raise CytosaeError(f"There is no token store at {path}.", "Make one with `cytosae-toolkit tokens`.")
        if not is_token_store(path):
            raise CytosaeError(f"{path} is not a token store.", "Name a folder made by `cytosae-toolkit tokens`.")
        attributes = read_json(path / "zarr.json")["attributes"]
        if attributes.get("version") != VERSION:
            raise CytosaeError(
                f"The token store {path} has format version {attributes.get('version')}, not {VERSION}.",
                "Use the release of cytosae-toolkit that wrote it, or make a new store.",
            )
        try:
            return cls(path, TokenIdentity.from_dict(attributes), read_index=read_index)
        except (KeyError, TypeError, ValueError) as error:
            raise CytosaeError(f"The description in {path / 'zarr.json'} is damaged ({error}).") from error

    @classmethod
    def create(cls, path: Path, identity: TokenIdentity) -> TokenStore:
        """Make an empty store; the folder must be absent or empty."""
        path = Path(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise CytosaeError(f"{path} exists and is not a token store.", "Choose another place for the tokens.")
        with atomic_folder(path) as folder:
            write_empty(folder, identity)
        return cls(path, identity)

    @classmethod
    def open_or_create(cls, path: Path, identity: TokenIdentity) -> TokenStore:
        """Open the store if it holds the same kind of tokens, or make it.

        Raises
        ------
        CytosaeError
            If the folder holds something else, or tokens of another backbone, layer, type or precision.
        """
        path = Path(path)
        if not is_token_store(path):
            try:
                return cls.create(path, identity)
            except (CytosaeError, OSError):
                if not is_token_store(path):  # otherwise another process was faster
                    raise
        store = cls.open(path)
        if store.identity != identity:
            raise CytosaeError(
                f"The token store {path} holds {store.identity.describe()}; asked for is {identity.describe()}.",
                "Choose another place for these tokens, or the options that the store was made with.",
            )
        return store

    # What is there

    def refresh(self) -> None:
        """Read the records of blocks that were completed since, by this process or another."""
        with explain_disk_errors(self.path):
            found = block_paths(self.path / "index")
        for block, path in found.items():
            if block not in self._records:
                self._add(BlockRecord.read(path))

    def _add(self, record: BlockRecord) -> None:
        self._records[record.block] = record
        for position, key in enumerate(record.keys):
            row = record.block * BLOCK + position
            if position in record.unreadable:
                self._unreadable[key] = record.unreadable[position]
            else:
                self._rows[key] = min(row, self._rows.get(key, row))

    @property
    def blocks(self) -> Mapping[int, BlockRecord]:
        """Records of the complete blocks by number."""
        return self._records

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Content key → reason, of images that could not be decoded and have no tokens."""
        return {key: reason for key, reason in self._unreadable.items() if key not in self._rows}

    def rows(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each image, int64 [len(keys)], -1 where the store has no tokens of it."""
        return np.array([self._rows.get(key, -1) for key in keys], dtype=np.int64)

    @property
    def array(self) -> zarr.Array[Any]:
        """The Zarr array ``tokens``, read-only, [image, token, d_model]."""
        import zarr

        array: zarr.Array[Any] = zarr.open_array(self.path / "tokens", mode="r")
        return array

    def shard_path(self, block: int) -> Path:
        """Return where the shard of a block lies."""
        return self.path / "tokens" / f"c.{block}.0.0"

    # Adding

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock: one process at a time reserves blocks."""
        with explain_disk_errors(self.path):
            lock = FileLock(self.path / ".lock", timeout=_LOCK_SECONDS)
            try:
                lock.acquire()
            except (Timeout, NotImplementedError) as error:
                raise CytosaeError(
                    f"The lock of the token store {self.path} cannot be had: {error}.",
                    "Wait for the other process, or place the store on a disk that has file locks.",
                ) from error
            try:
                yield
            finally:
                lock.release()

    def plan(self, keys: Sequence[str], retry: Sequence[str], batch_size: int) -> list[Plan]:
        """Reserve blocks for the images that have no tokens, or find those reserved earlier.

        Parameters
        ----------
        keys : sequence of str
            Content keys of the whole table, in its order.
        retry : sequence of str
            Those of them that are recorded as unreadable but can be read now.
        batch_size : int
            Images per batch of the backbone, for newly reserved blocks.

        Returns
        -------
        list of Plan
            Together they cover every image of the table that has no tokens yet.
        """
        unique = tuple(dict.fromkeys(keys))
        table, again = keys_hash(unique), set(retry)
        with self.locked():
            self.refresh()
            self._sweep()
            plans = Plan.find(self.path / "plans", table)
            pending = {
                key
                for plan in plans
                for block in plan.blocks
                if block not in self._records
                for key in plan.block_keys(block)
            }
            wanted = tuple(
                key
                for key in unique
                if key not in self._rows and key not in pending and (key not in self._unreadable or key in again)
            )
            if wanted:
                plan = Plan(planned_blocks(self.path / "plans"), wanted, batch_size)
                plan.write(self.path / "plans", table)
                plans.append(plan)
            self._grow(planned_blocks(self.path / "plans") * BLOCK)
        return plans

    def _grow(self, n_rows: int) -> None:
        path = self.path / "tokens" / "zarr.json"
        metadata = read_json(path)
        if metadata["shape"][0] < n_rows:
            metadata["shape"][0] = n_rows
            write_json(path, metadata)

    def _sweep(self) -> None:
        # A killed process leaves temporary files; a living one renames its own within seconds.
        for folder in ("tokens", "index", "plans"):
            for file in (self.path / folder).glob(".*.tmp"):
                try:
                    if time.time() - file.stat().st_mtime > _STALE_SECONDS:
                        file.unlink()
                except OSError:
                    continue

    def write_block(self, block: int, keys: Sequence[str], tokens: NDArray[Any], unreadable: Mapping[int, str]) -> None:
        """Write a block: its shard, then the record that makes it exist.

        Parameters
        ----------
        block : int
            Number of the block.
        keys : sequence of str
            Content keys of its images, at most 64.
        tokens : array [len(keys), n_tokens, d_model]
            Zeros for unreadable images.
        unreadable : mapping of int to str
            Position in the block → reason.
        """
        record = BlockRecord(block, tuple(keys), dict(unreadable), "")
        values = tokens.astype(self.identity.numpy_dtype, copy=False)
        hashed = hashlib.blake2b(digest_size=16)
        with atomic_path(self.shard_path(block)) as temporary, temporary.open("wb") as file:
            for part in shard_parts(values, record.present):
                hashed.update(part)
                file.write(part)
        record = replace(record, digest=hashed.hexdigest())
        record.write(self.path / "index")
        self._add(record)


def digest(raw: bytes) -> str:
    """Return the digest that a block record keeps of its shard: BLAKE2b, 128 bits, hexadecimal."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()
