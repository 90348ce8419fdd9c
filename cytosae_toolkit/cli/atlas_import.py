"""``atlas import-statistics``: what the published code computed, as an atlas without images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytosae_toolkit.cli.common import DebugOption, ForceOption, JsonOption, QuietOption, print_json, say

if TYPE_CHECKING:
    import pandas as pd


def register(atlas_app: typer.Typer) -> None:
    """Add ``import-statistics`` to ``atlas``."""
    atlas_app.command("import-statistics")(import_statistics)


def import_statistics(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of one image set, with sae_mean_acts.pt.")],
    out: Annotated[Path, typer.Option("--out", help="Atlas to write, NAME.atlas.zarr.")],
    classnames: Annotated[
        Path | None, typer.Option(help="Text file, one label a line; default DIR_classnames.txt.")
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Import the statistics that the published code writes; nothing in its files is executed."""
    from cytosae_toolkit.atlas.published import import_statistics as read
    from cytosae_toolkit.atlas.thresholds import count_above

    path = read(folder, out, classnames=classnames, force=force)
    var = _latents(path)
    counts = count_above(var["mean_activation"].to_numpy())
    fired = int((var["frequency"] > 0).sum())
    if json:
        print_json({"atlas": path, "d_sae": len(var), "n_fired": fired, "columns": list(var), "above": counts})
        return
    say(f"{len(var):,} latents in {path}, {fired:,} of them active on at least one image; no images.")
    say("log10 mean activation " + ", ".join(f"> {limit}: {n:,}" for limit, n in counts.items()))


def _latents(path: Path) -> pd.DataFrame:
    import zarr
    from anndata.io import read_elem

    latents: pd.DataFrame = read_elem(zarr.open_group(path, mode="r")["var"])
    return latents
