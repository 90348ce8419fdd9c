"""``atlas review``: a blinded form for an expert, and what its answers say."""

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
    print_json,
    say,
)
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.review_result import Intruders, Judged, ReviewResult


def register(app: typer.Typer) -> None:
    """Add ``review`` to the group ``atlas``."""
    app.command("review")(review)


def review(
    atlas: Annotated[Path, typer.Argument(metavar="A", help="Atlas.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="A new folder for the form and its key.")] = None,
    clusters: Annotated[int, typer.Option(min=1, help="Clusters of latents (paper: 10).")] = 10,
    per_cluster: Annotated[int, typer.Option(min=1, help="Latents drawn from each (paper: 5).")] = 5,
    min_log10_mean: Annotated[float, typer.Option(help="log10 of mean activation to exceed.")] = -3.0,
    seed: Annotated[int, typer.Option(min=0, help="Of drawing and order.")] = 0,
    decoys: Annotated[
        int | None, typer.Option(min=0, help="Latents of an untrained SAE to mix in; default: as many as latents.")
    ] = None,
    intruder: Annotated[bool, typer.Option("--intruder", help="Begin with intruder tests.")] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="Draw flagged latents too.")] = False,
    take: Annotated[Path | None, typer.Option("--import", metavar="ANSWERS.csv", help="Answers to read.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="KEY.json", help="The key of the form that they answer.")] = None,
    annotate: Annotated[bool, typer.Option("--annotate", help="Write the answers as names and verdicts.")] = False,
    author: Annotated[str | None, typer.Option(help="Of what --annotate writes; default: the reviewer.")] = None,
    device: DeviceOption = "auto",
    offline: OfflineOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a blinded HTML form for an expert (--out), or read its answers (--import with --key)."""
    if (out is None) == (take is None):
        raise CytosaeError("Either a form is made or answers are read.", "Give --out DIR, or --import with --key.")
    if take is not None:
        _read(atlas, take, key, annotate, author, json)
        return
    if key is not None or annotate or author is not None:
        raise CytosaeError("--key, --annotate and --author belong to --import.", "Leave them out.")
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.atlas.review import check_out, make_review
    from cytosae_toolkit.atlas.review_choice import choose_latents
    from cytosae_toolkit.atlas.review_decoys import untrained_decoys
    from cytosae_toolkit.cli.progress import progress_for

    if out is None:
        raise TypeError("out")
    check_out(out, force=force)
    opened, progress = open_atlas(atlas), progress_for(quiet)
    options: dict[str, Any] = {
        "clusters": clusters, "per_cluster": per_cluster, "min_log10_mean": min_log10_mean, "seed": seed,
        "hidden": hidden,
    }  # fmt: skip
    n_decoys = len(choose_latents(opened.latents, **options)) if decoys is None else decoys
    mixed_in = untrained_decoys(opened, n_decoys, seed, device=device, offline=offline, progress=progress)
    made = make_review(opened, out, **options, decoys=mixed_in, intruder=intruder, force=force, progress=progress)
    if json:
        print_json(made)
        return
    say(f"{made.n_latents} latents, {made.n_decoys} decoys, {made.n_intruders} intruder tests.")
    say(f"Send only the form: {made.form}")
    say(f"Keep the key apart: {made.key}")
    note(f"When the answers are back: atlas review {atlas} --import ANSWERS.csv --key {made.key}")


def _read(atlas: Path, answers: Path, key: Path | None, annotate: bool, author: str | None, json: bool) -> None:
    if key is None:
        raise CytosaeError("Answers are read with the key of their form.", "Give --key KEY.json.")
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.atlas.review_result import read_review

    opened = open_atlas(atlas)
    result = read_review(answers, key)
    result.check_sae(opened.record["sae_fingerprint"])
    written = result.annotate(opened.annotations, author) if annotate else []
    if json:
        print_json(result.to_dict())
        return
    _show(result)
    if annotate:
        say(f"{len(written)} latents annotated; undo with: atlas name {atlas} --undo")


def _show(result: ReviewResult) -> None:
    say(f"Form {result.form}, answered by {result.reviewer or 'somebody without a name'}")
    say(_judged("latents", result.latents))
    say(_judged("decoys", result.decoys))
    if result.latents.answered and result.decoys.answered:
        say(
            f"difference {result.difference:+.1%} (95 % {result.difference_low:+.1%} to {result.difference_high:+.1%}, "
            f"Newcombe), Fisher's exact p = {result.fisher_p:.2g}"
        )
    for name, found in (("latents", result.intruders), ("decoys", result.decoy_intruders)):
        if found.n:
            say(_intruders(name, found))
    if result.unanswered:
        note(f"{result.unanswered} items were not answered and count nowhere.")


def _judged(name: str, judged: Judged) -> str:
    counts = f"{judged.yes} yes, {judged.artefact} artefact, {judged.no} no, {judged.unsure} unsure"
    if not judged.answered:
        return f"{name}: {judged.n}, none answered"
    interval = f"(95 % {judged.low:.1%} to {judged.high:.1%})"
    return f"{name}: meaningful {judged.share:.1%} {interval} of {judged.answered}: {counts}"


def _intruders(name: str, found: Intruders) -> str:
    n = found.n - found.unanswered
    if not n:
        return f"intruder tests of {name}: {found.n}, none answered"
    return (
        f"intruder found among {name}: {found.accuracy:.1%} (95 % {found.low:.1%} to {found.high:.1%}) of {n}, "
        f"by chance {found.chance:.1%}"
    )
