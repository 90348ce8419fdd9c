"""``compare``: two groups of patients, latent by latent; a blinded form about them, and what its answers say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    DebugOption,
    ForceOption,
    JsonOption,
    QuietOption,
    note,
    print_json,
    say,
    warn,
)
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.cohort.comparison import Comparison
    from cytosae_toolkit.cohort.comparison_answers import ComparisonAnswers, Recognition
    from cytosae_toolkit.cohort.comparison_review import ComparisonReview
    from cytosae_toolkit.progress import Progress

SHOWN = 10
"""Latents printed each way."""


def register(app: typer.Typer) -> None:
    """Add ``compare`` to the program."""
    app.command("compare")(compare)


def compare(
    barcodes: Annotated[Path, typer.Argument(metavar="B", help="Barcodes, NAME.h5ad.")],
    group_a: Annotated[str, typer.Argument(help="A disease; several joined by +; or rest, all others.")],
    group_b: Annotated[str, typer.Argument(help="The group it is compared with.")],
    column: Annotated[str, typer.Option(help="Column of the patients whose values are the groups.")] = "disease",
    atlas: Annotated[
        Path | None, typer.Option(metavar="A", help="Atlas of the barcodes, for reference images of each group.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only these patients, as set=lab_a; repeatable.")
    ] = None,
    rank: Annotated[
        str, typer.Option(help="effect: rank-biserial correlation over patients; difference: of barcodes (paper).")
    ] = "effect",
    top: Annotated[int, typer.Option(min=1, help="Latents listed each way (paper: 50).")] = 50,
    q: Annotated[float, typer.Option(help="False discovery rate.")] = 0.05,
    bootstraps: Annotated[int, typer.Option(min=0, help="Resamples of patients for intervals; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples and the order of the form.")] = 0,
    min_mean: Annotated[float, typer.Option(help="Mean barcode over all patients that a latent must exceed.")] = 0.0,
    min_share: Annotated[float, typer.Option(help="Share of all patients in which a latent must occur.")] = 0.05,
    despite_confounding: Annotated[
        bool, typer.Option("--despite-confounding", help="Give p-values although no image set holds both groups.")
    ] = False,
    review: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new folder for a blinded form about the top latents (--atlas)."),
    ] = None,
    take: Annotated[Path | None, typer.Option("--import", metavar="ANSWERS.csv", help="Answers to read.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="KEY.json", help="The key of the form that they answer.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="A new folder for tables and figures.")] = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Compare two groups of patients latent by latent: barcodes, tests, effect sizes, reference images."""
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.cohort.cohort import open_cohort
    from cytosae_toolkit.cohort.comparing import CompareOptions
    from cytosae_toolkit.cohort.comparing import compare as compare_groups
    from cytosae_toolkit.cohort.selecting import select

    _check_together(take, key, review, atlas, out)
    _check_outputs(out, review, force)
    cohort = select(open_cohort(barcodes), where or [])
    if take is not None and key is not None:
        _read(take, key, (group_a, group_b), cohort.record.get("sae_fingerprint"), json)
        return
    options = CompareOptions(column, rank, top, q, bootstraps, seed, min_mean, min_share, despite_confounding)
    progress = progress_for(quiet)
    found = compare_groups(cohort, group_a, group_b, options, progress=progress)
    _show_caveats(found)
    made, files = _with_atlas(found, atlas, review, out, seed, force, progress)
    if json:
        print_json(found.to_dict() | {"review": made, "files": files})
        return
    _show(found)
    for file in files:
        say(f"wrote {file}")
    if made is not None:
        _show_review(made, barcodes, found)


def _check_together(
    take: Path | None, key: Path | None, review: Path | None, atlas: Path | None, out: Path | None
) -> None:
    if take is not None and key is None:
        raise CytosaeError("Answers are read with the key of their form.", "Give --key KEY.json.")
    if key is not None and take is None:
        raise CytosaeError("--key belongs to --import.", "Give --import ANSWERS.csv, or leave it out.")
    if take is not None and (review is not None or out is not None):
        raise CytosaeError("Answers are read, or a comparison is made.", "Leave out --import, or --review and --out.")
    if review is not None and atlas is None:
        raise CytosaeError("A form shows images.", "Name the atlas that the barcodes were made from with --atlas.")


def _check_outputs(out: Path | None, review: Path | None, force: bool) -> None:
    from cytosae_toolkit.atlas.review import check_out
    from cytosae_toolkit.cohort.comparison_writing import check_comparison_folder

    if out is not None:
        check_comparison_folder(out, force=force)
    if review is not None:
        check_out(review, force=force)


