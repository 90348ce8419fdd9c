"""Check a token store against its own records and digests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import read_json
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.tokens.records import BlockRecord, block_paths
from cytosae_toolkit.tokens.shards import BLOCK, shard_problem
from cytosae_toolkit.tokens.store import TokenStore, digest


@dataclass(frozen=True)
class Verification:
    """What a check found.

    Parameters
    ----------
    path : Path
        The store.
    n_images : int
        Images with tokens in blocks without fault.
    n_blocks : int
        Blocks that were checked.
    problems : tuple of str
        One sentence per fault; empty for a sound store.
    faulty_records : tuple of Path
        Record files of the faulty blocks: deleting them makes the next extraction compute those blocks anew.
    """

    path: Path
    n_images: int
    n_blocks: int
    problems: tuple[str, ...]
    faulty_records: tuple[Path, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_store(path: Path, *, progress: Progress = SILENT) -> Verification:
    """Read a whole store and compare every shard with its record: size, shard index, digest.

    Parameters
    ----------
    path : Path
        Folder of the store.
    progress : Progress
        Whom to tell.

    Raises
    ------
    CytosaeError
        If the folder is no token store at all.
    """
    store = TokenStore.open(path, read_index=False)
    paths = block_paths(store.path / "index")
    problems: list[str] = []
    faulty: list[Path] = []
    n_images = 0
    with progress.task("Verifying tokens", len(paths), "blocks") as task:
        for file in paths.values():
            try:
                record = BlockRecord.read(file)
                problem = _problem(store, record)
                n_images += 0 if problem else int(record.present.sum())
            except CytosaeError as error:
                problem = error.message
            if problem:
                problems.append(problem)
                faulty.append(file)
            task.advance()
    problems += _shape_problems(store, max(paths, default=-1) + 1)
    return Verification(store.path, n_images, len(paths), tuple(problems), tuple(faulty))


def _problem(store: TokenStore, record: BlockRecord) -> str | None:
    shard = store.shard_path(record.block)
    try:
        raw = shard.read_bytes()
    except OSError as error:
        return f"The shard {shard.name} cannot be read: {error.strerror}."
    problem = shard_problem(raw, store.identity.image_bytes, record.present)
    if problem is None and digest(raw) != record.digest:
        problem = "differs from the digest in its record"
    return None if problem is None else f"The shard {shard.name} {problem}."


def _shape_problems(store: TokenStore, n_blocks: int) -> list[str]:
    shape = read_json(store.path / "tokens" / "zarr.json").get("shape", [])
    if len(shape) != 3 or tuple(shape[1:]) != store.identity.image_shape:
        return [f"The array has shape {shape}, which does not fit {store.identity.image_shape} per image."]
    if shape[0] % BLOCK or shape[0] < n_blocks * BLOCK:
        return [f"The array has {shape[0]} rows, but its blocks hold {n_blocks * BLOCK}."]
    return []
