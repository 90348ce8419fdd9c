"""``atlas show``: statistics, control card and reference images of latents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    DebugOption,
    ForceOption,
    JsonOption,
    QuietOption,
    latent_number,
    note,
    print_json,
    say,
)

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas, Reference

SHOWN = 12
"""Images per latent in the text."""


def register(atlas_app: typer.Typer) -> None:
    """Add ``show`` to ``atlas``."""
    atlas_app.command("show")(show)


def show(
    atlas: Annotated[Path, typer.Argument(metavar="A", help="Atlas.")],
    latents: Annotated[
        list[str], typer.Argument(metavar="LATENT…", help="Numbers of latents, counted from 0: 12 or #12.")
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Best references of this image set; repeatable.")
    ] = None,
    per_set: Annotated[bool, typer.Option("--per-set", help="Best references of every image set.")] = False,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="top, typical (random from each quartile) or miss (silent there); repeatable."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Images per latent and kind.")] = SHOWN,
    out: Annotated[Path | None, typer.Option("--out", help="Figure: .png, .pdf or .svg; a CSV beside it.")] = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what is known of latents: statistics, control card, reference images and the patches that light up."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.figures.outputs import check_figure_path

    if out is not None:
        check_figure_path(out, force=force)
    opened = open_atlas(atlas)
    numbers = [opened.check_latent(latent_number(text)) for text in latents]
    kinds, sets = kind or ["top"], opened.sets if per_set else [opened.check_set(name) for name in set_ or []]
    files = _draw(opened, numbers, kinds, sets, limit, out) if out is not None else []
    found = [(latent, _references(opened, latent, kinds, sets, limit)) for latent in numbers]
    if json:
        print_json({"latents": [_document(opened, latent, references) for latent, references in found], "files": files})
        return
    for latent, references in found:
        _say_latent(opened, latent, references)
    if files and not quiet:
        note("Wrote " + ", ".join(str(file) for file in files))


def _references(atlas: Atlas, latent: int, kinds: list[str], sets: list[str], limit: int) -> dict[str, list[Reference]]:
    """Return the references of a latent under the heading of their kind and set."""
    from cytosae_toolkit.figures.montage import kinds_and_sets

    return {
        kind if name is None else f"{kind}, {name}": atlas.references(latent, kind=kind, set=name, limit=limit)
        for kind, name in kinds_and_sets(kinds, sets)
    }


def _draw(atlas: Atlas, latents: list[int], kinds: list[str], sets: list[str], limit: int, out: Path) -> list[Path]:
    from cytosae_toolkit.figures.montage import latent_montage, montage_numbers
    from cytosae_toolkit.figures.style import save_figure

    choice: dict[str, Any] = {"kinds": kinds, "sets": sets, "limit": limit}
    figure = latent_montage(atlas, latents, **choice)
    return save_figure(figure, out, montage_numbers(atlas, latents, **choice), dpi=200)


def _document(atlas: Atlas, latent: int, references: dict[str, list[Reference]]) -> dict[str, Any]:
    return {
        "latent": latent,
        **dict(atlas.latents.loc[latent]),
        "references": {
            heading: [vars(reference) | {"file": atlas.file_name(reference.row)} for reference in found]
            for heading, found in references.items()
        },
    }


def _say_latent(atlas: Atlas, latent: int, references: dict[str, list[Reference]]) -> None:
    from cytosae_toolkit.atlas.describing import control_card, flags_of, statistics_of

    row, limits = dict(atlas.latents.loc[latent]), atlas.record.get("flag_limits") or {}
    verdict = f" ({row['verdict']})" if row["verdict"] else ""
    say(f"latent {latent}" + (f": {row['name']}{verdict}" if row["name"] else verdict))
    if row["note"]:
        say(f"  {row['note']}")
    for heading, values in (("", statistics_of(row)), ("control card", control_card(row, limits))):
        if heading and values:
            say(f"  {heading}; flags: {', '.join(flags_of(row)) or 'none'}")
        for name, text in values.items():
            say(f"  {'  ' if heading else ''}{name:<{42 if heading else 44}} {text}")
    for heading, found in references.items():
        if found:
            say(f"  images ({heading}{_own_share(atlas, latent, heading)})")
        for reference in found:
            say(f"    {_line(atlas, reference)}")
    say("")


def _own_share(atlas: Atlas, latent: int, heading: str) -> str:
    """Return what the references of one set are, for the heading ``top, SET``."""
    name = heading.partition(", ")[2]
    known = atlas.statistics_in_set(latent, name) if name else {}
    return f"; {known['label']} {known['n_of_label']} of {known['n_labelled']}" if known.get("label") else ""


def _line(atlas: Atlas, reference: Reference) -> str:
    columns = atlas.grid[1]
    where = f"patch {reference.peak // columns},{reference.peak % columns}" if reference.peak >= 0 else ""
    quartile = "" if reference.quartile is None else f"quartile {reference.quartile + 1}"
    facts = (reference.label, reference.patient and f"patient {reference.patient}", reference.set, where, quartile)
    file = atlas.file_name(reference.row) or reference.id
    return f"{reference.value:<10.4g} {file}  " + "  ".join(fact for fact in facts if fact)
