"""The small JSON files of a token store: which block holds which images, and which blocks are planned.

A **block record** ``index/block-00000012.json`` is written after the block's shard is safely on disk; a block
without a record does not exist. A **plan** ``plans/00000000-00000625-<hash>.json`` reserves a range of blocks
for the images of one table, in table order: a resumed or sharded extraction finds the same places again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import read_json, write_json
from cytosae_toolkit.tokens.shards import BLOCK

_PLAN_NAME = re.compile(r"(\d{8})-(\d{8})-([0-9a-f]{32})\.json")
_BLOCK_NAME = re.compile(r"block-(\d{8})\.json")


@dataclass(frozen=True)
class BlockRecord:
    """What a complete block holds.

    Parameters
    ----------
    block : int
        Number of the block; its rows are ``64 * block`` and following.
    keys : tuple of str
        Content key of each row, at most 64.
    unreadable : mapping of int to str
        Position in the block → reason, for images that could not be decoded and have no tokens.
    digest : str
        BLAKE2b-128 of the shard file.
    """

    block: int
    keys: tuple[str, ...]
    unreadable: Mapping[int, str]
    digest: str

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which rows have tokens, bool [len(keys)]."""
        return np.array([i not in self.unreadable for i in range(len(self.keys))], dtype=bool)

    def write(self, folder: Path) -> None:
        """Write the record atomically into the folder ``index``."""
        value = {
            "block": self.block,
            "digest": self.digest,
            "unreadable": {str(i): reason for i, reason in sorted(self.unreadable.items())},
            "keys": list(self.keys),
        }
        write_json(folder / f"block-{self.block:08d}.json", value)

    @classmethod
    def read(cls, path: Path) -> BlockRecord:
        """Read a record; a `CytosaeError` says what is wrong with it."""
        value = read_json(path)
        try:
            record = cls(
                block=int(value["block"]),
                keys=tuple(str(key) for key in value["keys"]),
                unreadable={int(i): str(reason) for i, reason in value["unreadable"].items()},
                digest=str(value["digest"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(path) from error
        if path.name != f"block-{record.block:08d}.json" or not 0 < len(record.keys) <= BLOCK:
            raise _damaged(path)
        return record


def _damaged(path: Path) -> CytosaeError:
    return CytosaeError(
        f"The token store's file {path} is damaged.",
        "Delete this file and run the same `tokens` command again: only its part is computed anew.",
    )


def block_paths(folder: Path) -> dict[int, Path]:
    """Return the record files of all complete blocks by block number, ascending."""
    found = ((match, path) for path in folder.iterdir() if (match := _BLOCK_NAME.fullmatch(path.name)))
    return dict(sorted((int(match[1]), path) for match, path in found))


@dataclass(frozen=True)
class Plan:
    """A range of blocks reserved for a list of images.

    Parameters
    ----------
    first_block : int
        First block of the range.
    keys : tuple of str
        Content keys in the order of their rows, 64 per block.
    batch_size : int
        Images per batch of the backbone; kept so that a resumed extraction computes the same batches.
    """

    first_block: int
    keys: tuple[str, ...]
    batch_size: int

    @property
    def n_blocks(self) -> int:
        """Number of blocks of the range."""
        return -(-len(self.keys) // BLOCK)

    @property
    def blocks(self) -> range:
        """The blocks of the range."""
        return range(self.first_block, self.first_block + self.n_blocks)

    def block_keys(self, block: int) -> tuple[str, ...]:
        """Return the content keys of a block of the range."""
        start = (block - self.first_block) * BLOCK
        return self.keys[start : start + BLOCK]

    def part(self, shard: int, n_shards: int) -> range:
        """Return the blocks of one of `n_shards` contiguous parts, which count from 0."""
        bounds = [self.first_block + self.n_blocks * i // n_shards for i in (shard, shard + 1)]
        return range(*bounds)

    def write(self, folder: Path, table: str) -> None:
        """Write the plan atomically into the folder ``plans``; `table` is the hash of the table's keys."""
        name = f"{self.first_block:08d}-{self.first_block + self.n_blocks:08d}-{table}.json"
        write_json(folder / name, {"batch_size": self.batch_size, "keys": list(self.keys)})

    @classmethod
    def find(cls, folder: Path, table: str) -> list[Plan]:
        """Return the plans of a table, oldest first; more than one where images became readable later."""
        return [cls._read(path, first) for first, _, name, path in _plans(folder) if name == table]

    @classmethod
    def _read(cls, path: Path, first_block: int) -> Plan:
        value = read_json(path)
        try:
            return cls(first_block, tuple(str(key) for key in value["keys"]), int(value["batch_size"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CytosaeError(f"The token store's file {path} is damaged.", "Delete this file.") from error


def planned_blocks(folder: Path) -> int:
    """Return the number of blocks that plans have reserved so far."""
    return max((end for _, end, _, _ in _plans(folder)), default=0)


def _plans(folder: Path) -> list[tuple[int, int, str, Path]]:
    found = [(_PLAN_NAME.fullmatch(path.name), path) for path in sorted(folder.iterdir())]
    return [(int(m[1]), int(m[2]), m[3], path) for m, path in found if m]
