"""``atlas name`` and ``atlas names``: what experts say about latents, and its exchange as CSV."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytosae_toolkit.cli.common import DebugOption, ForceOption, JsonOption, print_json, say, stdout_console, warn
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.names import Annotation, Annotations
    from cytosae_toolkit.atlas.reading import Atlas

AtlasArgument = Annotated[Path, typer.Argument(metavar="A", help="Atlas.")]


def register(app: typer.Typer) -> None:
    """Add ``name`` and ``names`` to the group ``atlas``."""
    app.command("name")(name)
    app.command("names")(names)


def name(
    atlas: AtlasArgument,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="LATENT [NAME]", help="A latent, or several: 12,40,77; then what it is, in quotes."),
    ] = None,
    note: Annotated[str | None, typer.Option(help="Anything worth knowing.")] = None,
    verdict: Annotated[str | None, typer.Option(help="concept, artefact, mixed or unclear.")] = None,
    author: Annotated[str | None, typer.Option(help="Default: CYTOSAE_AUTHOR, else your login.")] = None,
    query: Annotated[str | None, typer.Option(help="Name all latents that a search finds, instead of LATENT.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take name, note and verdict away.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last change back.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what a latent, or several, stand for. What is not given stays as it was; nothing is ever lost."""
    from cytosae_toolkit.atlas.reading import open_atlas

    opened = open_atlas(atlas)
    if undo:
        if words or query is not None or clear or note or verdict:
            raise CytosaeError("--undo takes the last change back and needs nothing else.", "Give it alone.")
        _report(opened.annotations.undo(), json)
        return
    latents, text = _latents_and_name(opened, list(words or []), query)
    if clear:
        if text is not None or note is not None or verdict is not None:
            raise CytosaeError("--clear takes name, note and verdict away.", "Give no other with it.")
        _report(opened.annotations.clear(latents, author=author), json)
        return
    _report(opened.annotations.add(latents, text, note=note, verdict=verdict, author=author), json)


def _latents_and_name(atlas: Atlas, words: list[str], query: str | None) -> tuple[list[int], str | None]:
    if query is None:
        if not words:
            raise CytosaeError("No latent is given.", "Write: atlas name A LATENT NAME, or --query QUERY.")
        latents = _parse_latents(words.pop(0))
    else:
        latents = [int(latent) for latent in atlas.search(query, limit=None).index]
        if not latents:
            raise CytosaeError(f"The search {query!r} finds no latent.", "Try it with: atlas search A QUERY.")
    if len(words) > 1 and query is None and words[0].removeprefix("#").isdecimal():
        numbers = [str(latents[0]), *takewhile(str.isdecimal, (word.removeprefix("#") for word in words))]
        raise CytosaeError(
            "Several latents are written with commas and without spaces.",
            f"Write: atlas name A {','.join(numbers)} NAME.",
        )
    if len(words) > 1:
        raise CytosaeError(f"{' '.join(words)!r} is more than one word.", "Put the name in quotes.")
    return latents, words[0] if words else None


def _parse_latents(text: str) -> list[int]:
    parts = [part.strip().removeprefix("#") for part in text.split(",")]
    wrong = [part for part in parts if not (part.isascii() and part.isdecimal())]
    if wrong:
        raise CytosaeError(f"{wrong[0]!r} is no latent.", "Write a number, or several: 12,40,77.")
    return [int(part) for part in parts]


def _report(changed: list[Annotation], json: bool) -> None:
    if json:
        print_json(changed)
        return
    for annotation in changed[:20]:
        said = "nothing is said any more" if annotation.empty else _said(annotation)
        say(f"latent {annotation.latent}: {said}")
    if len(changed) > 20:
        say(f"… and {len(changed) - 20} more")


def _said(annotation: Annotation) -> str:
    texts = (
        annotation.name,
        annotation.verdict and f"({annotation.verdict})",
        annotation.note and f"- {annotation.note}",
    )
    return f"{' '.join(filter(None, texts))}  [{annotation.author}]"


def names(
    atlas: AtlasArgument,
    export: Annotated[Path | None, typer.Option("--export", metavar="FILE.csv", help="Write them as CSV.")] = None,
    take: Annotated[
        Path | None, typer.Option("--import", metavar="FILE.csv", help="Take them over from a CSV, all or none.")
    ] = None,
    author: Annotated[str | None, typer.Option(help="Of what is imported, whatever the file says.")] = None,
    force: ForceOption = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the names, notes and verdicts of an atlas, or exchange them as CSV."""
    from cytosae_toolkit.atlas.reading import open_atlas

    annotations = open_atlas(atlas).annotations
    for problem in annotations.problems:
        warn(problem)
    if export is not None and take is not None:
        raise CytosaeError("--export and --import exclude each other.", "Give one of them.")
    if export is not None:
        _export(annotations, export, force, json)
    elif take is not None:
        report = annotations.import_csv(take, author)
        if json:
            print_json(report)
            return
        say(
            f"{report.n_rows} rows: {report.n_added} new, {report.n_changed} changed, {report.n_cleared} cleared, "
            f"{report.n_unchanged} as before."
        )
    else:
        _list(annotations, json)


def _export(annotations: Annotations, path: Path, force: bool, json: bool) -> None:
    if path.exists() and not force:
        raise CytosaeError(f"{path} exists.", "Choose another file, or replace it with --force.")
    if not path.parent.is_dir():
        raise CytosaeError(f"The folder {path.parent} does not exist.", "Create it first.")
    n = annotations.export_csv(path)
    if json:
        print_json({"path": path, "n_rows": n})
        return
    say(f"{n} latents written to {path}.")


def _list(annotations: Annotations, json: bool) -> None:
    current = list(annotations.current().values())
    if json:
        print_json(current)
        return
    if not current:
        say('No latent has a name yet. Give one: atlas name A LATENT "a name".')
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("latent", "name", "verdict", "note", "author", "time"):
        table.add_column(column, overflow="fold")
    for a in current:
        table.add_row(str(a.latent), a.name, a.verdict, a.note, a.author, a.time)
    stdout_console().print(table)
