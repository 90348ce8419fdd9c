"""``evaluate``: metrics of a trained SAE on images of your choice; with ``--full`` its metrics card."""

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
    to_json,
    warn,
)
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.progress import Progress
    from cytosae_toolkit.training.run import Run

CARD_FILES = ("card.json", "card.png", "card.csv")


def register(app: typer.Typer) -> None:
    """Add ``evaluate`` to the program."""
    app.command("evaluate")(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    images: Annotated[list[str], typer.Argument(metavar="IMAGES", help="A folder, a table, an image or LAYOUT:DIR.")],
    full: Annotated[
        bool, typer.Option("--full", help="The metrics card: what latents mean, beside baselines. Takes minutes.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the card as JSON, figure and CSV (--full).")] = None,
    other: Annotated[Path | None, typer.Option(help="Another run on the same tokens, for stability (--full).")] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", metavar="NAME=VALUES", help="Structure and its grey values, cell=128,255 (--full)."),
    ] = None,
    mask_bits: Annotated[
        str | None, typer.Option("--mask-bits", metavar="NAME,…", help="Structures by bit, from bit 0 (--full).")
    ] = None,
    embedding_backbone: Annotated[
        str | None, typer.Option(metavar="NAME", help="Backbone that judges which images are alike (--full).")
    ] = None,
    embedding_options: Annotated[
        list[str] | None, typer.Option("-E", metavar="KEY=VALUE", help="An option of that backbone; repeatable.")
    ] = None,
    ablate: Annotated[
        list[int] | None, typer.Option("--ablate", metavar="LATENT", help="Latent to switch off; repeatable (--full).")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of folds, halves and samples; default 0 (--full).")] = None,
    force: ForceOption = False,
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

    wanted = {
        "--out": out, "--other": other, "--mask": mask, "--mask-bits": mask_bits, "--ablate": ablate,
        "--embedding-backbone": embedding_backbone, "-E": embedding_options, "--seed": seed,
    }  # fmt: skip
    _check_options(full, wanted)
    _check_out(out, force)
    opened = load_run(run)
    table = read_image_sets(images, map=parse_pairs(map, "--map"), allow_outside=allow_outside, strict=strict)
    options = {
        "store": tokens, "no_store": no_token_store, "workers": workers, "strict": strict, "offline": offline,
    }  # fmt: skip
    progress = progress_for(quiet)
    if full:
        judge = _embedding_backbone(embedding_backbone, embedding_options, device, offline, progress)
        found = _full(opened, table, wanted, judge, device, options, progress)
    else:
        found = measure(opened, table, device=device, token_options=options, progress=progress)
    _warn_of_unlike(found["unlike_share"])
    files = _write(found, out) if out is not None else []
    if json:
        print_json(found)
        return
    for item in found["skipped"]:
        note(f"Skipped {item['path']}: {item['reason']}")
    _show(found)
    if full:
        _show_card(found)
    for file in files:
        say(f"wrote {file}")


def _warn_of_unlike(share: float | None) -> None:
    from cytosae_toolkit.atlas.assembly import UNLIKE_SET

    if share is not None and share > UNLIKE_SET:
        warn(
            f"{100 * share:.0f} % of these images are unlike those that the SAE was trained on; its latents may mean "
            "something else on them."
        )


def _check_options(full: bool, wanted: dict[str, Any]) -> None:
    given = [name for name, value in wanted.items() if value not in (None, [])]
    if given and not full:
        raise CytosaeError(f"{' and '.join(given)} belongs to the metrics card.", "Add --full.")
    if wanted["-E"] and not wanted["--embedding-backbone"]:
        raise CytosaeError("-E gives options of no backbone.", "Name it with --embedding-backbone.")


def _check_out(out: Path | None, force: bool) -> None:
    if out is None or force or not out.exists():
        return
    there = [name for name in CARD_FILES if (out / name).exists()]
    if there or not out.is_dir():
        raise CytosaeError(f"{out / there[0] if there else out} exists.", "Overwrite with --force or choose another.")


def _embedding_backbone(
    name: str | None, options: list[str] | None, device: str, offline: bool, progress: Progress
) -> Backbone | None:
    from cytosae_toolkit.plugins import create_backbone
    from cytosae_toolkit.weights import show_downloads

    if name is None:
        return None
    with show_downloads(progress):
        return create_backbone(name, device=device, offline=offline, **parse_pairs(options, "-E"))


def _full(
    run: Run,
    images: ImageTable,
    wanted: dict[str, Any],
    judge: Backbone | None,
    device: str,
    token_options: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    from cytosae_toolkit.atlas.card import full_evaluation
    from cytosae_toolkit.atlas.card.masks import parse_structures
    from cytosae_toolkit.training import load_run

    return full_evaluation(
        run,
        images,
        other_run=None if wanted["--other"] is None else load_run(wanted["--other"]),
        structures=parse_structures(parse_pairs(wanted["--mask"], "--mask"), wanted["--mask-bits"]),
        embedding_backbone=judge,
        ablated=tuple(wanted["--ablate"] or ()),
        seed=wanted["--seed"] or 0,
        device=device,
        token_options=token_options,
        progress=progress,
    )


def _write(card: dict[str, Any], out: Path) -> list[Path]:
    """Write JSON, figure and CSV of a card; return the files."""
    from cytosae_toolkit.figures.card import card_numbers, metrics_card
    from cytosae_toolkit.figures.style import save_figure
    from cytosae_toolkit.files import write_json

    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "card.json", to_json(card))
    return [out / "card.json", *save_figure(metrics_card(card), out / "card.png", card_numbers(card))]


def _show(found: dict[str, Any]) -> None:
    patches = found["patches"]
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
    say("latents by density (share of tokens, from the value up): " + _listed(found["density_histogram"]))


def _listed(histogram: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in histogram.items())


def _show_card(card: dict[str, Any]) -> None:
    for encoder in card["monosemanticity"]["encoders"]:
        circular = ", circular: the SAE reads this backbone" if encoder["circular"] else ""
        say(f"monosemanticity by {encoder['encoder']} ({encoder['embedding']}{circular}); all images alike: "
            f"{encoder['without_preference']:.3f}")  # fmt: skip
        _show_means(encoder["units"])
    _show_entry(card["label_entropy"], "label entropy of the 10 best images, nats", _show_entropy)
    _show_entry(card["probes"], "probes, weighted F1 (mean ± sd over folds)", _show_probes)
    _show_entry(card["localisation"], "localisation: share inside (area), recall, average precision", _show_places)
    _show_entry(card["fidelity"], "fidelity: cosine of the final embedding", _show_fidelity)
    _show_entry(card["stability"], "stability", _show_stability)


def _show_entry(section: dict[str, Any], title: str, show: Any) -> None:
    if "absent" in section:
        say(f"{title}: absent, {section['absent']}")
        return
    say(title)
    show(section)


def _show_means(units: dict[str, Any]) -> None:
    for name, unit in units.items():
        if "mean" in unit:
            high = unit["percentiles"]["95"]
            say(f"  {name:24} mean {unit['mean']:.3f}, 95th percentile {high:.3f} of {unit['n_defined']} units")


def _show_entropy(section: dict[str, Any]) -> None:
    _show_means(section["units"])
    _show_means({"under shuffled labels": section["units"]["trained SAE"]["under_shuffled_labels"]})


def _show_probes(section: dict[str, Any]) -> None:
    for name, scores in section["scores"].items():
        text = ", ".join(f"{k} {s['weighted_f1']:.3f} ± {s['weighted_f1_sd']:.3f}" for k, s in scores.items())
        say(f"  {name:24} {text}")


def _show_places(section: dict[str, Any]) -> None:
    if "hint" in section:
        note(f"Masks: {section['hint']}.")
    for unit in section["units"]:
        if "share_inside" in unit:
            say(f"  {unit['structure']:12} {unit['kind']:24} {unit['share_inside']:.3f} ({unit['area_share']:.3f})  "
                f"{unit['recall']:.3f}  {unit['average_precision']:.3f}  unit {unit['unit']}")  # fmt: skip


def _show_fidelity(section: dict[str, Any]) -> None:
    named = section["cosine"] | {f"without latent {s}": v for s, v in section.get("ablated", {}).items()}
    for name, cosine in named.items():
        probe = section.get("probe_accuracy", {}).get(name)
        tail = f", a probe's accuracy {probe['replaced']:.3f} (original {probe['original']:.3f})" if probe else ""
        say(f"  {name:24} {cosine['mean']:.4f} ± {cosine['sd']:.4f}{tail}")


def _show_stability(section: dict[str, Any]) -> None:
    say(f"  mean max cosine {section['mean_max_cosine']:.3f}, untrained {section['untrained']['mean_max_cosine']:.3f}")
    say(f"  pairs above 0.7: {section['matched_share']:.3f} by {section['matching']}")
