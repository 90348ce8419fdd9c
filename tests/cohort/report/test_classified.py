from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from cytosae_toolkit.cohort.report.classified import _left_out, strongest_baseline
from cytosae_toolkit.cohort.report.sources import Sheet, Source

SOURCE = Source("a.csv", "", "", "")


def sheet(rows):
    return Sheet(SOURCE, pd.DataFrame(rows))


def scores(**pooled):
    return sheet(
        [
            {"features": name, "score": score, "pooled": value, "low": value - 0.1, "high": value + 0.1}
            for name, value in pooled.items()
            for score in ("balanced_accuracy", "weighted_f1")
        ]
    )


def left_out(value):
    row = {"features": "barcode", "set": "all sets", "balanced_accuracy": value, "chance": 0.5}
    limits = {"balanced_accuracy_low": value, "balanced_accuracy_high": value + 0.2}
    found = SimpleNamespace(sets=sheet([row | limits]), baselines=scores(barcode=0.86))
    return "".join(part if isinstance(part, str) else part.text for part in _left_out(found))


def test_the_strongest_baseline_is_neither_barcodes_nor_their_sweep():
    names = {"barcode": 0.9, "colour": 0.6, "cls": 0.8, "barcode, threshold chosen within training folds": 0.95}
    found = scores(**names)
    assert found.raw(strongest_baseline(found), "features") == "cls"
    assert strongest_baseline(scores(barcode=0.9)) is None


def test_what_is_left_of_the_score_with_a_set_left_out():
    assert left_out(0.1) == (
        "With one image set left out, balanced accuracy is 0.10 (0.10 to 0.30), by chance 0.50; in cross-validation it "
        "is 0.86 (0.76 to 0.96). "
    )
    assert left_out(np.nan).startswith("No image set could be left out and scored")
