"""``barcodes``: patients x latents."""

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

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.cohort.cohort import Cohort


def register(app: typer.Typer) -> None:
    """Add ``barcodes`` to the program."""
    app.command("barcodes")(barcodes)


def barcodes(
    atlas: Annotated[Path, typer.Argument(metavar="A", help="Atlas whose images name patients.")],
    out: Annotated[Path, typer.Option("--out", metavar="B.h5ad", help="File to write.")],
    aggregator: Annotated[
        str | None, typer.Option(help="From patches to a value per image; default: the atlas's, as a rule count.")
    ] = None,
    aggregator_option: Annotated[
        list[str] | None, typer.Option("-A", metavar="KEY=VALUE", help="An option of the aggregator; repeatable.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="τ of the count; another one than the atlas's reads the tokens again.")
    ] = None,
    by: Annotated[str, typer.Option(help="latent, or name: one column per name that experts gave.")] = "latent",
    tau_table: Annotated[
        bool, typer.Option("--tau-table", help="Also show how much the barcodes depend on τ (reads the tokens).")
    ] = False,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also draw: diseases, correlation of patients.")
    ] = None,
    patient: Annotated[
        list[str] | None, typer.Option(help="With --figures: also draw the barcode of this patient; repeatable.")
    ] = None,
    tokens: Annotated[Path | None, typer.Option(help="Token store, if not the run's own.")] = None,
    device: DeviceOption = "auto",
    offline: OfflineOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Count what the cells of each patient show: one barcode per patient, one per disease (Eq. 2 and 3)."""
    from cytosae_toolkit.atlas.building import Work
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.cohort.barcodes import barcodes as make
    from cytosae_toolkit.cohort.cohort import check_cohort_path, open_cohort, save_cohort

    check_cohort_path(out, force=force)
    table_path = out.with_suffix(".tau.csv")
    _check_others(table_path if tau_table else None, figures, patient, force=force)
    opened = open_atlas(atlas)
    work = Work(device, None, offline, {"store": tokens}, progress_for(quiet))
    made = make(
        opened, threshold=threshold, aggregator=aggregator, aggregator_options=parse_pairs(aggregator_option, "-A"),
        by=by, work=work,
    )  # fmt: skip
    cohort = open_cohort(made)
    for name in patient or ():
        cohort.row_of(name)
    save_cohort(made, out, force=force)
    table = _thresholds(opened, cohort, table_path, work) if tau_table else None
    files = [out, *([table_path] if table is not None else []), *_draw(cohort, figures, patient or [])]
    if json:
        print_json(_document(cohort, table) | {"files": files})
        return
    _show(cohort, table)
    note("Wrote " + ", ".join(str(file) for file in files))


def _check_others(table: Path | None, figures: Path | None, patients: list[str] | None, *, force: bool) -> None:
    from cytosae_toolkit.errors import CytosaeError

    if patients and figures is None:
        raise CytosaeError("--patient says what to draw.", "Add --figures DIR.")
    if table is not None and table.exists() and not force:
        raise CytosaeError(f"{table} exists.", "Replace it with --force, or choose another --out.")
    if figures is not None and figures.is_file():
        raise CytosaeError(f"{figures} is a file.", "Name a folder for the figures.")
    if figures is not None and figures.exists() and not force and any(figures.iterdir()):
        raise CytosaeError(f"{figures} exists and is not empty.", "Choose another folder, or add --force.")


def _thresholds(atlas: Atlas, cohort: Cohort, path: Path, work: Any) -> pd.DataFrame:
    from cytosae_toolkit.cohort.sensitivity import threshold_table
    from cytosae_toolkit.files import write_text

    in_use = cohort.record["threshold"]
    table = threshold_table(atlas, 0.2 if in_use is None else float(in_use), work=work)
    write_text(path, table.to_csv(index=False, float_format="%.6g"))
    return table


def _draw(cohort: Cohort, folder: Path | None, patients: list[str]) -> list[Path]:
    if folder is None:
        return []
    from cytosae_toolkit.figures import barcodes as draw
    from cytosae_toolkit.figures.style import save_figure

    files = save_figure(draw.disease_barcodes(cohort), folder / "diseases.png", draw.barcode_numbers(cohort))
    files += save_figure(draw.patient_correlation(cohort), folder / "correlation.png", draw.correlation_numbers(cohort))
    for name in patients:
        numbers = draw.barcode_numbers(cohort, name)
        files += save_figure(draw.patient_barcode(cohort, name), folder / f"patient-{_file_name(name)}.png", numbers)
    return files


def _file_name(patient: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in patient)


def _document(cohort: Cohort, table: pd.DataFrame | None) -> dict[str, Any]:
    from collections import Counter

    diseases = Counter(name or "unknown" for name in cohort.column("disease"))
    found: dict[str, Any] = cohort.record | {
        "n_patients": len(cohort),
        "n_columns": int(cohort.adata.n_vars),
        "n_used": int((cohort.barcodes.sum(axis=0) > 0).sum()),
        "diseases": dict(diseases),
    }
    return found if table is None else found | {"tau_table": table.to_dict("records")}


def _show(cohort: Cohort, table: pd.DataFrame | None) -> None:
    from cytosae_toolkit.cohort.barcodes import warn_about_threshold

    found, left_out = _document(cohort, None), cohort.record["left_out"]
    what = "named concepts" if cohort.by_name else "latents"
    say(
        f"{found['n_patients']} patients, {found['n_images']:,} images, {found['n_columns']:,} {what}, "
        f"{found['n_used']:,} of them in some patient"
    )
    for name, count in sorted(found["diseases"].items()):
        say(f"  {name}: {count} patients")
    for text in left_out_lines(left_out):
        warn(text)
    if found["kept_share"] is not None and found["threshold"] is not None:
        say(f"τ = {found['threshold']:g} keeps {100 * found['kept_share']:.1f} % of the activations of patches")
    sentence = warn_about_threshold(cohort.record)
    if sentence:
        warn(sentence)
    if table is not None:
        _show_table(table)


def left_out_lines(left_out: dict[str, Any]) -> list[str]:
    """Return a sentence on everything that barcodes leave out."""
    lines = []
    if left_out["without_patient"]:
        lines.append(f"{left_out['without_patient']} images name no patient and are left out.")
    if left_out["without_disease"]:
        lines.append(f"{left_out['without_disease']} patients have no disease; they have a barcode, no more.")
    if left_out["unreadable_patients"]:
        names = left_out["unreadable_patients"]
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        lines.append(f"{len(names)} patients have no readable image and are left out: {shown}.")
    return lines


def _show_table(table: pd.DataFrame) -> None:
    say("")
    say(f"  {'τ':>6}{'kept':>9}{'latents':>9}{'per patient':>13}{'r to τ in use':>15}{'r within':>10}{'between':>9}")
    for row in table.to_dict("records"):
        say(
            f"{'>' if row['in_use'] else ' ':>2}{row['threshold']:>6g}{100 * row['kept_share']:>7.1f} %"
            f"{row['n_latents']:>9,}{row['latents_per_patient']:>13,.0f}{row['correlation']:>15.3f}"
            f"{row['within_disease']:>10.3f}{row['between_diseases']:>9.3f}"
        )
    say("  kept: share of the activations of patches above τ; latents: shown by any patient; per patient: mean number;")
    say("  r: Pearson's correlation of barcodes, with those at the τ in use; of patients within and between diseases")
