"""``atlas show``: statistics, control card and reference images of latents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import DebugOption, ForceOption, JsonOption, QuietOption, note, print_json, say

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas, Reference

SHOWN = 12
"""Images per latent in the text."""


def register(atlas_app: typer.Typer) -> None:
    """Add ``show`` to ``atlas``."""
    atlas_app.command("show")(show)


def show(
    atlas: Annotated[Path, typer.Argument(metavar="A", help="Atlas.")],
    latents: Annotated[list[str], typer.Argument(metavar="LATENT…", help="Numbers of latents, from 0; #12 is 12.")],
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
    numbers = [opened.check_latent(_number(text)) for text in latents]
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


def _number(text: str) -> int:
    from cytosae_toolkit.errors import CytosaeError

    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit()):
        raise CytosaeError(f"{text!r} is not the number of a latent.", "Find latents with: atlas search A QUERY.")
    return int(digits)


def _references(atlas: Atlas, latent: int, kinds: list[str], sets: list[str], limit: int) -> dict[str, list[Reference]]:
    """Return the references of a latent under the heading of their kind and set."""
    from cytosae_toolkit.figures.montage import kinds_and_sets

    return {
        kind if name is None else f"{kind}, {name}": atlas.references(latent, kind=kind, set=name)[:limit]
        for kind, name in kinds_and_sets(kinds, sets)
    }


def _draw(atlas: Atlas, latents: list[int], kinds: list[str], sets: list[str], limit: int, out: Path) -> list[Path]:
    from cytosae_toolkit.figures.montage import latent_montage, montage_numbers
    from cytosae_toolkit.figures.style import save_figure

    choice: dict[str, Any] = {"kinds": kinds, "sets": sets, "limit": limit}
    figure = latent_montage(atlas, latents, **choice)
    return save_figure(figure, out, montage_numbers(atlas, latents, **choice), dpi=200)


def _document(atlas: Atlas, latent: int, references: dict[str, list[Reference]]) -> dict[str, Any]:
    return {"latent": latent, **dict(atlas.latents.loc[latent]), "references": references}


def _say_latent(atlas: Atlas, latent: int, references: dict[str, list[Reference]]) -> None:
    from cytosae_toolkit.atlas.describing import control_card, flags_of, statistics_of

    row = dict(atlas.latents.loc[latent])
    verdict = f" ({row['verdict']})" if row["verdict"] else ""
    say(f"latent {latent}" + (f": {row['name']}{verdict}" if row["name"] else verdict))
    if row["note"]:
        say(f"  {row['note']}")
    for heading, values in (("", statistics_of(row)), ("control card", control_card(row))):
        if heading and values:
            say(f"  {heading}; flags: {', '.join(flags_of(row)) or 'none'}")
        for name, text in values.items():
            say(f"  {'  ' if heading else ''}{name:<{42 if heading else 44}} {text}")
    for heading, found in references.items():
        if found:
            say(f"  images ({heading})")
        for reference in found:
            say(f"    {_line(atlas, reference)}")
    say("")


def _line(atlas: Atlas, reference: Reference) -> str:
    columns = atlas.grid[1]
    where = f"patch {reference.peak // columns},{reference.peak % columns}" if reference.peak >= 0 else ""
    quartile = "" if reference.quartile is None else f"quartile {reference.quartile + 1}"
    facts = (reference.label, reference.patient and f"patient {reference.patient}", reference.set, where, quartile)
    return f"{reference.value:<10.4g} {reference.id}  " + "  ".join(fact for fact in facts if fact)
