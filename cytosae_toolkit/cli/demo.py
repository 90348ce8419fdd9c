"""``demo``: the whole way on generated smears, without a download."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    BackboneOptions,
    DebugOption,
    ForceOption,
    JsonOption,
    QuietOption,
    note,
    parse_pairs,
    print_json,
    say,
)

if TYPE_CHECKING:
    from cytosae_toolkit.demo.tour import Finding

CONTENTS = (
    "settings.json", "smears", "fresh", "tokens", "run", "field.png", "demo.json", "training.png", "training.csv",
    "concepts.png", "localisation.csv", "demo.atlas.zarr", "demo.atlas.zarr.building", "demo.names.jsonl",
    "demo.h5ad", "barcodes", "classification", "comparison", "reports", "latents.png", "latents.csv", "patch.png",
    "patch.csv",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add ``demo`` to the program."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("cytosae-demo"),
    seed: Annotated[int, typer.Option(help="Another seed, other smears.")] = 0,
    backbone: Annotated[str, typer.Option(help="Backbone.")] = "nano",
    backbone_option: BackboneOptions = None,
    view: Annotated[bool, typer.Option("--view", help="Open the result in napari.")] = False,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Generate smears, train an SAE on them, and show what its latents see.

    Downloads nothing; takes two to four minutes on two cores. Interrupted, the same command goes on.
    """
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.cli.train import stop_on_signal
    from cytosae_toolkit.demo.tour import Tour, run_tour

    if view and not force and (out / "demo.json").is_file():
        _view(out, json=json)
        return
    _check_folder(out, force=force)
    tour = Tour(out, seed=seed, backbone=backbone, backbone_options=parse_pairs(backbone_option, "-B"))
    started = time.monotonic()
    with stop_on_signal() as stop:
        finding = run_tour(tour, progress=progress_for(quiet), stop=stop)
    if json:
        print_json({"out": out, "run": finding.run.path, "evaluation": finding.run.evaluation,
                    "localisation": finding.table.to_dict("records"), "atlas": finding.atlas.path,
                    "patients": _patient_numbers(finding),
                    "files": [*finding.files, *finding.patients.files]})  # fmt: skip
    else:
        _show(finding, time.monotonic() - started)
    if view:
        _view(out)


def _view(out: Path, *, json: bool = False) -> None:
    """Open the demonstration's atlas and its smear; with `json`, say first where they are."""
    from cytosae_toolkit.cli.view import open_viewer
    from cytosae_toolkit.demo.atlas import ATLAS

    atlas, field = out / ATLAS, out / "field.png"
    if json:
        print_json({"out": out, "atlas": atlas, "field": field})
    sys.stdout.flush()  # the viewer may stay open for hours
    open_viewer(atlas, [field])


def _check_folder(out: Path, *, force: bool) -> None:
    """Go on with an unfinished demonstration; replace a finished one only on request; touch nothing else."""
    import shutil

    from cytosae_toolkit.errors import CytosaeError

    if not out.exists():
        return
    if not out.is_dir() or any(entry.name not in CONTENTS for entry in out.iterdir() if entry.name[0] != "."):
        raise CytosaeError(f"{out} exists and holds other things than a demonstration.", "Choose another --out.")
    if force:
        shutil.rmtree(out)
    elif (out / "demo.json").is_file():
        raise CytosaeError(f"The demonstration {out} is complete.", "Replace it with --force or choose another --out.")
    elif any(out.iterdir()):
        note(f"Going on with the demonstration in {out}.")


