"""The result of a classification, and how it is written."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cytosae_toolkit.cohort.classification_tables import (
    FeatureScores,
    Sweep,
    score_table,
    set_table,
    sweep_table,
)
from cytosae_toolkit.cohort.classify_options import ClassifyOptions
from cytosae_toolkit.cohort.left_out_sets import LeftOutSet
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "cytosae-classification"
VERSION = 1
JSON_NAME = "classification.json"
MAJORITY = "commonest class"
NESTED = "barcode, threshold chosen within training folds"


@dataclass(frozen=True)
class Classification:
    """What `cytosae_toolkit.cohort.classifying.classify` found.

    Parameters
    ----------
    options : ClassifyOptions
        What was asked.
    provenance : dict
        Command, barcodes, software, time.
    classes : dict of str to int
        Patients of each.
    left_out : tuple of str
        Who took no part, and why; sentences.
    features : tuple of FeatureScores
        Barcodes first, then the baselines, the commonest class last.
    absent : dict of str to str
        Baselines that could not be computed, and why.
    strength : float
        scikit-learn's C of the barcodes' models, mean over the folds.
    per_class : pandas.DataFrame
        ``class, precision, recall, f1, support``; means over the repeats.
    confusion : pandas.DataFrame
        Rows the truth, columns the prediction; patients, mean over the repeats.
    predictions : pandas.DataFrame
        One row per patient; see docs/formats.md.
    latents : pandas.DataFrame
        Coefficients; see `cytosae_toolkit.cohort.drivers.latent_table`.
    drivers : pandas.DataFrame
        What drove each prediction; see `cytosae_toolkit.cohort.drivers.Drivers`.
    evidence : pandas.DataFrame or None
        The patients' own images; None without an atlas.
    sets : tuple of LeftOutSet
        Leave one image set out; empty with a single set.
    sweep : Sweep or None
        If asked for.
    caveats : tuple of str
        What to know before believing it; sentences.
    """

    options: ClassifyOptions
    provenance: dict[str, Any]
    classes: dict[str, int]
    left_out: tuple[str, ...]
    features: tuple[FeatureScores, ...]
    absent: dict[str, str]
    strength: float
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    predictions: pd.DataFrame
    latents: pd.DataFrame
    drivers: pd.DataFrame
    evidence: pd.DataFrame | None
    sets: tuple[LeftOutSet, ...]
    sweep: Sweep | None
    caveats: tuple[str, ...]

    @property
    def n_patients(self) -> int:
        """Participants."""
        return sum(self.classes.values())

    @property
    def all_scores(self) -> tuple[FeatureScores, ...]:
        """Scores of `features`, and of the nested choice of a threshold where there is one."""
        nested = None if self.sweep is None else self.sweep.nested
        return self.features if nested is None else (*self.features, nested)

    @property
    def barcode(self) -> FeatureScores:
        """Scores of the barcodes."""
        return self.features[0]

    def summary(self) -> dict[str, Any]:
        """Return options, numbers and caveats as JSON-compatible values; NaN and infinity as None."""
        facts = {
            "format": FORMAT,
            "version": VERSION,
            **self.provenance,
            "options": self.options,
            "n_patients": self.n_patients,
            "classes": self.classes,
            "left_out": self.left_out,
            "caveats": self.caveats,
            "strength": self.strength,
            "spread": "sd (n - 1) over the test folds of all repeats",
            "interval": "95 % bootstrap over patients of the pooled out-of-fold predictions",
            "features": self.features,
            "absent": self.absent,
            "per_class": self.per_class.to_dict("records"),
            "confusion": {"classes": list(self.confusion.index), "counts": self.confusion.to_numpy().tolist()},
            "sets": self.sets,
            "sweep": self.sweep,
            "best_of_curve": None if self.sweep is None else self.sweep.best.min_log10_mean,
        }
        return dict(_plain(facts))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables of the result by the name of their file, those that there are."""
        found = {
            "predictions": self.predictions,
            "per_class": self.per_class,
            "confusion": self.confusion.rename_axis("truth").reset_index(),
            "baselines": score_table(self.all_scores),
            "latents": self.latents,
            "drivers": self.drivers.drop(columns="column"),
        }
        if self.sets:
            found["sets"] = set_table(self.sets)
        if self.sweep is not None:
            found["sweep"] = sweep_table(self.sweep)
        if self.evidence is not None:
            found["evidence"] = self.evidence
        return found

    def figures(self) -> dict[str, Figure]:
        """Return the figures by the name of their file."""
        from cytosae_toolkit.figures.classification import confusion_figure, features_figure, sweep_figure

        found = {"confusion": confusion_figure(self), "features": features_figure(self)}
        if self.sweep is not None:
            found["sweep"] = sweep_figure(self)
        return found

    def write(self, out: str | Path, *, force: bool = False) -> Path:
        """Write a folder with `JSON_NAME`, tables as CSV and figures as PNG; it appears when it is whole.

        Raises
        ------
        CytosaeError
            If the folder exists and is not to be replaced, or is no earlier result.
        """
        from cytosae_toolkit.figures.style import save_figure
        from cytosae_toolkit.files import atomic_folder, write_json

        out = Path(out)
        check_out(out, force=force)
        with atomic_folder(out, replace=force) as folder:
            write_json(folder / JSON_NAME, self.summary())
            for name, table in self.tables().items():
                table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
            for name, figure in self.figures().items():
                save_figure(figure, folder / f"{name}.png", dpi=200)
        return out


def check_out(out: Path, *, force: bool = False) -> None:
    """Refuse an output that exists, unless it is an earlier result and to be replaced, or an empty folder.

    Raises
    ------
    CytosaeError
        If nothing should be written there.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not force:
        raise CytosaeError(f"{out} exists.", "Replace it with --force, or choose another --out.")
    if not (out / JSON_NAME).is_file():
        raise CytosaeError(f"{out} holds no classification: it is not replaced.", "Choose another --out.")


def _plain(value: Any) -> Any:
    """Return dataclasses, tuples, paths and NumPy numbers as JSON has them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
