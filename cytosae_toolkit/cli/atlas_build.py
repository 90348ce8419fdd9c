"""``atlas build``, ``atlas add``, ``atlas merge``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    DebugOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    OfflineOption,
    QuietOption,
    note,
    parse_pairs,
    print_json,
    say,
    warn,
)
from cytosae_toolkit.cli.ranks import refuse_two_splits, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from cytosae_toolkit.atlas.building import Work
    from cytosae_toolkit.atlas.part import Part
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.distributed import Ranks
    from cytosae_toolkit.images import ImageTable

KEPT = (0.01, 0.90)
"""Share of activations that τ should keep; outside, the counts say little."""

Images = Annotated[list[str], typer.Argument(metavar="IMAGES…", help="Folders, tables, single images or LAYOUT:DIR.")]
SetOption = Annotated[
    str | None, typer.Option("--set", help="Name of the image set; default: column dataset, else the source.")
]
TokensOption = Annotated[Path | None, typer.Option(help="Token store; default: the run's own, else in the cache.")]
NoStoreOption = Annotated[bool, typer.Option("--no-token-store", help="Keep no tokens.")]
MapOption = Annotated[
    list[str] | None, typer.Option("--map", metavar="NAME=COLUMN", help="Column of a table, path=file.")
]
OutsideOption = Annotated[bool, typer.Option("--allow-outside", help="Accept tables that leave their folder.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Refuse unreadable images.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Threads that decode images.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with a build that was stopped.")]


def register(atlas_app: typer.Typer) -> None:
    """Add the commands to ``atlas``."""
    atlas_app.command("build")(build)
    atlas_app.command("add")(add)
    atlas_app.command("merge")(merge)


def build(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    images: Images,
    out: Annotated[Path, typer.Option("--out", help="Atlas to write, NAME.atlas.zarr; with --shard a folder.")],
    top: Annotated[int, typer.Option(min=1, help="Reference images per latent and image set.")] = 10,
    threshold: Annotated[float | None, typer.Option(min=0, help="τ of the counts (Eq. 2); default 0.2.")] = None,
    aggregator: Annotated[str, typer.Option(help="From patches to the values in X.")] = "count",
    aggregator_options: Annotated[
        list[str] | None, typer.Option("-A", metavar="KEY=VALUE", help="An option of the aggregator; repeatable.")
    ] = None,
    set_name: SetOption = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Build only shard I of N, counted from 0; see `atlas merge`.")
    ] = None,
    tokens: TokensOption = None,
    no_token_store: NoStoreOption = False,
    map: MapOption = None,
    allow_outside: OutsideOption = False,
    strict: StrictOption = False,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    resume: ResumeOption = False,
    force: ForceOption = False,
    offline: OfflineOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Build the atlas of an SAE over an image set: statistics, reference images, heat maps, counts."""
    from cytosae_toolkit.atlas.building import build_atlas, build_shard
    from cytosae_toolkit.cli.tokens import parse_shard
    from cytosae_toolkit.cli.train import stop_on_signal
    from cytosae_toolkit.training import load_run

    part = None if shard is None else parse_shard(shard)
    options: dict[str, Any] = dict(parse_pairs(aggregator_options, "-A"))
    if threshold is not None:
        options["threshold"] = threshold
    rules: dict[str, Any] = {
        "top": top, "aggregator": aggregator, "aggregator_options": options, "set_name": set_name,
        "resume": resume, "force": force,
    }  # fmt: skip
    with together(device) as ranks, stop_on_signal(aloud=ranks.first) as stop:
        refuse_two_splits(ranks, 1 if part is None else part[1])
        opened = load_run(run)
        table = _read(images, map, allow_outside, strict)
        work = _work(ranks.device, workers, offline, tokens, no_token_store, strict, quiet, stop, ranks)
        if part is not None:
            _say_part(build_shard(opened, table, out, part, work=work, **rules), table, json=json)
            return
        built = build_atlas(opened, table, out, work=work, **rules)
        if ranks.first:
            _say_built(built, table, json=json)


