"""The demonstration's patients: barcodes, classification, a comparison, reports."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.cohort.classify_options import ClassifyOptions
from cytosae_toolkit.cohort.classifying import classify
from cytosae_toolkit.cohort.cohort import Cohort, open_cohort, save_cohort
from cytosae_toolkit.cohort.comparing import CompareOptions, compare
from cytosae_toolkit.cohort.comparison_references import comparison_references
from cytosae_toolkit.cohort.comparison_writing import write_comparison
from cytosae_toolkit.cohort.report.inputs import Request
from cytosae_toolkit.cohort.report.making import make_report
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.cohort.classification import Classification
    from cytosae_toolkit.cohort.comparison import Comparison

BARCODES = "demo.h5ad"
CLASSIFICATION, COMPARISON, FIGURES, REPORTS = "classification", "comparison", "barcodes", "reports"
GROUP, OTHER = "aml_m3", "acute_leukemia"
"""The two leukaemias that are compared: the first has Auer rods."""
PERMUTATIONS = 50


@dataclass(frozen=True)
class PatientFinding:
    """What the demonstration found about its patients.

    Parameters
    ----------
    classification : Classification or None
        Of all patients; None where a disease has one patient only.
    comparison : Comparison or None
        Of two diseases; None where one has fewer than two patients.
    rank : int or None
        Rank, from 1, of the latent that fits Auer rods best among those higher in the disease that has them; None
        where it is not among those listed.
    files : list of Path
        Everything written.
    """

    classification: Classification | None
    comparison: Comparison | None
    rank: int | None
    files: list[Path]


class PatientDemonstration:
    """Barcodes, classification, comparison and reports of the demonstration's patients.

    Parameters
    ----------
    out : Path
        Folder of the demonstration; what is there already is made again.
    atlas : Atlas
        Of its smears.
    auer_latent : int or None
        The latent that fits Auer rods best, by their masks.
    seed : int
        Of folds and permutations.
    progress : Progress
        Whom to tell.
    """

    def __init__(
        self, out: Path, atlas: Atlas, auer_latent: int | None, *, seed: int = 0, progress: Progress = SILENT
    ) -> None:
        self.out, self.atlas, self.auer_latent, self.seed, self.progress = out, atlas, auer_latent, seed, progress
        self.path = out / BARCODES

    def run(self) -> PatientFinding:
        """Do all of it."""
        made = barcodes(self.atlas, command=self._command("barcodes", str(self.atlas.path), out=self.path))
        save_cohort(made, self.path, force=True)
        cohort = open_cohort(self.path)
        sizes = Counter(cohort.column("disease"))
        files = [self.path, *_draw(cohort, self.out / FIGURES)]
        classification = self._classify(cohort, min(sizes.values())) if min(sizes.values()) > 1 else None
        comparison = self._compare(cohort) if min(sizes[GROUP], sizes[OTHER]) > 1 else None
        files += self._report(cohort, classification is not None, comparison is not None)
        return PatientFinding(classification, comparison, self._rank(comparison), files)

    def _command(self, *words: str, out: Path) -> str:
        return shlex.join(["cytosae-toolkit", *words, "--out", str(out)])

    def _classify(self, cohort: Cohort, smallest: int) -> Classification:
        folds, out = min(5, smallest), self.out / CLASSIFICATION
        words = ["classify", str(self.path), "--atlas", str(self.atlas.path), "--folds", str(folds)]
        words += ["--permutations", str(PERMUTATIONS), "--seed", str(self.seed)]
        options = ClassifyOptions(folds=folds, permutations=PERMUTATIONS, seed=self.seed)
        command = self._command(*words, out=out)
        found = classify(cohort, options, atlas=self.atlas, command=command, progress=self.progress)
        found.write(out, force=True)
        return found

    def _compare(self, cohort: Cohort) -> Comparison:
        out = self.out / COMPARISON
        words = ["compare", str(self.path), GROUP, OTHER, "--atlas", str(self.atlas.path), "--seed", str(self.seed)]
        command = self._command(*words, out=out)
        found = compare(cohort, GROUP, OTHER, CompareOptions(seed=self.seed), command=command, progress=self.progress)
        references = comparison_references(found, self.atlas, progress=self.progress)
        write_comparison(found, out, atlas=self.atlas, references=references, force=True)
        return found

    def _report(self, cohort: Cohort, classified: bool, compared: bool) -> list[Path]:
        patient = cohort.patients[np.flatnonzero(cohort.column("disease") == GROUP)[:1]].tolist()
        files = []
        if patient:
            request = self._request("patient.html", classification=self.out / CLASSIFICATION if classified else None)
            files.append(make_report(request, patient=patient[0], progress=self.progress).report)
        if compared:
            request = self._request("groups.html", comparison=self.out / COMPARISON)
            files.append(make_report(request, groups=(GROUP, OTHER), progress=self.progress).report)
        return files

    def _request(self, name: str, *, classification: Path | None = None, comparison: Path | None = None) -> Request:
        out = self.out / REPORTS / name
        return Request(self.path, out, self.atlas.path, classification, comparison, force=True)

    def _rank(self, compared: Comparison | None) -> int | None:
        if compared is None:
            return None
        top = compared.top(compared.a)
        ranks = top["rank"][top["latent"] == self.auer_latent].tolist()
        return int(ranks[0]) if ranks else None


def _draw(cohort: Cohort, folder: Path) -> list[Path]:
    from cytosae_toolkit.figures.barcodes import (
        barcode_numbers,
        correlation_numbers,
        disease_barcodes,
        patient_correlation,
    )
    from cytosae_toolkit.figures.style import save_figure

    files = save_figure(disease_barcodes(cohort), folder / "diseases.png", barcode_numbers(cohort))
    return files + save_figure(patient_correlation(cohort), folder / "correlation.png", correlation_numbers(cohort))
