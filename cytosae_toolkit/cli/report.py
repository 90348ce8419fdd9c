"""``report``: one HTML file about a patient or two groups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytosae_toolkit.cli.common import DebugOption, ForceOption, JsonOption, QuietOption, note, print_json, say


def register(app: typer.Typer) -> None:
    """Add ``report`` to the program."""
    app.command("report")(report)


def report(
    source: Annotated[
        Path, typer.Argument(metavar="B|ATLAS", help="Barcodes, or an atlas: then its barcodes are made first.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="R.html", help="File to write; tables are written beside it.")],
    patient: Annotated[str | None, typer.Option(metavar="P", help="About this patient.")] = None,
    groups: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="About these two groups.", show_default=False)
    ] = None,
    atlas: Annotated[
        Path | None, typer.Option(metavar="A", help="Atlas of the barcodes, if not where they say.")
    ] = None,
    classification: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What 'classify --out' wrote, for --patient.")
    ] = None,
    comparison: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What 'compare --out' wrote, for --groups; else it is made.")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of the patients whose values are the groups.")] = "disease",
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write one self-contained HTML file about a patient or two groups; every number in it names its file."""
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.cohort.report.inputs import Request
    from cytosae_toolkit.cohort.report.making import make_report

    request = Request(source, out, atlas, classification, comparison, column, force)
    made = make_report(request, patient=patient, groups=groups, progress=progress_for(quiet))
    if json:
        print_json({"report": made.report, "files": made.files, "bytes": made.report.stat().st_size})
        return
    say(f"wrote {made.report}")
    for path in made.files:
        note(f"Its numbers: {path}")
