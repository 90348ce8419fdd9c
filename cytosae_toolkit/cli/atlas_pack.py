"""``atlas pack``: an atlas as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytosae_toolkit.cli.common import DebugOption, ForceOption, JsonOption, QuietOption, note, print_json, say


def register(atlas_app: typer.Typer) -> None:
    """Add ``pack`` to ``atlas``."""
    atlas_app.command("pack")(pack)


def pack(
    atlas: Annotated[Path, typer.Argument(metavar="A", help="Atlas folder, NAME.atlas.zarr.")],
    out: Annotated[Path, typer.Option("--out", help="ZIP file to write, NAME.zip.")],
    no_patient_ids: Annotated[
        bool,
        typer.Option("--no-patient-ids", help="Replace patients, groups, image ids and paths by neutral names."),
    ] = False,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write an atlas with its pictures and names as one file that opens read-only on another computer."""
    from cytosae_toolkit.atlas.packing import pack as write

    path = write(atlas, out, patient_ids=not no_patient_ids, force=force)
    if no_patient_ids and not quiet:
        note("Labels, diseases, data sets, image sets, the pictures and the authors of names are as they were.")
    if json:
        print_json({"file": path, "bytes": path.stat().st_size, "patient_ids": not no_patient_ids})
        return
    say(f"{path} ({path.stat().st_size / 1e6:.1f} MB); it opens as the atlas does, and names in it cannot be changed.")
