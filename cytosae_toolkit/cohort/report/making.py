"""From a request to a report on disk: one HTML file, and beside it the tables of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cytosae_toolkit.cohort.report.document import Report
from cytosae_toolkit.cohort.report.groups import group_report
from cytosae_toolkit.cohort.report.inputs import Request, check_request, open_inputs
from cytosae_toolkit.cohort.report.patient import patient_report
from cytosae_toolkit.cohort.report.rendering import render
from cytosae_toolkit.cohort.report.sources import TableFolder
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder, write_text
from cytosae_toolkit.progress import SILENT, Progress


@dataclass(frozen=True)
class Made:
    """A report that was written.

    Parameters
    ----------
    report : Path
        The HTML file.
    files : tuple of Path
        What was written beside it: tables, and a comparison or barcodes if they were computed.
    """

    report: Path
    files: tuple[Path, ...]


def make_report(
    request: Request,
    *,
    patient: str | None = None,
    groups: tuple[str, str] | None = None,
    progress: Progress = SILENT,
) -> Made:
    """Write a report about one patient or two groups.

    Parameters
    ----------
    request : Request
        Barcodes or atlas, and where to write.
    patient : str, optional
        Whom it is about.
    groups : (str, str), optional
        Or which groups.
    progress : Progress
        Whom to tell.

    Returns
    -------
    Made

    Raises
    ------
    CytosaeError
        If there is no such patient or group, something does not belong together, or an output exists.
    """
    if (patient is None) == (groups is None):
        raise CytosaeError("A report is about one patient or two groups.", "Give --patient P, or --groups A B.")
    about = ["--patient", patient] if patient is not None else ["--groups", *(groups or ())]
    _check_options(request, patient)
    check_request(request)
    request.out.parent.mkdir(parents=True, exist_ok=True)
    inputs = open_inputs(request, about, progress=progress)
    final = request.beside("-tables")
    with atomic_folder(final, replace=request.force) as folder:
        tables = TableFolder(folder, final, request.out, inputs.command)
        report: Report
        if patient is not None:
            report = patient_report(inputs, patient, tables, progress=progress)
        else:
            report = group_report(inputs, *(groups or ("", "")), tables, progress=progress)
        page = render(report, also=[inputs.barcode_source()])
    write_text(request.out, page)
    made = [final, request.beside("-comparison") if patient is None and request.comparison is None else None,
            inputs.path if inputs.path != request.source else None]  # fmt: skip
    return Made(request.out, tuple(path for path in made if path is not None))


def _check_options(request: Request, patient: str | None) -> None:
    if patient is not None and request.comparison is not None:
        raise CytosaeError("--comparison belongs to --groups.", "Leave it out, or give --groups A B.")
    if patient is None and request.classification is not None:
        raise CytosaeError("--classification belongs to --patient.", "Leave it out, or give --patient P.")