def _show(finding: Finding, seconds: float) -> None:
    from cytosae_toolkit.cli.train import summary
    from cytosae_toolkit.demo.cohort import GROUP, OTHER
    from cytosae_toolkit.demo.tour import REPORTED

    say("")
    for line in summary(finding.run):
        say(line)
    say("")
    say("The latent that fits each structure best, chosen on the training smears, measured on fresh ones:")
    say(f"  {'structure':<11}{'':<16}{'unit':>6}{'inside':>9}{'area':>8}{'recall':>9}{'AP':>7}")
    for mask in REPORTED:
        for row in finding.table[finding.table["mask"] == mask].itertuples():
            name = mask.replace("_", " ") if row.kind == "trained SAE" else ""
            say(
                f"  {name:<11}{row.kind:<16}{row.unit:>6}{row.share_inside:>9.3f}{row.area_share:>8.3f}"
                f"{row.recall:>9.3f}{row.average_precision:>7.3f}"
            )
    say("  inside: share of the unit's activation inside the structure; area: share of the image that it covers;")
    say(
        "  recall: share of the structure on which the unit is active; AP: average precision of the ranking of patches."
    )
    say("  A latent sees one kind of nucleus or red cell: less recall and AP than a unit that is active everywhere.")
    say("")
    _show_patients(finding)
    say("")
    say(f"Made in {seconds:.0f} s with the demonstration backbone, which serves trials only:")
    for path, what in (
        ("concepts.png", "the clearest latents, their reference cells, and the patches that light up"),
        ("latents.png", "all latents: how often, how strongly, and with which labels they are active"),
        ("patch.png", "one patch of one cell: which latents are active on it"),
        ("demo.atlas.zarr/", "the atlas: statistics, reference images, heat maps and names of all latents"),
        ("demo.h5ad", "the barcodes of the patients: what their cells show"),
        ("barcodes/", "barcodes of the diseases, and how alike the patients are"),
        ("classification/", "patients classified by barcodes, beside baselines"),
        ("comparison/", f"{GROUP} against {OTHER}, latent by latent"),
        ("reports/", "one page about a patient, one about the two diseases"),
        ("training.png", "loss, FVU, L0 and dead latents during training"),
        ("localisation.csv", "the table above for all structures"),
        ("field.png", "a generated smear"),
        ("smears/", "generated cells with masks, patients, laboratories (images.csv)"),
        ("run/", "the trained SAE"),
    ):
        say(f"  {finding.out / path}  {what}")
    say("")
    say("Try next:")
    program = "uv run cytosae-toolkit" if "UV" in os.environ else "cytosae-toolkit"
    say(f"  {program} atlas search {finding.atlas.path} granules")
    say(f"  {program} atlas show {finding.atlas.path} {finding.clearest[0][0]} --out latent.png")
    say(f"  {program} explain {finding.atlas.path} {finding.out / 'field.png'} --out explained")
    say(f"  {program} compare {finding.out / 'demo.h5ad'} eosinophilia healthy --atlas {finding.atlas.path}")
    say(f"  {program} evaluate {finding.out / 'run'} {finding.out / 'fresh' / 'images.csv'}")
    say(f"  {program} train {finding.out / 'smears' / 'images.csv'} --out topk-run --backbone nano --sae topk")
    say(f"  {program} weights fetch dinobloom-b")
    say(f"  {program} train FOLDER_OF_CELLS --out my-run --dry-run")
    say(f"  {program} view {finding.atlas.path} {finding.out / 'field.png'}")
    say(f"  {program} plugins")


def _patient_numbers(finding: Finding) -> dict[str, Any]:
    """Return the numbers about patients, None where there are too few."""
    found = finding.patients
    scores = {} if found.classification is None else {f.name: f.scores for f in found.classification.features}
    return {
        "weighted_f1": {name: own["weighted_f1"].pooled for name, own in scores.items()},
        "p": None if found.classification is None else found.classification.barcode.scores["weighted_f1"].p,
        "auer_rods_rank": found.rank,
    }


def _show_patients(finding: Finding) -> None:
    from cytosae_toolkit.demo.cohort import GROUP, OTHER

    numbers = _patient_numbers(finding)
    if not numbers["weighted_f1"]:
        say("Too few patients to classify.")
        return
    say("Patients, classified by what their cells show (weighted F1 over patients left out):")
    say("  " + ", ".join(f"{name} {value:.3f}" for name, value in numbers["weighted_f1"].items()))
    if numbers["auer_rods_rank"] is not None:
        say(
            f"Of the latents higher in {GROUP} than in {OTHER}, the one that fits Auer rods ranks "
            f"{numbers['auer_rods_rank']}."
        )
