"""The metrics card of an SAE as one figure, and its numbers as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.figures.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, figure_style, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = {
    "trained SAE": BLUE,
    "untrained SAE": ORANGE,
    "raw dimensions": GREEN,
    "PCA": PURPLE,
    "untrained backbone": SKY,
    "brightness": "0.45",
    "distance to the centre": "0.7",
}
"""Colours of the kinds of units, in order."""
DASHES = {"trained SAE": "-", "untrained SAE": "--", "raw dimensions": "-.", "PCA": ":", "untrained backbone": "-"}
CHANCE = "most frequent class"
MAX_STRUCTURES = 4
"""Structures that the figure shows; the table has all."""


def metrics_card(card: dict[str, Any]) -> Figure:
    """Draw a metrics card.

    Parameters
    ----------
    card : dict
        What `cytosae_toolkit.atlas.card.full_evaluation` returns.

    Returns
    -------
    matplotlib.figure.Figure
        Seven panels; those whose entry is absent say why.
    """
    with figure_style():
        figure = new_figure(13, 11)
        panels = figure.subplot_mosaic(
            [["density", "ms", "entropy"], ["probes", "probes", "fidelity"], ["places", "places", "text"]],
        )
        _density(panels["density"], card)
        _monosemanticity(panels["ms"], card["monosemanticity"])
        _entropy(panels["entropy"], card["label_entropy"])
        _probes(panels["probes"], card["probes"])
        _fidelity(panels["fidelity"], card["fidelity"])
        _localisation(panels["places"], card["localisation"])
        _text(panels["text"], card)
        figure.suptitle(_title(card), x=0.01, ha="left", fontsize=11)
        figure.legend(handles=_legend(card), loc="outside lower center", ncols=len(KINDS) + 1)
    return figure


def _title(card: dict[str, Any]) -> str:
    about = card["card"]
    return (
        f"Metrics card: {about['sae']}, {about['d_model']} → {about['d_sae']} latents, {about['backbone']} layer "
        f"{about['layer']}, {card['n_images']} images of {about['n_groups']} groups"
    )


def _legend(card: dict[str, Any]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    seen = {
        *card["monosemanticity"]["encoders"][0]["units"],
        *(u["kind"] for u in card["localisation"].get("units", [])),
    }
    marks = [Patch(color=color, label=kind) for kind, color in KINDS.items() if kind in seen]
    return [*marks, Line2D([], [], color="black", label="chance")]


def _absent(axes: Axes, section: dict[str, Any], title: str) -> bool:
    """Say why an entry is absent; return whether it is."""
    axes.set_title(title)
    if "absent" not in section:
        return False
    axes.axis("off")
    axes.text(0, 0.9, f"absent: {section['absent']}", va="top", wrap=True, transform=axes.transAxes, color="0.35")
    return True


def _density(axes: Axes, card: dict[str, Any]) -> None:
    axes.set_title("Density of latents (share of tokens)")
    histogram = card["density_histogram"]
    names = list(histogram)
    bars = axes.bar(names, list(histogram.values()), color=[RED] + [BLUE] * (len(names) - 1))
    axes.bar_label(bars, fontsize=7.5)
    axes.tick_params(axis="x", labelsize=8, rotation=35)
    axes.set_xlabel("from … up, per decade")
    axes.set_ylabel("latents")
    axes.margins(y=0.12)


def _monosemanticity(axes: Axes, section: dict[str, Any]) -> None:
    encoder = section["encoders"][-1]  # another encoder's judgement, where there is one
    circular = ", circular" if encoder["circular"] else ""
    axes.set_title(f"Monosemanticity (by {encoder['encoder']}{circular})")
    shown = {name: unit["percentiles"] for name, unit in encoder["units"].items() if "percentiles" in unit}
    for y, (name, at) in enumerate(reversed(shown.items())):
        for low, high, width in (("5", "95", 1.8), ("25", "75", 7)):
            axes.plot([at[low], at[high]], [y, y], color=KINDS[name], linewidth=width, solid_capstyle="butt")
        axes.plot(at["50"], y, "o", color="white", markeredgecolor="black", markersize=6)
        axes.annotate(f"{at['50']:.4g}", (at["50"], y), (0, 8), textcoords="offset points", fontsize=8, ha="center")
    axes.set_yticks(range(len(shown)), list(reversed(shown)))
    axes.set_ylim(-0.5, len(shown) - 0.3)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=5)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.axvline(encoder["without_preference"], color="black", linewidth=1, zorder=1)
    axes.set_xlabel(
        "mean cosine of images, weighted by activation\n"
        "circle: median unit; thick: half of the units; thin: 90 %; line: all images alike",
        fontsize=8,
    )


def _entropy(axes: Axes, section: dict[str, Any]) -> None:
    if _absent(axes, section, "Label entropy of the 10 best images"):
        return
    units = section["units"]
    _steps(axes, units)
    shuffled = units["trained SAE"]["under_shuffled_labels"]
    if "mean" in shuffled:
        _chance(axes, shuffled["mean"], "shuffled labels")
    axes.set_xlabel("nats; 0 = one label")


def _chance(axes: Axes, value: float, text: str) -> None:
    axes.axvline(value, color="black", linewidth=1)
    axes.text(value, 0.02, f" {text} ", fontsize=8, va="bottom", ha="right", rotation=90,
              transform=axes.get_xaxis_transform())  # fmt: skip


def _steps(axes: Axes, units: dict[str, Any]) -> None:
    """Draw cumulative shares: shapes of thin and of broad distributions stay legible beside each other."""
    shown: list[float] = []
    for name, unit in units.items():
        counts, edges = np.array(unit["histogram"]["counts"]), np.array(unit["histogram"]["edges"])
        if not counts.sum():
            continue
        share = np.append(0, np.cumsum(counts)) / counts.sum()
        axes.plot(edges, share, color=KINDS[name], linestyle=DASHES[name], linewidth=1.8)
        shown += edges[(share > 0) & (share < 1)].tolist()
    if shown:
        margin = 0.05 * (max(shown) - min(shown)) + 0.01
        axes.set_xlim(min(shown) - margin, max(shown) + margin)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of units up to this value")


def _probes(axes: Axes, section: dict[str, Any]) -> None:
    if _absent(axes, section, "Probes: weighted F1, mean ± sd over folds (line: most frequent class)"):
        return
    places: dict[str, float] = {}
    left = 0.0
    for name, scores in section["scores"].items():
        if name == CHANCE:
            continue
        for i, (kind, score) in enumerate(scores.items()):
            _probe_bar(axes, left + i, name, kind, score)
        places[name] = left + (len(scores) - 1) / 2
        left += max(len(scores), 2.2) + 0.8
    axes.set_xticks(list(places.values()), [name.replace(" ", "\n") for name in places], fontsize=8)
    axes.tick_params(axis="x", length=0)
    chance = section["scores"].get(CHANCE, {}).get("dense")
    if chance:
        axes.axhline(chance["weighted_f1"], color="black", linewidth=1)
    axes.set_ylim(0, 1)
    axes.set_ylabel("weighted F1")


def _probe_bar(axes: Axes, x: float, name: str, kind: str, score: dict[str, float]) -> None:
    hatch = "//" if kind == "dense" else ""
    axes.bar(x, score["weighted_f1"], 0.85, color=KINDS.get(name, "0.6"), edgecolor="white", hatch=hatch)
    axes.errorbar(x, score["weighted_f1"], score["weighted_f1_sd"], color="0.2", capsize=2)
    box = {"facecolor": "white", "alpha": 0.8, "pad": 1, "linewidth": 0}
    axes.text(x, 0.03, kind, rotation=90, ha="center", va="bottom", fontsize=7.5, bbox=box)


def _fidelity(axes: Axes, section: dict[str, Any]) -> None:
    probes = section.get("probe_accuracy", {})
    title = "Fidelity: a probe's accuracy" if probes else "Fidelity: cosine of the final embedding"
    if _absent(axes, section, f"{title} on what is left" if probes else title):
        return
    cosine, values = section["cosine"], {name: of["mean"] for name, of in section["cosine"].items()}
    if probes:
        values = {"original": next(iter(probes.values()))["original"]}
        values |= {name: probes[name]["replaced"] for name in cosine}
    names = list(values)[::-1]
    axes.barh(
        [_replacement(name, section) for name in names],
        [values[name] for name in names],
        color=[KINDS.get(name, "0.2" if name == "original" else "0.6") for name in names],
    )
    for y, name in enumerate(names):
        tail = f"  (cosine {cosine[name]['mean']:.3f})" if probes and name in cosine else ""
        axes.text(0.015, y, f"{values[name]:.2f}{tail}", va="center", fontsize=8,
                  bbox={"facecolor": "white", "alpha": 0.85, "pad": 1.2, "linewidth": 0})  # fmt: skip
    axes.set_xlim(min(0.0, *values.values()), 1)
    if probes:
        axes.axvline(values["original"], color="black", linewidth=1)
    axes.set_xlabel("accuracy on the final embedding" if probes else "with the original's")


def _replacement(name: str, section: dict[str, Any]) -> str:
    if name == "PCA":
        return f"PCA, {section['pca_components']} components"
    return {"mean token": "mean token everywhere", "original": "original tokens"}.get(name, name)


def _localisation(axes: Axes, section: dict[str, Any]) -> None:
    if _absent(axes, section, "Localisation: share of activation inside the structure"):
        return
    structures = section["structures"][:MAX_STRUCTURES]
    axes.set_title("Localisation: share of activation inside the structure" + _shown_of(section))
    kinds = [kind for kind in KINDS if any(unit["kind"] == kind for unit in section["units"])]
    width = 0.8 / len(kinds)
    found = {(unit["structure"], unit["kind"]): unit for unit in section["units"] if "share_inside" in unit}
    for i, kind in enumerate(kinds):
        shares = [found.get((structure, kind), {}).get("share_inside", 0.0) for structure in structures]
        xs = np.arange(len(structures)) + (i - (len(kinds) - 1) / 2) * width
        bars = axes.bar(xs, shares, width, color=KINDS[kind], label=kind, edgecolor="white", linewidth=0.5)
        numbers = [f" {share:.2f}" if share >= 0.005 else " <0.01" for share in shares]
        axes.bar_label(bars, numbers, fontsize=7.5, rotation=90)
    for x, structure in enumerate(structures):
        area = next((unit["area_share"] for (name, _), unit in found.items() if name == structure), None)
        if area is not None:
            axes.plot([x - 0.42, x + 0.42], [area, area], color="black", linewidth=1.2)
    axes.set_xticks(range(len(structures)), structures)
    axes.set_ylim(0, 1.15)
    axes.set_ylabel("share inside (line: its area)")
    if "hint" in section:
        axes.set_xlabel(section["hint"], fontsize=8, color="0.35")


def _shown_of(section: dict[str, Any]) -> str:
    n = len(section["structures"])
    return f" ({MAX_STRUCTURES} of {n} masks shown; all in card.csv)" if n > MAX_STRUCTURES else ""


def _text(axes: Axes, card: dict[str, Any]) -> None:
    axes.axis("off")
    stability, untrained = card["stability"], card["untrained_sae"]
    lines = [
        f"FVU {card['fvu']:.4f}   robust {card['fvu_robust']:.3f}",
        f"PCA with {card['pca_components']} components, robust {card['pca_fvu_robust']:.3f}",
        f"L0 {card['l0']:.1f}   untrained SAE {untrained['l0']:.1f}",
        f"never fired {card['dead_share_set']:.2%}   shrinkage {card['shrinkage']:.3f}",
        "",
        "Stability, decoder rows of another run:",
    ]
    if "absent" in stability:
        lines.append(f"absent: {stability['absent']}")
    else:
        lines += [
            f"mean max cosine {stability['mean_max_cosine']:.2f} (untrained "
            f"{stability['untrained']['mean_max_cosine']:.2f})",
            f"pairs > 0.7: {stability['matched_share']:.1%} ({stability['matching']})",
        ]
    axes.text(0.0, 0.95, "\n".join(lines), va="top", fontsize=9, linespacing=1.5, transform=axes.transAxes)


def card_numbers(card: dict[str, Any]) -> pd.DataFrame:
    """Return the numbers of a metrics card as a long table.

    Returns
    -------
    pandas.DataFrame
        Columns `entry`, `of` (kind of unit, structure, …), `quantity`, `value`.
    """
    import pandas as pd

    rows = [*_flattened("metrics", "trained SAE", _metrics_of(card)), *_flattened("metrics", "untrained SAE",
            card["untrained_sae"])]  # fmt: skip
    for encoder in card["monosemanticity"]["encoders"]:
        for name, unit in encoder["units"].items():
            rows += _flattened(f"monosemanticity by {encoder['encoder']}", name, unit)
    for name, unit in card["label_entropy"].get("units", {}).items():
        rows += _flattened("label entropy", name, unit)
    for name, scores in card["probes"].get("scores", {}).items():
        rows += _flattened("probes", name, scores)
    for unit in card["localisation"].get("units", []):
        rows += _flattened("localisation", f"{unit['structure']}: {unit['kind']}", unit)
    for quantity in ("cosine", "probe_accuracy", "ablated"):
        for name, values in card["fidelity"].get(quantity, {}).items():
            rows += _flattened(f"fidelity, {quantity}", name, values)
    rows += _flattened("stability", "runs", card["stability"])
    return pd.DataFrame(rows, columns=["entry", "of", "quantity", "value"])


def _metrics_of(card: dict[str, Any]) -> dict[str, Any]:
    return {name: card[name] for name in card["untrained_sae"]} | {"patches": card["patches"]}


def _flattened(entry: str, of: str, values: Any, prefix: str = "") -> list[tuple[str, str, str, float]]:
    """Return one row per number, nested names joined by spaces; histograms number by number."""
    found: list[tuple[str, str, str, float]] = []
    for name, value in values.items() if isinstance(values, dict) else enumerate(values):
        path = f"{prefix} {name}".strip()
        if isinstance(value, dict | list):
            found += _flattened(entry, of, value, path)
        elif isinstance(value, int | float):
            found.append((entry, of, path, float(value)))
    return found
