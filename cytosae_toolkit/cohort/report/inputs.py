"""What a report is made from: barcodes, their atlas, a classification or a comparison, checked to belong together."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.cohort.cohort import Cohort, check_cohort_path, open_cohort, save_cohort
from cytosae_toolkit.cohort.groups import choose_groups
from cytosae_toolkit.cohort.report.sources import Record, Sheet, Source, file_source, read_json_record, read_sheet
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Parameters
    ----------
    source : Path
        Barcodes or an atlas.
    out : Path
        The report, ``NAME.html``.
    atlas, classification, comparison : Path, optional
        Where they lie.
    column : str
        Of the patients, whose values are the groups.
    force : bool
        Replace what exists.
    """

    source: Path
    out: Path
    atlas: Path | None = None
    classification: Path | None = None
    comparison: Path | None = None
    column: str = "disease"
    force: bool = False

    def beside(self, ending: str) -> Path:
        """Return a path beside the report: its name without suffix, and an ending."""
        return self.out.with_name(self.out.stem + ending)

    def command(self, about: Sequence[str]) -> str:
        """Return the command that makes this report, as it could be typed."""
        words = ["cytosae-toolkit", "report", str(self.source), *about, "--out", str(self.out)]
        for name in ("atlas", "classification", "comparison"):
            if getattr(self, name) is not None:
                words += [f"--{name}", str(getattr(self, name))]
        return shlex.join(words if self.column == "disease" else [*words, "--column", self.column])


@dataclass(frozen=True)
class Inputs:
    """Barcodes and their atlas, opened.

    Parameters
    ----------
    request : Request
        What was asked for.
    command : str
        Makes the report.
    cohort : Cohort
        The barcodes.
    path : Path
        Their file.
    atlas : Atlas
        Of the same SAE, with images.
    """

    request: Request
    command: str
    cohort: Cohort
    path: Path
    atlas: Atlas

    @property
    def groups(self) -> NDArray[np.object_]:
        """The group of each patient by the chosen column, str or None [n]."""
        return self.cohort.column(self.request.column)

    def barcode_source(self) -> Source:
        """Return the barcodes as a source, by the fingerprint of their content."""
        found = file_source(self.path, self.request.out, str(self.cohort.record.get("command") or ""), "barcodes")
        content = self.cohort.record.get("fingerprint")
        return Source(found.shown, f"content {content}, {found.fingerprint}", found.command, found.what)


def check_request(request: Request) -> None:
    """Refuse an output that is no HTML file, exists, or whose tables exist.

    Raises
    ------
    CytosaeError
        If nothing should be written there.
    """
    if request.out.suffix.lower() not in (".html", ".htm"):
        raise CytosaeError(f"{request.out} does not end in .html.", "Write --out NAME.html.")
    if request.out.is_dir():
        raise CytosaeError(f"{request.out} is a folder.", "Choose another --out.")
    tables = request.beside("-tables")
    for path in (request.out, tables):
        if path.exists() and not request.force:
            raise CytosaeError(f"{path} exists.", "Replace it with --force, or choose another --out.")
    if tables.exists() and not (tables / "facts.csv").is_file():
        raise CytosaeError(f"{tables} exists and holds no tables of a report.", "Choose another --out.")


def open_inputs(request: Request, about: Sequence[str], *, progress: Progress = SILENT) -> Inputs:
    """Open barcodes and atlas, or compute the barcodes of an atlas and write them beside the report.

    Parameters
    ----------
    request : Request
        What was asked for.
    about : sequence of str
        The options that say whom the report is about, for the command.
    progress : Progress
        Whom to tell.

    Raises
    ------
    CytosaeError
        If something is missing, damaged, or does not belong together.
    """
    if _is_atlas(request.source):
        if request.atlas is not None and request.atlas.resolve() != request.source.resolve():
            raise CytosaeError("Two atlases are named.", "Leave --atlas out, or name barcodes instead of an atlas.")
        atlas = open_atlas(request.source)
        path = _write_barcodes(request, atlas, about, progress)
        cohort = open_cohort(path)
    else:
        path, cohort = request.source, open_cohort(request.source)
        atlas = open_atlas(_atlas_path(cohort, request))
    _check_about(cohort, about, request.column)
    check_belongs(cohort, atlas)
    return Inputs(request, request.command(about), cohort, path, atlas)


def _is_atlas(path: Path) -> bool:
    return path.suffix.lower() == ".zip" or path.is_dir()


def _check_about(cohort: Cohort, about: Sequence[str], column: str) -> None:
    """Refuse a patient, a column or groups that there are not."""
    cohort.column(column)
    if about[0] == "--patient":
        cohort.row_of(about[1])
    else:
        choose_groups(cohort, about[1], about[2], column=column)


