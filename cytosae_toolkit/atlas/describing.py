"""The statistics and the control card of a latent in words, for terminals and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FLAGS = {"flag_colour": "colour", "flag_position": "position", "flag_set": "set", "flag_few_cells": "few-cells"}
"""Columns of flags, and what they are called everywhere."""

_CARD = {
    "colour_r2": "R² from colour",
    "position_r2": "R² from patch position",
    "off_centre": "agreement of peaks off the centre",
    "border_share": "share in the border",
    "set_auroc": "AUROC of image set",
    "reproducibility": "reproducibility over re-photographs",
    "nuclear_area_r": "correlation with nuclear area",
    "nc_ratio_r": "correlation with nucleus:cytoplasm ratio",
    "cell_size_r": "correlation with cell size",
}


_FLAG_OF = {
    "colour_r2": "flag_colour",
    "position_r2": "flag_position",
    "off_centre": "flag_position",
    "border_share": "flag_position",
    "set_auroc": "flag_set",
}
"""Columns with a limit → the flag that exceeding it raises."""


def flags_of(latent: Mapping[str, Any]) -> list[str]:
    """Return the names of the flags that are set."""
    return [name for column, name in FLAGS.items() if bool(latent.get(column, False))]


def statistics_of(latent: Mapping[str, Any]) -> dict[str, str]:
    """Return the statistics of a latent that are known and defined, by what they are called.

    Parameters
    ----------
    latent : mapping
        A row of `Atlas.latents`.
    """
    found = {
        "mean activation": _number(latent, "mean_activation"),
        "frequency": _share(latent, "frequency"),
        "images": _count(latent, "n_images"),
        "cells": _count(latent, "n_groups"),
        "density over patches": _share(latent, "density"),
        "largest activation": _number(latent, "max_activation"),
        "label entropy": _entropy(latent),
        "dominant label": _label(latent, "dominant_label", "dominant_share", "of the activation of the references"),
        "best label": _label(latent, "best_label", "best_precision", "of the cells on which it is active"),
        "references": _count(latent, "n_references"),
        "patients among them": _count(latent, "n_reference_patients") if latent.get("n_reference_patients") else "",
        "image sets among them": _count(latent, "n_reference_sets"),
    }
    return {name: text for name, text in found.items() if text}


def control_card(latent: Mapping[str, Any], limits: Mapping[str, float] = MappingProxyType({})) -> dict[str, str]:
    """Return the control values of a latent that are known and defined, by what they are called.

    Parameters
    ----------
    latent : mapping
        A row of `Atlas.latents`.
    limits : mapping of str to float
        Column → limit above which a value is flagged, such as ``record["flag_limits"]`` of an atlas.
    """
    found = {column: _number(latent, column) for column in _CARD}
    if found["set_auroc"] and latent.get("set_auroc_set"):
        found["set_auroc"] += f" ({latent['set_auroc_set']})"
    return {_CARD[column]: text + _against_limit(latent, column, limits) for column, text in found.items() if text}


def _against_limit(latent: Mapping[str, Any], column: str, limits: Mapping[str, float]) -> str:
    """Return the limit of a value, and whether that is exceeded and flagged."""
    if column not in limits or column not in _FLAG_OF:
        return ""
    limit = f", limit {limits[column]:g}"
    if float(latent[column]) <= limits[column]:
        return limit
    if bool(latent.get(_FLAG_OF[column], False)):
        return f"{limit}: flagged"
    return f"{limit}: above it, but other photographs of the cells confirm the latent"


def short_text(latent: Mapping[str, Any]) -> str:
    """Return three or four short lines for a figure."""
    lines = [f"mean {_number(latent, 'mean_activation')}, on {_share(latent, 'frequency')}"]
    if _defined(latent, "label_entropy"):
        lines.append(f"label entropy {latent['label_entropy']:.2f}")
    if latent.get("dominant_label"):
        share = f" {_share(latent, 'dominant_share')}" if _defined(latent, "dominant_share") else ""
        lines.append(f"{latent['dominant_label']}{share}")
    if flags_of(latent):
        lines.append("flags: " + ", ".join(flags_of(latent)))
    return "\n".join(lines)


def set_text(statistics: Mapping[str, Any]) -> str:
    """Return two to three short lines about a latent on one image set, from `Atlas.statistics_in_set`."""
    lines = [f"mean {_number(statistics, 'mean_activation')}, on {_share(statistics, 'frequency')} there"]
    if _defined(statistics, "label_entropy"):
        lines.append(f"label entropy {statistics['label_entropy']:.2f}")
    if statistics["label"]:
        lines.append(f"{statistics['label']} {statistics['n_of_label']} of {statistics['n_labelled']}")
    return "\n".join(lines)


def _defined(latent: Mapping[str, Any], column: str) -> bool:
    value = latent.get(column)
    return value is not None and math.isfinite(float(value))


def _number(latent: Mapping[str, Any], column: str) -> str:
    return f"{float(latent[column]):.3g}" if _defined(latent, column) else ""


def _count(latent: Mapping[str, Any], column: str) -> str:
    return f"{int(latent[column]):,}" if _defined(latent, column) else ""


def _share(latent: Mapping[str, Any], column: str) -> str:
    return f"{100 * float(latent[column]):.3g} %" if _defined(latent, column) else ""


def _entropy(latent: Mapping[str, Any]) -> str:
    if _defined(latent, "label_entropy"):
        expected = _number(latent, "label_entropy_shuffled")
        return _number(latent, "label_entropy") + (f" ({expected} under shuffled labels)" if expected else "")
    published = _number(latent, "published_entropy")
    return f"undefined (published: {published})" if published else ""


def _label(latent: Mapping[str, Any], label: str, share: str, of: str) -> str:
    name = str(latent.get(label) or "")
    return f"{name}, {_share(latent, share)} {of}" if name and _defined(latent, share) else name
