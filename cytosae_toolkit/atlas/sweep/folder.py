"""The folder of a sweep: where its parts lie, in which state its runs are, and who works on what.

::

    sweep.json               what was asked for, on which images, by which software
    runs/NAME/               run folders, as `train` writes them
    statistics/NAME.safetensors   mean activation and frequency of each latent over all images
    failed/NAME.json         why a run failed, until it succeeds
    stability/NAME.json      agreement of two seeds of a point
    locks/                   empty files that keep processes apart
    runs.csv, sweep.csv, sweep.png
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from cytosae_toolkit.atlas.sweep.points import SweepRun
from cytosae_toolkit.errors import CytosaeError, is_out_of_memory
from cytosae_toolkit.files import is_leftover, read_json, write_json
from cytosae_toolkit.progress import Stopped
from cytosae_toolkit.training.run import Run, is_run, load_run

State = Literal["waiting", "started", "failed", "finished"]
"""`started` runs are being trained, or were interrupted."""

FORMAT, VERSION = "cytosae-sweep", 1
_SECONDS_BETWEEN_TRIES = 0.5


class SweepFolder:
    """The folder of a sweep.

    Parameters
    ----------
    path : Path
        Need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def run_path(self, run: SweepRun) -> Path:
        """Return the run folder."""
        return self.path / "runs" / run.name

    def statistics_path(self, run: SweepRun) -> Path:
        """Return the file of a run's latent statistics."""
        return self.path / "statistics" / f"{run.name}.safetensors"

    def failure_path(self, run: SweepRun) -> Path:
        """Return the file that says why a run failed."""
        return self.path / "failed" / f"{run.name}.json"

    def is_finished(self, run: SweepRun) -> bool:
        """Say whether a run is trained and its statistics are there."""
        path = self.run_path(run)
        return self.statistics_path(run).is_file() and is_run(path) and load_run(path).completed

    def state(self, run: SweepRun) -> State:
        """Return how far a run is."""
        if self.is_finished(run):
            return "finished"
        if self.failure_path(run).is_file():
            return "failed"
        return "started" if is_run(self.run_path(run)) else "waiting"

    def opened(self, run: SweepRun) -> Run:
        """Open a run."""
        return load_run(self.run_path(run))

    def failure(self, run: SweepRun) -> str | None:
        """Return why a run failed when it was last tried."""
        return str(read_json(self.failure_path(run))["error"]) if self.state(run) == "failed" else None

    def record_failure(self, run: SweepRun, error: Exception) -> None:
        """Remember why a run failed."""
        self.failure_path(run).parent.mkdir(parents=True, exist_ok=True)
        facts = {
            "run": run.name,
            "point": run.point.name,
            "changes": run.point.label,
            "seed": run.seed,
            "error": sentence(error),
            "type": type(error).__name__,
            "traceback": "".join(traceback.format_exception(error)),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_json(self.failure_path(run), facts)

    def forget_failure(self, run: SweepRun) -> None:
        """Forget that a run failed."""
        self.failure_path(run).unlink(missing_ok=True)

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Try to have a name to oneself among all processes that work in this folder; yield whether that is so."""
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @contextmanager
    def turn(self, name: str, waiting: Callable[[], None], stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Wait until one has a name to oneself.

        Parameters
        ----------
        name : str
            What to have.
        waiting : callable
            Called once if another process has it.
        stop : callable
            True ends the waiting by `Stopped`.
        """
        lock, told = self._lock(name), False
        while True:
            try:
                lock.acquire(timeout=_SECONDS_BETWEEN_TRIES if told else 0)
                break
            except Timeout:
                if not told:
                    waiting()
                told = True
            if stop():
                raise Stopped("Interrupted while another process was waited for. The same command goes on.")
        try:
            yield
        finally:
            lock.release()

    def _lock(self, name: str) -> FileLock:
        (self.path / "locks").mkdir(parents=True, exist_ok=True)
        return FileLock(self.path / "locks" / f"{name}.lock")

    def check(self) -> dict[str, Any] | None:
        """Return the sweep's record, None where there is none yet.

        Raises
        ------
        CytosaeError
            If something else lies there, or a newer version wrote it.
        """
        if not self.path.exists():
            return None
        record = read_json(self.path / "sweep.json") if (self.path / "sweep.json").is_file() else None
        if isinstance(record, dict) and record.get("format") == FORMAT:
            if record.get("version") != VERSION:
                raise CytosaeError(
                    f"{self.path} has format version {record.get('version')}, this program reads {VERSION}.",
                    "Install the version of cytosae-toolkit that wrote it.",
                )
            return record
        ours = {"locks"}
        if not self.path.is_dir() or any(not is_leftover(p) and p.name not in ours for p in self.path.iterdir()):
            raise CytosaeError(f"{self.path} exists and is not a sweep of cytosae-toolkit.", "Choose another --out.")
        return None

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write the sweep's record; refuse other images than it was begun with.

        Parameters
        ----------
        facts : mapping
            With `images_digest`; everything else may change from call to call.

        Raises
        ------
        CytosaeError
            If the folder is something else's or the images are others.
        """
        before = self.check()
        if before is not None and before["images_digest"] != facts["images_digest"]:
            raise CytosaeError(
                f"The sweep {self.path} was begun on other images: {', '.join(before['images'])}.",
                "Go on with the same images, or choose another --out.",
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / "sweep.json", {"format": FORMAT, "version": VERSION, **facts})


def sentence(error: Exception) -> str:
    """Return what went wrong in one run as a sentence."""
    if isinstance(error, CytosaeError):
        return str(error)
    if is_out_of_memory(error):
        return "Memory ran out: choose fewer latents or smaller batches for this point, or another device."
    text = " ".join(str(error).split()).rstrip(".")
    return f"Something unexpected happened: {type(error).__name__}{': ' if text else ''}{text}."
