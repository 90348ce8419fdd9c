"""``atlas figure``: all latents of one or several atlases in one figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytosae_toolkit.cli.common import DebugOption, ForceOption, JsonOption, QuietOption, note, print_json, say


def register(atlas_app: typer.Typer) -> None:
    """Add ``figure`` to ``atlas``."""
    atlas_app.command("figure")(figure)


def figure(
    atlases: Annotated[list[Path], typer.Argument(metavar="A…", help="Atlases.")],
    out: Annotated[Path, typer.Option("--out", help="Figure to write: .png, .pdf or .svg; a CSV beside it.")],
    title: Annotated[
        list[str] | None, typer.Option("--title", help="Name of an atlas in the figure; as often as there are atlases.")
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw frequency against mean activation, coloured by label entropy, with histograms and counts over thresholds."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.atlas.thresholds import count_above
    from cytosae_toolkit.figures.latent_scatter import latent_scatter, scatter_numbers
    from cytosae_toolkit.figures.outputs import check_figure_path
    from cytosae_toolkit.figures.style import save_figure

    check_figure_path(out, force=force)
    titles = _titles(atlases, title)
    panels = [(name, open_atlas(path).latents) for name, path in zip(titles, atlases, strict=True)]
    files = save_figure(latent_scatter(panels), out, scatter_numbers(panels), dpi=300)
    counts = {name: count_above(latents["mean_activation"].to_numpy()) for name, latents in panels}
    if json:
        print_json({"files": files, "above": counts})
        return
    for name, above in counts.items():
        say(f"{name}: log10 mean activation " + ", ".join(f"> {limit}: {n:,}" for limit, n in above.items()))
    if not quiet:
        note("Wrote " + ", ".join(str(file) for file in files))


def _titles(atlases: list[Path], given: list[str] | None) -> list[str]:
    from cytosae_toolkit.errors import CytosaeError

    titles = given or [path.name.removesuffix(".zip").removesuffix(".zarr").removesuffix(".atlas") for path in atlases]
    if len(titles) != len(atlases):
        raise CytosaeError(
            f"There are {len(atlases)} atlases and {len(titles)} titles.", "Give --title once for each atlas."
        )
    if len(set(titles)) < len(titles):
        raise CytosaeError("Two atlases have the same name in the figure.", "Tell them apart with --title.")
    return titles
