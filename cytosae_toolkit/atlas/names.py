"""What experts said about latents: names, notes, verdicts; append-only, with author and time."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cytosae_toolkit.atlas.names_file import (
    VERDICTS,
    Annotation,
    Line,
    append_lines,
    latest,
    locked,
    parse_lines,
    stamp,
    standing,
)
from cytosae_toolkit.atlas.names_text import check_verdict, clean, default_author, one_line
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.names_csv import ImportReport

__all__ = ["VERDICTS", "Annotation", "Annotations", "Entry", "default_author", "names_path"]

COLUMNS = ("latent", "name", "note", "verdict", "author", "time")


@dataclass(frozen=True)
class Entry:
    """What to say about a latent; None keeps what was said before.

    Parameters
    ----------
    name, note, verdict : str, optional
        "" takes it away.
    author : str, optional
        Default: `default_author`.
    time : str, optional
        ISO 8601; default now.
    """

    name: str | None = None
    note: str | None = None
    verdict: str | None = None
    author: str | None = None
    time: str | None = None


class Annotations:
    """The annotations of an atlas.

    Parameters
    ----------
    path : Path, optional
        JSON lines, which need not exist yet; None keeps them in memory only.
    fingerprint : str
        Of the SAE; lines of others are ignored.
    d_sae : int
        Number of latents.
    read_only : bool
        Refuse changes.

    Attributes
    ----------
    path, fingerprint, d_sae, read_only
        As above.
    """

    def __init__(self, path: Path | None, fingerprint: str, d_sae: int, read_only: bool = False) -> None:
        self.path = None if path is None else Path(path)
        self.fingerprint = fingerprint
        self.d_sae = d_sae
        self.read_only = read_only
        self._lines: list[Line] | None = None
        self._problems: list[str] = []
        self._current: dict[int, Annotation] | None = None
        self._stamp: tuple[int, int, int] | None = None

    @property
    def problems(self) -> list[str]:
        """One sentence for each line that is damaged or speaks of a latent that does not exist."""
        self._load()
        return list(self._problems)

    def current(self) -> dict[int, Annotation]:
        """Return the latest annotation of each latent that has one, in the order of latents."""
        if self._current is None:
            self._current = latest(self._load())
        return dict(self._current)

    def history(self, latent: int) -> list[Annotation]:
        """Return all that was ever said about a latent, oldest first, clearings included."""
        return [line.annotation for line in self._load() if line.annotation.latent == latent]

    def frame(self) -> pd.DataFrame:
        """Return the current annotations as a table: ``latent, name, note, verdict, author, time``."""
        import pandas as pd

        rows = [[getattr(annotation, column) for column in COLUMNS] for annotation in self.current().values()]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"latent": "int64"})

    def by_name(self) -> dict[str, list[int]]:
        """Return the latents of each name, names in alphabetical order."""
        found: dict[str, list[int]] = {}
        for latent, annotation in self.current().items():
            if annotation.name:
                found.setdefault(annotation.name, []).append(latent)
        return {name: found[name] for name in sorted(found, key=str.casefold)}

    def complete(self, prefix: str) -> list[str]:
        """Return names in use that start with a text, then those with a later word that does; most used first."""
        wanted = prefix.strip().casefold()
        counts = Counter(annotation.name for annotation in self.current().values() if annotation.name)
        ranked = sorted(counts, key=lambda name: (-counts[name], name.casefold()))
        first = [name for name in ranked if name.casefold().startswith(wanted)]
        later = [name for name in ranked if f" {wanted}" in name.casefold() and name not in first]
        return first + later

    def add(
        self,
        latents: int | Iterable[int],
        name: str | None = None,
        *,
        note: str | None = None,
        verdict: str | None = None,
        author: str | None = None,
    ) -> list[Annotation]:
        """Say something about one latent or several.

        Parameters
        ----------
        latents : int or iterable of int
            Which.
        name, note, verdict : str, optional
            What; None keeps what was said before, "" takes it away.
        author : str, optional
            Who; default: `default_author`.

        Returns
        -------
        list of Annotation
            One per latent, as written.

        Raises
        ------
        CytosaeError
            If a latent or the verdict does not exist, nothing is said or nothing is there to take
            away, a note would stand without a name or a verdict, or the annotations are read-only; then nothing is
            written.
        """
        if name is None and note is None and verdict is None:
            raise CytosaeError("Nothing is said about the latent.", "Give a name, a note or a verdict.")
        chosen = [latents] if isinstance(latents, int) else list(latents)
        return self.add_entries({int(latent): Entry(name, note, verdict, author) for latent in chosen})

    def clear(self, latents: int | Iterable[int], *, author: str | None = None) -> list[Annotation]:
        """Take name, note and verdict away from latents; the history stays."""
        return self.add(latents, "", note="", verdict="", author=author)

    def add_entries(self, entries: Mapping[int, Entry]) -> list[Annotation]:
        """Say different things about several latents as one change; see `add`."""
        self._check_writable()
        self._check_latents(entries)
        with nullcontext() if self.path is None else locked(self.path):
            self.reload_if_changed()
            current = self.current()
            added = [self._annotation(latent, entry, current.get(latent)) for latent, entry in entries.items()]
            if added and all(new.empty and new.latent not in current for new in added):
                raise CytosaeError(
                    f"Nothing was said about latent {added[0].latent}: there is nothing to take away.",
                    "Give it a name or a verdict.",
                )
            change = uuid.uuid4().hex[:16]
            self._append([Line(annotation, change) for annotation in added])
        return added

    def last_change(self) -> list[Annotation]:
        """Return what the last change said that is not taken back yet, one entry for each of its latents."""
        lines = standing(self._load())
        return [line.annotation for line in lines if line.change == lines[-1].change]

    def undo(self) -> list[Annotation]:
        """Take the last change back that is not taken back yet, by appending what held before it.

        Returns
        -------
        list of Annotation
            What holds again for each of its latents; an empty one where nothing was said before.

        Raises
        ------
        CytosaeError
            If there is no change to take back, or the annotations are read-only.
        """
        self._check_writable()
        with nullcontext() if self.path is None else locked(self.path):
            self.reload_if_changed()
            lines = standing(self._load())
            if not lines:
                raise CytosaeError("There is no change to take back.")
            change = lines[-1].change
            before = latest([line for line in lines if line.change != change])
            now, author, own = _now(), default_author(), uuid.uuid4().hex[:16]
            restored = [
                replace(before.get(latent) or Annotation(latent, "", "", "", author, now, self.fingerprint), time=now)
                for latent in dict.fromkeys(line.annotation.latent for line in lines if line.change == change)
            ]
            self._append([Line(annotation, own, undoes=change) for annotation in restored])
        return restored

    def reload_if_changed(self) -> bool:
        """Read the file again if another process wrote to it; return whether it did."""
        if self._lines is not None and stamp(self.path) == self._stamp:
            return False
        self._lines = None
        self._load()
        return True

    def export_csv(self, path: Path) -> int:
        """Write the current annotations as CSV for spreadsheets; see `names_csv.export_csv`."""
        from cytosae_toolkit.atlas.names_csv import export_csv

        return export_csv(self, path)

    def import_csv(self, path: Path, author: str | None = None) -> ImportReport:
        """Take annotations over from a CSV; see `names_csv.import_csv`."""
        from cytosae_toolkit.atlas.names_csv import import_csv

        return import_csv(self, path, author)

    def _load(self) -> list[Line]:
        if self._lines is not None:
            return self._lines
        self._stamp = stamp(self.path)
        content = self.path.read_bytes() if self.path is not None and self._stamp is not None else b""
        lines, self._problems = parse_lines(content, str(self.path))
        own = [line for line in lines if line.annotation.sae == self.fingerprint]
        self._lines, self._current = [line for line in own if line.annotation.latent < self.d_sae], None
        self._problems += [
            f"An annotation of latent {line.annotation.latent} is left out: the SAE has {self.d_sae} latents."
            for line in own
            if line.annotation.latent >= self.d_sae
        ]
        return self._lines

    def _append(self, lines: list[Line]) -> None:
        if self.path is not None:
            append_lines(self.path, lines)
            self._stamp = stamp(self.path)
        self._lines, self._current = [*self._load(), *lines], None

    def _annotation(self, latent: int, entry: Entry, before: Annotation | None) -> Annotation:
        name = _kept(entry.name, before.name if before else "")
        note = _kept(entry.note, before.note if before else "")
        verdict = _kept(entry.verdict, before.verdict if before else "")
        annotation = Annotation(
            latent,
            one_line(name),
            clean(note),
            check_verdict(verdict),
            one_line(entry.author or "") or default_author(),
            entry.time or _now(),
            self.fingerprint,
        )
        if annotation.empty and annotation.note and entry.note:
            raise CytosaeError(f"A note on latent {latent} needs a name or a verdict beside it.", "Give one.")
        return replace(annotation, note="") if annotation.empty else annotation

    def _check_latents(self, latents: Iterable[int]) -> None:
        unknown = [str(latent) for latent in latents if not 0 <= latent < self.d_sae]
        if unknown:
            raise CytosaeError(f"There is no latent {', '.join(unknown[:5])}.", f"Choose from 0 to {self.d_sae - 1}.")

    def _check_writable(self) -> None:
        if self.read_only:
            raise CytosaeError(
                "These annotations cannot be changed: the atlas is open for reading only.",
                "Name latents in the atlas folder that it was packed from.",
            )


def names_path(atlas_path: Path) -> Path:
    """Return where the annotations of an atlas lie: ``x.atlas.zarr`` and ``x.zip`` have ``x.names.jsonl``."""
    name = Path(atlas_path).name
    for suffix in (".atlas.zarr", ".atlas.zip", ".zarr", ".zip"):
        if name.endswith(suffix) and name != suffix:
            name = name.removesuffix(suffix)
            break
    return Path(atlas_path).with_name(f"{name}.names.jsonl")


def _kept(new: str | None, before: str) -> str:
    return before if new is None else new


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
