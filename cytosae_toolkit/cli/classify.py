"""``classify``: patients by their barcodes, beside what barcodes must beat."""

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
    stdout_console,
)
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.classification import Classification
    from cytosae_toolkit.cohort.classification_tables import FeatureScores, Sweep
    from cytosae_toolkit.cohort.left_out_sets import LeftOutSet

TOP_LATENTS = 3


def register(app: typer.Typer) -> None:
    """Add ``classify`` to the program."""
    app.command("classify")(classify)


def classify(
    barcodes: Annotated[Path, typer.Argument(metavar="B", help="Barcodes, as 'barcodes' writes them.")],
    atlas: Annotated[
        Path | None, typer.Option(metavar="A", help="Atlas that they were made from: shows each patient's cells.")
    ] = None,
    target: Annotated[str, typer.Option(help="Column of the patients to predict.")] = "disease",
    where: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only these patients, as set=lab_a; repeatable.")
    ] = None,
    min_log10_mean: Annotated[
        float, typer.Option(help="log10 of mean activation that a latent must exceed; -inf keeps all.")
    ] = -3.0,
    sweep: Annotated[bool, typer.Option("--sweep", help="Scores over thresholds, with a nested choice.")] = False,
    thresholds: Annotated[
        str | None, typer.Option(metavar="T,…", help="Of --sweep; default -6 to 0 in steps of 0.5.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Of whole patients, stratified.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Of the cross-validation, in other folds.")] = 3,
    permutations: Annotated[int, typer.Option(min=0, help="Of labels, for p; 0: none.")] = 200,
    bootstraps: Annotated[int, typer.Option(min=0, help="Of patients, for intervals; 0: none.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, permutations and bootstraps.")] = 0,
    features: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="barcode, colour, colour-sd, set, cell-classes, mean-patch, cls."),
    ] = None,
    scale: Annotated[str, typer.Option(help="Of barcodes: common, standardised or raw (published).")] = "common",
    strength: Annotated[
        str, typer.Option(help="C of scikit-learn: patients (c·n/100), features (c·d/100), or a number.")
    ] = "patients",
    min_patients: Annotated[int | None, typer.Option(min=1, help="Leave classes with fewer patients out.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="A new folder for tables and figures.")] = None,
    json: JsonOption = False,
    force: ForceOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Classify patients by L2 logistic regression on barcodes, beside baselines, all fitted within folds."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.cohort.classification import check_out
    from cytosae_toolkit.cohort.classify_options import ClassifyOptions, parse_strength
    from cytosae_toolkit.cohort.classifying import classify as run
    from cytosae_toolkit.cohort.cohort import open_cohort
    from cytosae_toolkit.cohort.selecting import select

    chosen: dict[str, Any] = {"thresholds": _thresholds(thresholds, sweep)} if thresholds is not None else {}
    options = ClassifyOptions(
        target=target, min_log10_mean=min_log10_mean, sweep=sweep, folds=folds, repeats=repeats,
        permutations=permutations, bootstraps=bootstraps, seed=seed, features=_names(features), scale=scale,
        strength=parse_strength(strength), min_patients=min_patients, **chosen,
    )  # fmt: skip
    if out is not None:
        check_out(out, force=force)
    opened = None if atlas is None else open_atlas(atlas)
    result = run(select(open_cohort(barcodes), where or []), options, atlas=opened, progress=progress_for(quiet))
    if out is not None:
        result.write(out, force=force)
    if json:
        print_json(result.summary())
        return
    _show(result)
    if out is not None:
        say(f"wrote {out}")
    else:
        note("Tables, figures and what drove each prediction: --out DIR")


def _thresholds(text: str, sweep: bool) -> tuple[float, ...]:
    if not sweep:
        raise CytosaeError("--thresholds belongs to --sweep.", "Add --sweep.")
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CytosaeError(f"{text!r} is no list of thresholds.", "Write such as --thresholds=-6,-5,-4.") from None


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _show(result: Classification) -> None:
    sizes = ", ".join(f"{name} {n}" for name, n in result.classes.items())
    say(f"{result.n_patients} patients, {len(result.classes)} classes of {result.options.target}: {sizes}")
    for sentence in result.left_out:
        say(sentence)
    say(_how(result))
    _show_features(result)
    for name, reason in result.absent.items():
        say(f"  no {name}: {reason}")
    _show_classes(result)
    if result.sets:
        _show_sets(result)
    if result.sweep is not None:
        _show_sweep(result)
    _show_latents(result)
    for sentence in result.caveats:
        say(f"! {sentence}")


def _how(result: Classification) -> str:
    options, n = result.options, result.barcode.n_features
    return (
        f"{options.folds} folds x {options.repeats} repeats; {n:,.0f} latents with log10 mean activation above "
        f"{options.min_log10_mean:g} (mean over folds); {options.scale}, C = {result.strength:.3g}"
    )


def _table(*columns: str) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    return table


def _show_features(result: Classification) -> None:
    table = _table("features", "weighted F1 ± sd", "pooled (95 %)", "p", "barcode minus this", "balanced accuracy")
    for one in result.features:
        table.add_row(*_feature_row(one))
    stdout_console().print(table)
    chance = result.barcode.scores["weighted_f1"].chance
    tail = "" if chance is None else f"; weighted F1 of shuffled labels {chance:.3f}"
    even = 1 / len(result.classes)
    say(f"  sd over test folds; intervals over patients; balanced accuracy by chance {even:.3f}{tail}")
    if chance is not None:
        say("  p: labels are shuffled freely over all patients, whatever their set: it says nothing of laboratories")


def _feature_row(one: FeatureScores) -> list[str]:
    score, balanced = one.scores["weighted_f1"], one.scores["balanced_accuracy"]
    difference = one.difference.get("weighted_f1")
    return [
        one.name,
        f"{score.mean:.3f} ± {score.sd:.3f}",
        f"{score.pooled:.3f} ({score.low:.3f} to {score.high:.3f})",
        "" if score.p is None else f"{score.p:.2g}",
        "" if difference is None else f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})",
        f"{balanced.pooled:.3f} ({balanced.low:.3f} to {balanced.high:.3f})",
    ]


