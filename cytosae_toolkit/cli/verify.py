"""``verify``: check a run, a token store, an atlas, barcodes or a report against what is recorded of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytosae_toolkit.cli.common import DebugOption, JsonOption, print_json, say
from cytosae_toolkit.errors import CytosaeError

UNRECORDED = (
    "The values of the atlas {path} agree with each other; its files were not recorded when it was written, so that "
    "a missing or changed one may go unseen."
)


def register(app: typer.Typer) -> None:
    """Add ``verify`` to the program."""
    app.command("verify")(verify)


def verify(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A run, a token store, an atlas, barcodes or a report.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check a run, a token store, an atlas (packed or not) or barcodes against its fingerprints.

    Of a report, every number is compared with the file that it names. Exit code 2 if something is wrong.
    """
    kind, problems, remark = examine(path)
    if json:
        print_json({"path": path, "kind": kind, "problems": problems, "remark": remark})
    elif not problems:
        say(remark or f"The {kind} {path} is whole.")
    if problems:
        if not json:
            for problem in problems:
                say(f"- {problem}")
        count = "1 problem was" if len(problems) == 1 else f"{len(problems)} problems were"
        raise CytosaeError(f"The {kind} {path} is damaged: {count} found.", "Make it again.")


def examine(path: Path) -> tuple[str, list[str], str]:
    """Return what a path is, what is wrong with it, and what could not be checked.

    Raises
    ------
    CytosaeError
        If it is nothing of this program.
    """
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.atlas.verify import files_recorded, verify_atlas
    from cytosae_toolkit.tokens import is_token_store, verify_store
    from cytosae_toolkit.training.run import is_run, load_run

    if is_run(path):
        try:
            sae = load_run(path).sae
        except CytosaeError as error:
            return "run", [str(error)], ""
        broken = [name for name, tensor in sae.state_dict().items() if not bool(tensor.isfinite().all())]
        return "run", [f"{name} holds NaN or infinite numbers." for name in broken], ""
    if is_token_store(path):
        return "token store", list(verify_store(path).problems), ""
    if path.suffix.lower() == ".h5ad":
        return "barcodes file", _barcode_problems(path), ""
    if path.suffix.lower() in (".html", ".htm"):
        from cytosae_toolkit.cohort.report.tracing import check_report

        return "report", check_report(path), ""
    atlas = open_atlas(path)
    return "atlas", verify_atlas(atlas), "" if files_recorded(atlas) else UNRECORDED.format(path=path)


def _barcode_problems(path: Path) -> list[str]:
    from cytosae_toolkit.cohort.cohort import open_cohort
    from cytosae_toolkit.cohort.provenance import content_fingerprint

    cohort = open_cohort(path)
    if content_fingerprint(cohort.adata) != cohort.record.get("fingerprint"):
        return ["The barcodes are not those that it says were computed."]
    return []
