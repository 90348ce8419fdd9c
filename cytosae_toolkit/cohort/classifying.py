"""Classify patients by their barcodes, and by what barcodes must beat, in the same folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cytosae_toolkit.cohort.caveats import caveats, fall, incomplete, left_out
from cytosae_toolkit.cohort.classification import MAJORITY, NESTED, Classification
from cytosae_toolkit.cohort.classification_tables import FeatureScores, Sweep, prediction_table
from cytosae_toolkit.cohort.classify_options import ClassifyOptions
from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.cohort.cross_validation import (
    OutOfFold,
    check_threshold,
    cross_validate,
    fold_scores,
)
from cytosae_toolkit.cohort.drivers import find_drivers, latent_table
from cytosae_toolkit.cohort.evidence import check_atlas, find_evidence
from cytosae_toolkit.cohort.features import (
    BARCODE,
    Features,
    barcode_features,
    baseline_features,
    choose_features,
)
from cytosae_toolkit.cohort.folds import Fold, Participants, choose_participants, stratified_folds
from cytosae_toolkit.cohort.left_out_sets import leave_sets_out
from cytosae_toolkit.cohort.permutation import permutation_p, permuted_scores
from cytosae_toolkit.cohort.provenance import provenance
from cytosae_toolkit.cohort.scores import (
    SCORES,
    Score,
    bootstrap_scores,
    confusion,
    fold_spread,
    interval,
    per_class,
    pooled_scores,
    resampling,
)
from cytosae_toolkit.cohort.threshold_sweep import sweep_thresholds
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

Samples = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class _Judge:
    """Scores predictions, all in the same folds and bootstrap samples."""

    codes: NDArray[np.int64]
    n_classes: int
    folds: Sequence[Fold]
    weights: NDArray[np.int64]

    def samples(self, predicted: NDArray[np.int64]) -> Samples:
        return bootstrap_scores(self.codes, predicted, self.n_classes, self.weights)

    def scores(self, predicted: NDArray[np.int64], permuted: Samples | None = None) -> dict[str, Score]:
        by_fold = fold_scores(predicted, self.codes, self.n_classes, self.folds)
        pooled = pooled_scores(self.codes, predicted, self.n_classes)
        samples, found = self.samples(predicted), {}
        for name in SCORES:
            limits = interval(samples[name], pooled[name])
            mean, sd = fold_spread(by_fold[name].tolist())
            found[name] = Score(mean, sd, pooled[name], limits.low, limits.high)
            if permuted is not None and len(permuted[name]):
                found[name] = dataclasses.replace(
                    found[name], p=permutation_p(pooled[name], permuted[name]), chance=float(permuted[name].mean())
                )
        return found

    def judge(
        self, features: Features, n_features: float, predicted: NDArray[np.int64], barcode: NDArray[np.int64]
    ) -> FeatureScores:
        """Return scores of some features beside those of the barcodes."""
        own, others = self.samples(barcode), self.samples(predicted)
        first, second = (pooled_scores(self.codes, p, self.n_classes) for p in (barcode, predicted))
        difference = {name: interval(own[name] - others[name], first[name] - second[name]) for name in SCORES}
        incomplete = int(np.isnan(features.values).any(axis=1).sum())
        scores = self.scores(predicted)
        return FeatureScores(features.name, features.description, n_features, incomplete, scores, difference)


def classify(
    cohort: Cohort,
    options: ClassifyOptions | None = None,
    *,
    atlas: Atlas | None = None,
    command: str | None = None,
    progress: Progress = SILENT,
) -> Classification:
    """Classify patients by L2 multinomial logistic regression on barcodes, beside baselines.

    Parameters
    ----------
    cohort : Cohort
        Barcodes; see `cytosae_toolkit.cohort.cohort.open_cohort`.
    options : ClassifyOptions, optional
        What to do.
    atlas : Atlas, optional
        Where the patients' images are: leads from each patient's drivers to its cells and patches.
    command : str, optional
        What the result says made it; by default the command line of this process.
    progress : Progress
        Who shows how long it takes.

    Returns
    -------
    Classification
        Scores, predictions, coefficients, drivers; `Classification.write` writes it.

    Raises
    ------
    CytosaeError
        If the target does not exist, is constant, or has a class with fewer patients than folds; if barcodes do not
        vary, or no latent exceeds the threshold.

    Notes
    -----
    Threshold, scaling and regression are fitted to the training patients of each fold. Paper: AML Hehr, 189 patients,
    5 classes, threshold -3: weighted F1 0.832 ± 0.044.
    """
    with threadpool_limits(limits=1):  # hundreds of small products: more threads only wait for each other
        return _classify(cohort, options or ClassifyOptions(), atlas, command, progress)


def _classify(
    cohort: Cohort, options: ClassifyOptions, atlas: Atlas | None, command: str | None, progress: Progress
) -> Classification:
    if atlas is not None:
        check_atlas(cohort, atlas)
    who = choose_participants(cohort, options.target, options.folds, options.min_patients)
    patients = cohort.subset(who.rows)
    barcode = barcode_features(patients)
    _check_layers(barcode, options)
    folds = stratified_folds(who.codes, options.folds, options.repeats, options.seed)
    check_threshold(barcode, folds, options.settings)
    weights = resampling(len(who.codes), options.bootstraps, options.seed)
    judge = _Judge(who.codes, len(who.classes), folds, weights)
    baselines, absent = baseline_features(patients, choose_features(options.features))
    results = _cross_validate_all([barcode, *baselines], who, folds, options, progress)
    scored = _judge_all(judge, [barcode, *baselines], results, options, progress)
    drivers = find_drivers(results[0], barcode, patients, who.classes, options.drivers)
    sets = leave_sets_out(
        [barcode, *baselines], who.codes, who.classes, patients.sets, options.settings,
        n_bootstraps=options.bootstraps, seed=options.seed,
    )  # fmt: skip
    return Classification(
        options=options,
        provenance=provenance(cohort, command),
        classes=who.counts,
        left_out=left_out(who, options.target),
        features=scored,
        absent=absent,
        strength=float(np.mean([model.regression.strength for model in results[0].models])),
        per_class=_per_class(who, results[0]),
        confusion=_confusion(who, results[0]),
        predictions=prediction_table(
            patients.patients, patients.n_cells, patients.sets, who.codes, results[0].decisions, drivers.summary,
            who.classes,
        ),
        latents=latent_table(results[0].models, barcode, patients, who.classes),
        drivers=drivers.table,
        evidence=None if atlas is None else find_evidence(drivers.table, patients, atlas, options.images),
        sets=tuple(sets),
        sweep=_sweep(judge, barcode, results[0].predicted, options, progress) if options.sweep else None,
        caveats=(
            *fall(scored[0].scores["balanced_accuracy"], sets),
            *caveats(patients, who, options.target),
            *incomplete(scored),
        ),
    )  # fmt: skip


def _check_layers(barcode: Features, options: ClassifyOptions) -> None:
    if options.sweep and barcode.activation is None:
        raise CytosaeError(
            "These barcodes have no mean activation of their columns: there is nothing to sweep.",
            "Leave --sweep out, or make barcodes by latent.",
        )


def _cross_validate_all(
    features: Sequence[Features],
    who: Participants,
    folds: Sequence[Fold],
    options: ClassifyOptions,
    progress: Progress,
) -> list[OutOfFold]:
    with progress.task("Cross-validating", len(features) * len(folds), "folds") as task:
        return [cross_validate(one, who.codes, len(who.classes), folds, options.settings, task) for one in features]


def _judge_all(
    judge: _Judge,
    features: Sequence[Features],
    results: Sequence[OutOfFold],
    options: ClassifyOptions,
    progress: Progress,
) -> tuple[FeatureScores, ...]:
    """Return scores of barcodes (with permutation test), of baselines, and of the commonest class."""
    own = results[0].predicted
    permuted = _permute(judge, features[0], options, progress)
    barcode = FeatureScores(
        BARCODE, features[0].description, _mean_kept(results[0]), 0, judge.scores(own, permuted), {}
    )
    others = [
        judge.judge(one, _mean_kept(result), result.predicted, own)
        for one, result in zip(features[1:], results[1:], strict=True)
    ]
    nothing = Features(
        MAJORITY, "always the commonest class of the training patients", np.zeros((0, 0)), np.zeros(0, int)
    )
    return barcode, *others, judge.judge(nothing, 0.0, _majority(judge), own)


def _mean_kept(result: OutOfFold) -> float:
    return float(np.mean([len(model.kept) for model in result.models]))


def _permute(judge: _Judge, barcode: Features, options: ClassifyOptions, progress: Progress) -> Samples:
    with progress.task("Permuting labels", options.permutations, "permutations") as task:
        return permuted_scores(
            barcode, judge.codes, judge.n_classes,
            n_folds=options.folds, n_repeats=options.repeats, n_permutations=options.permutations,
            seed=options.seed, settings=options.settings, task=task,
        )  # fmt: skip


def _majority(judge: _Judge) -> NDArray[np.int64]:
    predicted = np.zeros((1 + max(fold.repeat for fold in judge.folds), len(judge.codes)), dtype=np.int64)
    for fold in judge.folds:
        predicted[fold.repeat, fold.test] = np.bincount(judge.codes[fold.train]).argmax()
    return predicted


def _matrices(who: Participants, result: OutOfFold) -> NDArray[np.int64]:
    return np.stack([confusion(who.codes, row, len(who.classes)) for row in result.predicted])


def _per_class(who: Participants, result: OutOfFold) -> pd.DataFrame:
    found = {name: values.mean(axis=0) for name, values in per_class(_matrices(who, result)).items()}
    return pd.DataFrame({"class": who.classes, **found}).astype({"support": np.int64})


def _confusion(who: Participants, result: OutOfFold) -> pd.DataFrame:
    return pd.DataFrame(_matrices(who, result).mean(axis=0), index=who.classes, columns=who.classes)


def _sweep(
    judge: _Judge,
    barcode: Features,
    predicted: NDArray[np.int64],
    options: ClassifyOptions,
    progress: Progress,
) -> Sweep:
    with progress.task("Sweeping thresholds", len(judge.folds), "folds") as task:
        found = sweep_thresholds(
            barcode, judge.codes, judge.n_classes, judge.folds, options.thresholds, options.settings, task
        )
    if found.nested is None:
        return Sweep(found.points, None, "A class is too small to choose a threshold within training folds.")
    kept = sum(point.n_latents * point.times_chosen for point in found.points) / len(judge.folds)
    named = Features(NESTED, "", np.zeros((0, 0)), barcode.columns)
    nested = judge.judge(named, kept, found.nested, predicted)
    note = (
        "The maximum of the curve is optimistic: the patients that it is measured on chose it. Report the nested score."
    )
    return Sweep(found.points, nested, note)
