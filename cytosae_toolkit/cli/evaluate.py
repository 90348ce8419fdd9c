"""``evaluate``: metrics of a trained SAE on images of your choice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cytosae_toolkit.cli.common import (
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


def register(app: typer.Typer) -> None:
    """Add ``evaluate`` to the program."""
    app.command("evaluate")(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    images: Annotated[list[str], typer.Argument(metavar="IMAGES", help="A folder, a table, an image or LAYOUT:DIR.")],
    tokens: Annotated[Path | None, typer.Option(help="Token store; default in the cache.")] = None,
    no_token_store: Annotated[bool, typer.Option("--no-token-store", help="Keep no tokens.")] = False,
    map: Annotated[
        list[str] | None, typer.Option("--map", metavar="NAME=COLUMN", help="Column of a table, path=file.")
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Accept tables that leave their folder.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse unreadable images.")] = False,
    device: DeviceOption = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that decode images.")] = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure a trained SAE on images: FVU, L0, density, dead share, shrinkage, over all tokens and patches."""
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.images.combining import read_image_sets
    from cytosae_toolkit.training import evaluate as measure
    from cytosae_toolkit.training import load_run

    opened = load_run(run)
    table = read_image_sets(images, map=parse_pairs(map, "--map"), allow_outside=allow_outside, strict=strict)
    options = {
        "store": tokens, "no_store": no_token_store, "workers": workers, "strict": strict, "offline": offline,
    }  # fmt: skip
    found = measure(opened, table, device=device, token_options=options, progress=progress_for(quiet))
    if json:
        print_json(found)
        return
    for item in found["skipped"]:
        note(f"Skipped {item['path']}: {item['reason']}")
    _show(found)


def _show(found: dict[str, object]) -> None:
    patches = found["patches"]
    if not isinstance(patches, dict):
        raise TypeError("patches")
    say(f"{found['n_images']} images, {found['n_tokens']} tokens{'':12}all tokens   patches")
    for name, label in (
        ("fvu", "FVU"),
        ("fvu_robust", "FVU, robust"),
        ("pca_fvu_robust", f"FVU of {found['pca_components']} components, robust"),
        ("l0", "L0"),
        ("l0_share", "L0 as share of latents"),
        ("dead_share_set", "never fired on these images"),
        ("shrinkage", "shrinkage"),
    ):
        say(f"{label:40}{found[name]:12.4f}{patches[name]:12.4f}")
    histogram = found["density_histogram"]
    if isinstance(histogram, dict):
        say("latents by density (share of tokens, from the value up): " + _listed(histogram))


def _listed(histogram: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in histogram.items())