def _with_atlas(
    found: Comparison,
    atlas: Path | None,
    review: Path | None,
    out: Path | None,
    seed: int,
    force: bool,
    progress: Progress,
) -> tuple[ComparisonReview | None, list[Path]]:
    """Make the form, if it is asked for, and write the folder, with references if there is an atlas."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.cohort.comparison_references import check_atlas, comparison_references
    from cytosae_toolkit.cohort.comparison_review import make_comparison_review
    from cytosae_toolkit.cohort.comparison_writing import write_comparison

    opened = None if atlas is None else open_atlas(atlas)
    if opened is not None:
        check_atlas(found, opened)
    made = None
    if opened is not None and review is not None:
        made = make_comparison_review(found, opened, review, seed=seed, force=force, progress=progress)
    if out is None:
        return made, []
    references = None if opened is None else comparison_references(found, opened, progress=progress)
    if references is not None and references.problem:
        warn(f"Some heat maps show the strongest patch alone, since they could not be computed: {references.problem}")
    return made, write_comparison(found, out, atlas=opened, references=references, force=force)


def _show_caveats(found: Comparison) -> None:
    for caveat in found.caveats:
        warn(caveat)
    if found.sets.coincides or found.sets.associated:
        note(found.sets.counts.to_string())


def _show(found: Comparison) -> None:
    say(f"{found.a.name}: {len(found.a)} patients; {found.b.name}: {len(found.b)} patients")
    say(_tested(found))
    say(_tests(found))
    for group in (found.a, found.b):
        best = found.top(group, min(SHOWN, found.options.top))
        say(f"\nhigher in {group.name} (first {len(best)} of {len(found.top(group))} listed)")
        if len(best):
            say(_lines(best).to_string(index=False))


def _tested(found: Comparison) -> str:
    t = found.tested
    return (
        f"{len(t.columns):,} of {t.n_latents:,} latents tested, chosen without the groups; left out: {t.n_silent:,} "
        f"silent, {t.n_rare:,} in fewer than {t.min_patients} patients, {t.n_weak:,} with a mean of at most "
        f"{t.min_mean:g}, {t.n_constant:,} constant"
    )


def _tests(found: Comparison) -> str:
    if found.power is None:
        return "no p-values: group and image set coincide (--despite-confounding gives them all the same)"
    n, exact = len(found.table), int(found.table["exact"].sum())
    return (
        f"{found.n_discoveries:,} discoveries at q ≤ {found.options.q:g} (Mann-Whitney, p exact for {exact:,}, by "
        f"normal approximation for {n - exact:,}; Benjamini-Hochberg); smallest p that these group sizes can reach "
        f"{found.power.smallest_p:.2g}, needed by one latent alone {found.power.alone:.2g}"
    )


def _lines(best: pd.DataFrame) -> pd.DataFrame:
    """Return the latents as they are printed."""
    from cytosae_toolkit.atlas.describing import flags_of

    def column(name: str, text: str) -> list[str]:
        return [text.format(value) for value in best[name]]

    limits = zip(best["difference_low"], best["difference_high"], strict=True)
    intervals = ["" if low != low else f"{low:+.3g} to {high:+.3g}" for low, high in limits]
    lines: dict[str, Any] = {name: best[name] for name in ("rank", "latent") if name in best}
    lines |= {
        "mean a": column("mean_a", "{:.3g}"), "mean b": column("mean_b", "{:.3g}"),
        "difference": column("difference", "{:+.3g}"), "95 %": intervals,
        "r": column("rank_biserial", "{:+.2f}"),
    }  # fmt: skip
    if "q" in best:
        lines |= {"p": column("p", "{:.2g}"), "q": column("q", "{:.2g}")}
    lines["flags"] = [",".join(flags_of(dict(row))) for _, row in best.iterrows()]
    if "name" in best:
        lines["name"] = best["name"]
    return _without_empty(lines)


def _without_empty(lines: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(lines)
    return table.loc[:, [bool((table[name].astype(str) != "").any()) for name in table]]


def _show_review(made: ComparisonReview, barcodes: Path, found: Comparison) -> None:
    say(
        f"{made.n_a + made.n_b} latents in the form, {made.n_a} higher in {found.a.name}, {made.n_b} in {found.b.name}."
    )
    say(f"Send only the form: {made.form}")
    say(f"Keep the key apart: {made.key}")
    if made.problem:
        warn(f"Some heat maps show the strongest patch alone, since they could not be computed: {made.problem}")
    note(
        f"When the answers are back: compare {barcodes} '{found.a.name}' '{found.b.name}' --import ANSWERS.csv "
        f"--key {made.key}"
    )


def _read(answers: Path, key: Path, groups: tuple[str, str], fingerprint: str | None, json: bool) -> None:
    from cytosae_toolkit.cohort.comparison_answers import read_comparison_review

    result = read_comparison_review(answers, key)
    result.check(groups, fingerprint)
    if json:
        print_json(result.to_dict())
        return
    _show_answers(result)


def _show_answers(result: ComparisonAnswers) -> None:
    say(f"Form {result.form}, answered by {result.reviewer or 'somebody without a name'}")
    for found in result.tops:
        say(_recognised(found, result.groups))
    say("(paper: 5 of the top 10 and 32 of the top 50 recognised)")
    unanswered = int((result.items["verdict"] == "").sum())
    if unanswered:
        note(f"{unanswered} items were not answered and count nowhere.")


def _recognised(found: Recognition, groups: dict[str, str]) -> str:
    where = "each way" if found.direction == "both" else f"higher in {groups[found.direction]}"
    head = f"top {found.top} {where}: "
    if not found.answered:
        return head + f"{found.n}, none answered"
    text = (
        f"{found.recognised} of {found.answered} recognised = {found.share:.0%} (95 % {found.low:.0%} to "
        f"{found.high:.0%}), {found.artefact} artefacts"
    )
    if not found.assigned:
        return head + text
    tail = f" (chance 50 %, binomial p = {found.p:.2g})" if found.direction == "both" else ""
    return f"{head}{text}; {found.right} of {found.assigned} assigned to the right group{tail}"