def _write_barcodes(request: Request, atlas: Atlas, about: Sequence[str], progress: Progress) -> Path:
    from cytosae_toolkit.atlas.building import Work
    from cytosae_toolkit.cohort.barcodes import barcodes

    path = request.beside(".h5ad")
    check_cohort_path(path, force=request.force)
    command = shlex.join(["cytosae-toolkit", "barcodes", str(request.source), "--out", str(path)])
    made = barcodes(atlas, work=Work(progress=progress), command=command)
    _check_about(open_cohort(made), about, request.column)
    return save_cohort(made, path, force=request.force)


def _atlas_path(cohort: Cohort, request: Request) -> Path:
    if request.atlas is not None:
        return request.atlas
    recorded = Path(str(cohort.record.get("atlas") or ""))
    for path in (recorded, request.source.parent / recorded):
        if str(recorded) != "." and path.exists():
            return path
    raise CytosaeError(
        f"The atlas {recorded} that the barcodes were made from is not there.", "Name it with --atlas A."
    )


def check_belongs(cohort: Cohort, atlas: Atlas) -> None:
    """Refuse an atlas of another SAE, without images, or that does not say whose its images are.

    Raises
    ------
    CytosaeError
        Saying which of these it is.
    """
    wanted, found = str(cohort.record.get("sae_fingerprint")), str(atlas.record.get("sae_fingerprint"))
    if wanted != found:
        raise CytosaeError(
            f"The barcodes are of the SAE {wanted[:12]}, the atlas {atlas.path} describes {found[:12]}.",
            "Name the atlas that they were made from.",
        )
    if not atlas.has_images:
        raise CytosaeError(f"The atlas {atlas.path} has no images to show.", "Build one with `atlas build RUN IMAGES`.")
    known = set(atlas.images["patient"].astype(str)) if "patient" in atlas.images else set()
    if not known.intersection(cohort.patients.tolist()):
        raise CytosaeError(
            f"The atlas {atlas.path} has no image of these patients.",
            "Name the atlas that the barcodes were made from, not one packed without patient ids.",
        )


@dataclass(frozen=True)
class ResultFolder:
    """A folder that `classify` or `compare` wrote.

    Parameters
    ----------
    path : Path
        The folder.
    report : Path
        The report that names it.
    record : Record
        Its JSON file.
    """

    path: Path
    report: Path
    record: Record

    @property
    def command(self) -> str:
        """The command that made it."""
        return str(self.record.document.get("command") or "")

    def sheet(self, name: str, what: str) -> Sheet:
        """Return one of its tables.

        Raises
        ------
        CytosaeError
            If it is not there.
        """
        path = self.path / name
        if not path.is_file():
            raise CytosaeError(f"{path} is missing.", "Make the folder again.")
        return read_sheet(path, file_source(path, self.report, self.command, what))

    def has(self, name: str) -> bool:
        """Return whether it has a file of that name."""
        return (self.path / name).is_file()


def open_result(path: Path, kind: str, inputs: Inputs) -> ResultFolder:
    """Open the folder of a classification or a comparison, and check that it is about these barcodes.

    Parameters
    ----------
    path : Path
        The folder.
    kind : str
        ``"classification"`` or ``"comparison"``.
    inputs : Inputs
        The barcodes.

    Raises
    ------
    CytosaeError
        If it is none, or about other barcodes.
    """
    file, command = path / f"{kind}.json", "classify" if kind == "classification" else "compare"
    if not file.is_file():
        raise CytosaeError(f"{path} is no {kind}: it has no {file.name}.", f"Make one with `{command} … --out DIR`.")
    bare = read_json_record(file, Source("", "", "", ""))
    document: dict[str, Any] = bare.document if isinstance(bare.document, dict) else {}
    if document.get("format") != f"cytosae-{kind}":
        raise CytosaeError(f"{file} is no {kind} of cytosae-toolkit.", f"Make one with `{command} … --out DIR`.")
    theirs, ours = (document.get("barcodes") or {}).get("fingerprint"), inputs.cohort.record.get("fingerprint")
    if theirs != ours:
        raise CytosaeError(
            f"The {kind} {path} is about other barcodes ({str(theirs)[:12]}, these are {str(ours)[:12]}).",
            f"Make it again with `{command}`, or name the barcodes that it was made from.",
        )
    source = file_source(file, inputs.request.out, str(document.get("command") or ""), f"the {kind}")
    return ResultFolder(path, inputs.request.out, Record(source, document))