def add(
    atlas: Annotated[Path, typer.Argument(metavar="A", help="Atlas.")],
    images: Images,
    set_name: SetOption = None,
    tokens: TokensOption = None,
    no_token_store: NoStoreOption = False,
    map: MapOption = None,
    allow_outside: OutsideOption = False,
    strict: StrictOption = False,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    resume: ResumeOption = False,
    force: Annotated[bool, typer.Option("--force", help="Begin again what was stopped.")] = False,
    offline: OfflineOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Put another image set beside those in an atlas: statistics and references per set and over all."""
    from cytosae_toolkit.atlas.building import add_images
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.cli.train import stop_on_signal

    opened = open_atlas(atlas)
    table = _read(images, map, allow_outside, strict)
    with stop_on_signal() as stop:
        work = _work(device, workers, offline, tokens, no_token_store, strict, quiet, stop)
        grown = add_images(opened, table, set_name=set_name, resume=resume, force=force, work=work)
    _say_built(grown, table, json=json)


def merge(
    parts: Annotated[list[Path], typer.Argument(metavar="PART…", help="Folders made by `atlas build --shard I/N`.")],
    out: Annotated[Path, typer.Option("--out", help="Atlas to write, NAME.atlas.zarr.")],
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Join the shards of one build; the result equals the unsharded build, bit for bit."""
    from cytosae_toolkit.atlas.building import merge_parts
    from cytosae_toolkit.cli.progress import progress_for

    _say_built(merge_parts(parts, out, force=force, progress=progress_for(quiet)), None, json=json)


def _read(images: list[str], map: list[str] | None, allow_outside: bool, strict: bool) -> ImageTable:
    from cytosae_toolkit.images.combining import read_image_sets

    return read_image_sets(images, map=parse_pairs(map, "--map"), allow_outside=allow_outside, strict=strict)


def _work(
    device: str,
    workers: int | None,
    offline: bool,
    tokens: Path | None,
    no_token_store: bool,
    strict: bool,
    quiet: bool,
    stop: Callable[[], bool],
    ranks: Ranks | None = None,
) -> Work:
    from cytosae_toolkit.atlas.building import Work
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.distributed import ALONE

    options = {"store": tokens, "no_store": no_token_store, "strict": strict}
    ranks = ranks or ALONE
    return Work(device, workers, offline, options, progress_for(quiet or not ranks.first), stop, ranks)


def _say_part(part: Part, table: ImageTable, *, json: bool) -> None:
    index, count = part.shard
    skipped = [*({"path": item.path, "reason": item.reason} for item in table.skipped), *part.skipped]
    if json:
        print_json({"part": part.path, "shard": [index, count], "complete": part.complete, "skipped": skipped})
        return
    _note_skipped(skipped)
    say(f"Shard {index} of {count} is complete: {part.path}")


def _say_built(atlas: Atlas, table: ImageTable | None, *, json: bool) -> None:
    from cytosae_toolkit.cli.atlas_info import describe, lines

    skipped = [] if table is None else [{"path": item.path, "reason": item.reason} for item in table.skipped]
    skipped += atlas.record["skipped"]
    found = describe(atlas)
    if json:
        print_json(found | {"skipped": skipped})
        return
    _note_skipped(skipped)
    for line in lines(found):
        say(line)
    warn_of(atlas)


def _note_skipped(skipped: list[dict[str, str]]) -> None:
    for item in skipped:
        note(f"Skipped {item['path']}: {item['reason']}")


def warn_of(atlas: Atlas) -> None:
    """Warn of a τ that keeps nearly nothing or nearly everything, and of image sets unlike the training images."""
    share = atlas.record.get("kept_share")
    if share is not None and not KEPT[0] <= share <= KEPT[1]:
        warn(
            f"τ = {atlas.record['threshold']:g} keeps {100 * share:.2g} % of the activations: counts say little. "
            "Choose another --threshold."
        )
    for entry in atlas.record["sets"]:
        if entry.get("unlike"):
            warn(
                f"{100 * entry['unlike_share']:.0f} % of the images of {entry['name']} are unlike those that the SAE "
                "was trained on; their latents may mean something else."
            )
