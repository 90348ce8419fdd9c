"""``import-checkpoint``: a published CytoSAE checkpoint as a run, read without executing it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytosae_toolkit.cli.common import (
    BackboneOptions,
    DebugOption,
    ForceOption,
    JsonOption,
    QuietOption,
    note,
    parse_pairs,
    print_json,
    say,
)


def register(app: typer.Typer) -> None:
    """Add ``import-checkpoint`` to the program."""
    app.command("import-checkpoint")(import_checkpoint)


def import_checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE.pt", help="Checkpoint of the published code.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to write.")],
    backbone: Annotated[str | None, typer.Option(help="Backbone; default by the checkpoint.")] = None,
    backbone_option: BackboneOptions = None,
    layer: Annotated[int | None, typer.Option(help="Block; default by the checkpoint.")] = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Import a published CytoSAE checkpoint; nothing in the file is executed."""
    from cytosae_toolkit.training import import_checkpoint as read

    options = parse_pairs(backbone_option, "-B")
    run = read(file, out, backbone=backbone, backbone_options=options, layer=layer, force=force)
    if not quiet and run.record["backbone"]["fingerprint"] is None:
        note("The backbone's weights are not at hand yet: its fingerprint is not recorded.")
    if json:
        print_json({"run": run.path, "config": run.record})
        return
    say(
        f"{run.record['d_sae']:,} latents for block {run.layer} of {run.config['backbone']} "
        f"(tokens of length {run.record['d_model']}) in {run.path}"
    )
