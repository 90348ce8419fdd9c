"""Train the runs of a sweep: one after the other, whatever becomes of any, beside other processes that do the same."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.atlas.plan import parse_shard
from cytosae_toolkit.atlas.sweep.concepts import latent_statistics
from cytosae_toolkit.atlas.sweep.folder import SweepFolder, sentence
from cytosae_toolkit.atlas.sweep.grid import SweepFile, read_sweep
from cytosae_toolkit.atlas.sweep.points import Point, SweepRun, expand, runs_of
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress, Stoppable
from cytosae_toolkit.training.provenance import check_resumable, software_versions

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable


@dataclass(frozen=True)
class SweepWork:
    """How a sweep works; nothing of it changes a result but which images are read.

    Parameters
    ----------
    device : str
        Where to compute.
    workers : int, optional
        Decoding threads.
    offline, strict, allow_outside : bool
        As of `TrainConfig`.
    map : mapping
        Column names of tables.
    tokens : Path, optional
        Token store; where points read different tokens, a folder with a store for each. By default in the cache.
    progress : Progress
        Whom to tell.
    stop : callable
        True saves the state of the run in progress and ends the work.
    """

    device: str = "auto"
    workers: int | None = None
    offline: bool = False
    strict: bool = False
    allow_outside: bool = False
    map: Mapping[str, str] = field(default_factory=dict)
    tokens: Path | None = None
    progress: Progress = SILENT
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class SweepOutcome:
    """What a call of `run_sweep` did with its share of the runs, by name.

    Parameters
    ----------
    trained, finished_before, elsewhere : tuple of str
        Trained now; finished before; being trained by another process.
    failed : mapping of str to str
        Failed now, and why.
    """

    trained: tuple[str, ...]
    finished_before: tuple[str, ...]
    elsewhere: tuple[str, ...]
    failed: Mapping[str, str]


def run_sweep(
    source: SweepFile | str | Path,
    images: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    seeds: Sequence[int] | None = None,
    shard: Sequence[int] = (0, 1),
    work: SweepWork | None = None,
) -> SweepOutcome:
    """Train what a sweep lacks; `write_tables` makes its tables.

    Finished runs are skipped, interrupted ones go on, failed ones are tried again. A run that fails is recorded in
    ``failed/`` and the others are trained. Several processes may work in one folder: each run is trained by one of
    them, and tokens are read by one.

    Parameters
    ----------
    source : SweepFile, str or Path
        The sweep, its file, or the name of a shipped one.
    images : str, Path or sequence of them
        Image sources, as of `TrainConfig`.
    out : str or Path
        Folder of the sweep.
    seeds : sequence of int, optional
        Instead of those of the file.
    shard : (int, int)
        ``(i, n)``: every n-th run from the i-th.
    work : SweepWork, optional
        Device, token store, progress.

    Returns
    -------
    SweepOutcome

    Raises
    ------
    CytosaeError
        If the file or the images are wrong, or `out` is something else; nothing has been trained then.
    KeyboardInterrupt
        If `work.stop` said so; the state is saved.
    """
    file = source if isinstance(source, SweepFile) else read_sweep(source)
    sources = (images,) if isinstance(images, str | Path) else tuple(images)
    index, count = parse_shard(shard)
    points = expand(file)
    sweep = _Sweep(file, points, tuple(map(str, sources)), SweepFolder(out), work or SweepWork())
    sweep.begin()
    outcomes: dict[str, list[str]] = {"trained": [], "finished before": [], "elsewhere": []}
    failed: dict[str, str] = {}
    mine = runs_of(points, seeds or file.seeds)[index::count]
    for number, run in enumerate(mine):
        sweep.work.progress.message(f"Run {number + 1} of {len(mine)}: {run.point.label}, seed {run.seed}")
        try:
            outcomes[sweep.visit(run)].append(run.name)
        except _FailedError as error:
            failed[run.name] = error.sentence
            sweep.work.progress.message(f"Failed, the others go on: {error.sentence}")
    trained, before, elsewhere = (tuple(names) for names in outcomes.values())
    return SweepOutcome(trained, before, elsewhere, failed)


class _FailedError(Exception):
    """A run failed, and this is recorded."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class _Sweep:
    file: SweepFile
    points: Sequence[Point]
    images: tuple[str, ...]
    folder: SweepFolder
    work: SweepWork

    def begin(self) -> None:
        """Check what concerns all runs, before the first."""
        from cytosae_toolkit.tokens import refuse_foreign

        self.folder.check()
        for store in self.token_stores.values():
            if store is not None:
                refuse_foreign(store)
        facts = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": sys.argv,
            "file": self.file.name,
            "sweep": self.file.text,
            "images": list(self.images),
            "images_digest": _digest(self.table()),
            "software": software_versions(),
        }
        self.folder.begin(facts)

    def table(self) -> ImageTable:
        from cytosae_toolkit.images.combining import read_image_sets

        return read_image_sets(
            self.images,
            map=dict(self.work.map) or self.file.base.get("map") or {},
            allow_outside=self.work.allow_outside or bool(self.file.base.get("allow_outside")),
            strict=self.work.strict or bool(self.file.base.get("strict")),
        )

    @cached_property
    def token_stores(self) -> Mapping[str, Path | None]:
        """Token store by the name of the tokens; None stands for the cache."""
        from cytosae_toolkit.tokens import is_token_store

        given = self.work.tokens
        names = list(dict.fromkeys(point.tokens for point in self.points if point.problem is None))
        if given is None or len(names) == 1:
            return dict.fromkeys(names, given)
        if is_token_store(given):
            raise CytosaeError(
                f"{given} is one token store, but the points read {len(names)} kinds of tokens: {', '.join(names)}.",
                "Name a folder that is no store; it gets one for each.",
            )
        return {name: given / name for name in names}

    def visit(self, run: SweepRun) -> str:
        """Do what a run lacks, unless another process is at it; return which of the three it was."""
        with self.folder.claim(run.name) as mine:
            if not mine:
                return "elsewhere"
            if self.folder.is_finished(run):
                return "finished before"
            try:
                self.train(run)
            except Exception as error:
                self.folder.record_failure(run, error)
                raise _FailedError(sentence(error)) from error
            self.folder.forget_failure(run)
            return "trained"

    def train(self, run: SweepRun) -> None:
        from cytosae_toolkit.training.preparing import prepare
        from cytosae_toolkit.training.session import open_tokens, run_prepared

        progress, stop = self.work.progress, self.work.stop
        config, origins = run.point.configure(**self._common(run))
        config = check_resumable(config)
        with self.folder.turn(
            f"tokens-{run.point.tokens}", lambda: progress.message("Another process reads the tokens; waiting."), stop
        ):
            prepared = prepare(config, origins, progress=progress)
            prepared.plan.check()
            view = open_tokens(prepared, Stoppable(progress, stop))
        trained = run_prepared(prepared, resume=True, progress=progress, stop=stop)
        found = latent_statistics(trained.sae, view, device=prepared.device, progress=Stoppable(progress, stop))
        found.save(self.folder.statistics_path(run))

    def _common(self, run: SweepRun) -> dict[str, Any]:
        work = self.work
        return {
            "images": self.images,
            "out": self.folder.run_path(run),
            "seed": run.seed,
            "tokens": self.token_stores.get(run.point.tokens),
            "device": None if work.device == "auto" else work.device,
            "workers": work.workers,
            "offline": work.offline,
            "strict": work.strict,
            "allow_outside": work.allow_outside,
            "map": dict(work.map),
        }


def _digest(images: ImageTable) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for key in images.content_keys():
        digest.update(str(key).encode())
    return digest.hexdigest()
