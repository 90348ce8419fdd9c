"""Where an atlas is built: its name, the folder of its blocks beside it, what a stopped build left there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import restore_replaced

SUFFIX = ".atlas.zarr"


def building_folder(out: Path) -> Path:
    """Return where the blocks of an atlas that is being built lie."""
    return out.with_name(f"{out.name}.building")


def part_folders(out: Path, n: int) -> list[Path]:
    """Return where the parts of an atlas lie that `n` processes build together."""
    folder = building_folder(out)
    return [folder] if n == 1 else [folder / f"part-{i}-of-{n}" for i in range(n)]


def refuse_other_ranks(folder: Path, n: int) -> None:
    """Refuse to go on with what another number of processes began: their parts are others."""
    begun = {int(part.name.rpartition("-")[2]) for part in folder.glob("part-*-of-*")}
    begun |= {1} if (folder / "plan.json").is_file() else set()
    if begun - {n}:
        raise CytosaeError(
            f"{folder} was begun by {_processes(max(begun - {n}))}, now there {'are' if n > 1 else 'is'} {n}.",
            f"Go on with {_processes(max(begun - {n}))}, or begin again with --force.",
        )


def _processes(n: int) -> str:
    return "one process" if n == 1 else f"{n} processes (torchrun --nproc-per-node={n})"


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Let one process at a time build into a path.

    Raises
    ------
    CytosaeError
        If another one does.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.with_name(f".{out.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CytosaeError(f"Another process is building {out}.", "Wait for it, or choose another --out.") from None
    try:
        restore_replaced(out)
        yield
    finally:
        lock.release()


def checked_out(out: str | Path) -> Path:
    """Return the path of an atlas that is to be built, if it is the name of one."""
    out = Path(out)
    if not out.name.endswith(SUFFIX) or out.name == SUFFIX:
        raise CytosaeError(f"{out} is not the name of an atlas.", f"Choose a name that ends in {SUFFIX}.")
    return out


def make_room(out: Path, *, resume: bool, force: bool) -> None:
    """Refuse to replace an atlas, or to begin beside what a stopped build left, unless told to."""
    if out.exists() and not force:
        raise CytosaeError(f"{out} exists already.", "Replace it with --force, or choose another --out.")
    refuse_unfinished(building_folder(out), resume=resume, force=force)


def refuse_unfinished(folder: Path, *, resume: bool, force: bool) -> None:
    """Refuse what a stopped build left, unless it is to be gone on with, or begun again: then it is removed."""
    if not folder.exists() or resume:
        return
    if not force:
        raise CytosaeError(
            f"A build was stopped here before: {folder}.", "Go on with --resume, or begin again with --force."
        )
    shutil.rmtree(folder)


@contextmanager
def or_nothing(folder: Path) -> Iterator[None]:
    """Remove a folder of parts if no atlas can be made of them."""
    try:
        yield
    except CytosaeError:
        shutil.rmtree(folder)
        raise