def _show_classes(result: Classification) -> None:
    table = _table("class", "precision", "recall", "F1", "patients")
    for row in result.per_class.to_dict("records"):
        numbers = (f"{row[name]:.3f}" for name in ("precision", "recall", "f1"))
        table.add_row(str(row["class"]), *numbers, str(row["support"]))
    stdout_console().print(table)


def _show_sets(result: Classification) -> None:
    say("Leave one image set out: trained on the other sets, tested on this")
    table = _table("features", "set", "patients", "balanced accuracy", "by chance", "accuracy")
    for one in result.sets:
        if one.scores:
            table.add_row(*_set_row(one))
    if table.row_count:
        stdout_console().print(table)
    for name, remark in dict.fromkeys((one.set, one.note) for one in result.sets if one.note):
        say(f"  {name}: {remark}")


def _set_row(one: LeftOutSet) -> list[str]:
    balanced = one.scores["balanced_accuracy"]
    return [
        one.features, one.set, str(one.n_test), f"{balanced.value:.3f} ({balanced.low:.3f} to {balanced.high:.3f})",
        f"{one.chance:.3f}", f"{one.scores['accuracy'].value:.3f}",
    ]  # fmt: skip


def _show_sweep(result: Classification) -> None:
    if result.sweep is None:
        return
    say("Over thresholds of log10 mean activation")
    table = _table("above", "latents", "pooled weighted F1", "chosen in folds")
    for point in result.sweep.points:
        score = f"{point.pooled['weighted_f1']:.3f}"
        table.add_row(f"{point.min_log10_mean:g}", f"{point.n_latents:,.0f}", score, str(point.times_chosen))
    stdout_console().print(table)
    say(f"  best of the curve: {_best(result.sweep)}")
    nested = result.sweep.nested
    if nested is not None:
        found = nested.scores["weighted_f1"]
        say(f"  threshold chosen within training folds: {found.pooled:.3f} ({found.low:.3f} to {found.high:.3f})")
    say(f"  {result.sweep.note}")


def _best(sweep: Sweep) -> str:
    best = sweep.best.pooled["weighted_f1"]
    more = sum(abs(point.pooled["weighted_f1"] - best) < 1e-9 for point in sweep.points) - 1
    return f"{best:.3f} at {sweep.best.min_log10_mean:g}{f' and {more} more' if more else ''}"


def _show_latents(result: Classification) -> None:
    say("Latents that decide (effect: log odds per standard deviation, mean over folds; share of folds of that sign)")
    for label, group in result.latents.groupby("class", sort=False):
        top = group.head(TOP_LATENTS).to_dict("records")
        say(f"  {label}: " + "; ".join(_latent(row) for row in top))


def _latent(row: dict[Any, Any]) -> str:
    name = f" {row['name']}" if row["name"] else ""
    return f"{row['latent']}{name} {row['effect_mean']:+.3f} ({row['sign_share']:.0%})"
