"""Fill a token store from an image table: resumable, in shards, the same bytes whatever happens."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from cytosae_toolkit.distributed import Ranks
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import Skipped
from cytosae_toolkit.progress import SILENT, Progress, Task
from cytosae_toolkit.tokens.compute import Group, GroupTokens, TokenComputer
from cytosae_toolkit.tokens.images import ImageSource
from cytosae_toolkit.tokens.records import Plan
from cytosae_toolkit.tokens.store import TokenStore


@dataclass(frozen=True)
class Extraction:
    """What `extract` did.

    Parameters
    ----------
    n_images : int
        Rows of the image table.
    n_new : int
        Images whose tokens this call computed.
    n_reused : int
        Images whose tokens the store had before.
    skipped : tuple of Skipped
        Unreadable images and why; with shards only those met so far.
    n_left : int
        Images still without tokens that other shards are to compute.
    seconds : float
        Time taken.
    """

    n_images: int
    n_new: int
    n_reused: int
    skipped: tuple[Skipped, ...] = ()
    n_left: int = 0
    seconds: float = 0.0


def extract(
    images: ImageSource,
    computer: TokenComputer,
    store: TokenStore,
    *,
    shard: tuple[int, int] = (0, 1),
    strict: bool = False,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
) -> Extraction:
    """Compute the tokens that a store lacks.

    Images are taken in table order, 64 to a block, and each block is durable once written; calling again
    after any interruption computes the missing blocks only and gives the same store. Unreadable images get no
    tokens and are listed; their place is remembered, and they are tried again on the next call.

    Parameters
    ----------
    images : ImageSource
        The image table.
    computer : TokenComputer
        Backbone, layer, type and precision; must fit the store.
    store : TokenStore
        Where to add.
    shard : (int, int)
        ``(i, n)``: part `i` of `n`, counted from 0. Parts may run at the same time on several machines.
    strict : bool
        Raise at the first unreadable image instead of skipping it.
    progress : Progress
        Whom to tell.
    stop : callable
        Asked after each block; True ends the work as Ctrl-C does.

    Returns
    -------
    Extraction

    Raises
    ------
    CytosaeError
        For unreadable images if `strict`; a full disk; tokens that are not finite or do not fit their type.
    KeyboardInterrupt
        After Ctrl-C; says what is kept.
    """
    _check_shard(shard)
    if computer.identity != store.identity:
        raise CytosaeError(
            f"The token store {store.path} holds {store.identity.describe()}; the backbone gives "
            f"{computer.identity.describe()}.",
            "Choose another place for these tokens.",
        )
    started, keys = time.monotonic(), list(images.content_keys())
    before = sum(key in store for key in keys)
    job = _Job(images, computer, store, keys, strict)
    n_new = job.fill(shard, progress, stop) if before < len(keys) else 0
    store.refresh()
    skipped = skipped_images(store, images, keys)
    n_left = sum(key not in store for key in keys) - len(skipped)
    return Extraction(len(keys), n_new, before, skipped, n_left, time.monotonic() - started)


def extract_together(
    images: ImageSource,
    computer: TokenComputer,
    store: TokenStore,
    ranks: Ranks,
    *,
    strict: bool = False,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
) -> Extraction:
    """Compute the tokens that a store lacks, each process a part of them; arguments as `extract`.

    Returns
    -------
    Extraction
        Of all processes, once all are done; the same in each, but for the seconds.

    Raises
    ------
    CytosaeError
        As `extract`, and if the processes do not share the store's disk.
    """
    ranks.barrier()  # all count what was there before anyone adds to it
    shard, own = (ranks.rank, ranks.size), ranks.own_part(progress)
    found = extract(images, computer, store, shard=shard, strict=strict, progress=own, stop=stop)
    if ranks.size == 1:
        return found
    n_new = ranks.total(found.n_new)
    store.refresh()
    keys = list(images.content_keys())
    skipped = skipped_images(store, images, keys)
    n_left = sum(key not in store for key in keys) - len(skipped)
    if n_left:
        raise CytosaeError(
            f"The token store {store.path} lacks {n_left} images that other processes have computed.",
            "Choose a place for it that all machines share.",
        )
    return replace(found, n_new=n_new, skipped=skipped, n_left=0)


def skipped_images(store: TokenStore, images: ImageSource, keys: Sequence[str]) -> tuple[Skipped, ...]:
    """Return the images of a table that a store records as unreadable."""
    lost = store.unreadable
    return tuple(Skipped(str(images.path(row)), lost[key]) for row, key in enumerate(keys) if key in lost)


def _check_shard(shard: tuple[int, int]) -> None:
    i, n = shard
    if not 0 <= i < n:
        raise CytosaeError(f"There is no shard {i}/{n}.", "Shards count from 0: 0/4, 1/4, 2/4, 3/4.")


class _Job:
    """One call of `extract`."""

    def __init__(
        self, images: ImageSource, computer: TokenComputer, store: TokenStore, keys: list[str], strict: bool
    ) -> None:
        self.images, self.computer, self.store, self.keys, self.strict = images, computer, store, keys, strict
        self.row_of = {key: row for row, key in reversed(list(enumerate(keys)))}

    def fill(self, shard: tuple[int, int], progress: Progress, stop: Callable[[], bool]) -> int:
        """Compute the missing blocks of a shard; return the number of images that got tokens."""
        plans = self.store.plan(self.keys, self._readable_again(), self.computer.batch_size)
        todo = [(plan, self._groups(plan, shard)) for plan in plans]
        n_images = sum(len(group.images) for _, groups in todo for group in groups)
        self._check_disk(n_images)
        done = sum(key in self.store for key in self.keys)
        try:
            with progress.task("Extracting tokens", done + n_images, "images", done) as task:
                return sum(self._compute(plan, groups, task, stop) for plan, groups in todo)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"Interrupted; the tokens of {len(self.store):,} images are kept in {self.store.path}. "
                "The same command goes on."
            ) from None

    def _compute(self, plan: Plan, groups: list[Group], task: Task, stop: Callable[[], bool]) -> int:
        n_new = 0
        results = self.computer.run(self.images, groups, batch_size=plan.batch_size, advance=task.advance)
        with _Writer(self.store) as writer, closing(results):
            for result in results:
                n_new += self._finish(result, plan, writer)
                if stop():
                    raise KeyboardInterrupt
        return n_new

    def _readable_again(self) -> list[str]:
        """Return the keys that an earlier call could not decode and that can be decoded now."""
        again = []
        for key in self.store.unreadable:
            row = self.row_of.get(key)
            if row is None:
                continue
            try:
                self.images.read(row)
                again.append(key)
            except CytosaeError as error:
                self._refuse_if_strict(row, error)
        return again

    def _groups(self, plan: Plan, shard: tuple[int, int]) -> list[Group]:
        missing = [block for block in plan.part(*shard) if block not in self.store.blocks]
        return [Group(block, [self.row_of[key] for key in plan.block_keys(block)]) for block in missing]

    def _finish(self, result: GroupTokens, plan: Plan, writer: _Writer) -> int:
        keys = plan.block_keys(result.name)
        for position, error in result.unreadable.items():
            self._refuse_if_strict(self.row_of[keys[position]], error)
        writer.submit(result, keys)
        return len(keys) - len(result.unreadable)

    def _refuse_if_strict(self, row: int, error: CytosaeError) -> None:
        if self.strict:
            raise CytosaeError(
                f"{error.message.rstrip('.')} (row {row} of the image table).",
                "Remove it from the table, or run without --strict to skip such images.",
            ) from error

    def _check_disk(self, n_images: int) -> None:
        need = n_images * self.store.identity.disk_bytes
        free = shutil.disk_usage(self.store.path).free
        if need > free:
            raise CytosaeError(
                f"The tokens of {n_images} images take {need / 1e9:.2f} GB, but only {free / 1e9:.2f} GB are "
                f"free at {self.store.path}.",
                "Free some space, choose another place for the tokens, or use --no-token-store.",
            )


class _Writer:
    """Writes blocks in a thread, at most one behind, so that the backbone need not wait for the disk."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="cytosae-write")
        self._pending: Future[None] | None = None

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            self._wait()

    def submit(self, result: GroupTokens, keys: Sequence[str]) -> None:
        """Write a block when the one before is written."""
        self._wait()
        reasons = {position: _reason(error) for position, error in result.unreadable.items()}
        self._pending = self._pool.submit(self._store.write_block, result.name, keys, result.tokens, reasons)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None


def _reason(error: CytosaeError) -> str:
    # An `UnreadableImage` states its reason apart from the file's name, which may differ elsewhere.
    return str(getattr(error, "reason", error.message))
