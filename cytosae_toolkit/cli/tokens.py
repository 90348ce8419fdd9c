"""``tokens``: extract the tokens of images into a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    BackboneOptions,
    DebugOption,
    DeviceOption,
    JsonOption,
    OfflineOption,
    QuietOption,
    note,
    parse_pairs,
    print_json,
    say,
)
from cytosae_toolkit.cli.ranks import refuse_two_splits, together
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.progress import Progress
    from cytosae_toolkit.tokens import Extraction, TokenComputer, TokenIdentity, TokenStore

SHOWN_SKIPPED = 10


def register(app: typer.Typer) -> None:
    """Add ``tokens`` to the program."""
    app.command("tokens")(tokens)


def tokens(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGES", help="A folder, a table, an image or LAYOUT:DIR; one or more."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Token store to make, to add to or to resume.")],
    backbone: Annotated[str, typer.Option(help="Name of the backbone; see 'plugins'.")],
    backbone_option: BackboneOptions = None,
    layer: Annotated[int, typer.Option(help="Block to read, from 0 or from the end.")] = -2,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Compute part I of N, from 0; parts may run at once.")
    ] = "0/1",
    token_dtype: Annotated[str, typer.Option(help="float16 or float32.")] = "float16",  # noqa: S107
    map: Annotated[
        list[str] | None, typer.Option("--map", metavar="NAME=COLUMN", help="Column of a table, path=file.")
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Accept tables that leave their folder.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse unreadable images.")] = False,
    device: DeviceOption = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, tf32 or bfloat16.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that decode images.")] = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Extract the tokens of images into a store that every command reads.

    A store that exists is added to; images that it has already cost nothing. After Ctrl-C or a kill the same
    command goes on.
    """
    part = parse_shard(shard)
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.images.combining import read_image_sets
    from cytosae_toolkit.tokens import TokenStore, extract, extract_together

    with together(device) as ranks:
        refuse_two_splits(ranks, part[1])
        with ranks.in_turn():
            computer = _computer(
                backbone,
                parse_pairs(backbone_option, "-B"),
                out,
                {"layer": layer, "dtype": token_dtype, "precision": precision},
                device=ranks.device,
                offline=offline,
                workers=workers,
            )
        table = read_image_sets(images, map=parse_pairs(map, "--map"), allow_outside=allow_outside, strict=strict)
        progress = progress_for(quiet or not ranks.first)
        _announce(computer.identity, len(table), progress)
        store = TokenStore.open_or_create(out, computer.identity)
        if ranks.size > 1:
            found = extract_together(table, computer, store, ranks, strict=strict, progress=progress)
        else:
            found = extract(table, computer, store, shard=part, strict=strict, progress=progress)
        if ranks.first:
            _finish(found, store, part, json=json)


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``I/N``.

    Raises
    ------
    CytosaeError
        If it is not of this form, or I is not one of 0 … N-1.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise CytosaeError(f"--shard {text!r} is not of the form I/N.", "Shards count from 0: 0/4, 1/4, 2/4, 3/4.")
    return int(match[1]), int(match[2])


def _computer(
    name: str,
    options: dict[str, str],
    out: Path,
    what: dict[str, Any],
    *,
    device: str,
    offline: bool,
    workers: int | None,
) -> TokenComputer:
    """Load the backbone; what can be refused without it is refused before."""
    from cytosae_toolkit.plugins import build_backbone, registry
    from cytosae_toolkit.tokens import TokenComputer, identity_for, refuse_foreign

    refuse_foreign(out)
    part = registry().get("backbone", name)
    parsed = part.parse_options(options)
    loaded = build_backbone(part, parsed, device=device, offline=offline)
    identity = identity_for(
        loaded,
        what["layer"],
        out,
        dtype=what["dtype"],
        precision=what["precision"],
        plugin=part.record(parsed),
        demonstration=bool(getattr(part.spec, "demonstration", False)),
    )
    return TokenComputer(loaded, identity, workers=workers)


def _announce(identity: TokenIdentity, n_images: int, progress: Progress) -> None:
    megabytes = n_images * identity.disk_bytes / 1e6
    progress.message(
        f"{n_images:,} images x {identity.n_tokens} tokens of length {identity.d_model}, "
        f"{megabytes:,.0f} MB in all: {identity.describe()}"
    )
    if identity.demonstration:
        progress.message("This is a demonstration backbone: for trials, not for results.")


def _finish(found: Extraction, store: TokenStore, part: tuple[int, int], *, json: bool) -> None:
    if json:
        print_json({"store": store.path, "identity": store.identity.to_dict(), "shard": part, **vars(found)})
        return
    for item in found.skipped[:SHOWN_SKIPPED]:
        note(f"Skipped {item.path}: {item.reason}")
    if len(found.skipped) > SHOWN_SKIPPED:
        note(f"… and {len(found.skipped) - SHOWN_SKIPPED} more images that cannot be read")
    rate = f" ({found.n_new / found.seconds:.1f} images/s)" if found.n_new and found.seconds else ""
    say(f"{found.n_new:,} images added{rate}, {found.n_reused:,} were there, {len(found.skipped):,} skipped.")
    if found.n_left:
        say(f"{found.n_left:,} images are left to other shards.")
    say(f"Token store: {store.path}")
