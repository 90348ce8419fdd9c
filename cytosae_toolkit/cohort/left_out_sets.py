"""Leave one image set out: whether what was learnt in some laboratories holds in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cross_validation import Settings, fit_fold
from cytosae_toolkit.cohort.features import IMAGE_SET, Features
from cytosae_toolkit.cohort.folds import Fold
from cytosae_toolkit.cohort.scores import (
    SCORES,
    Interval,
    bootstrap_scores,
    interval,
    pooled_scores,
    stratified_resampling,
)

ALL_SETS = "all sets"


@dataclass(frozen=True)
class LeftOutSet:
    """How the patients of one image set are predicted by models that were trained on the others.

    Parameters
    ----------
    features : str
        Name of the features.
    set : str
        The set left out; `ALL_SETS` for the mean over the sets that could be scored. Their predictions are not
        pooled: where the mix of classes differs between sets, that would reward or punish telling sets apart.
    n_train, n_test : int
        Patients trained on; patients scored.
    classes : tuple of str
        Classes of the scored patients.
    unseen : dict of str to int
        Patients of classes that the other sets do not have. No model could be right about them: they are not scored.
    scores : dict of str to Interval
        With 95 % interval: bootstrap over patients, class by class; Wilson's where the set has one class, or all or
        none are right; of the mean over sets from the limits of each set. Empty where nobody was scored.
    chance : float or None
        Balanced accuracy of guessing evenly among the classes trained on.
    note : str
        What to know, or why there are no scores.
    """

    features: str
    set: str
    n_train: int
    n_test: int
    classes: tuple[str, ...]
    unseen: dict[str, int]
    scores: dict[str, Interval]
    chance: float | None
    note: str


def leave_sets_out(
    features: Sequence[Features],
    codes: NDArray[np.int64],
    classes: Sequence[str],
    sets: NDArray[np.object_],
    settings: Settings,
    *,
    n_bootstraps: int,
    seed: int,
) -> list[LeftOutSet]:
    """Leave every image set out in turn, for all features but the identity of the set.

    Returns
    -------
    list of LeftOutSet
        Set by set and then their mean, for each of the features; empty with a single set.
    """
    names = sorted(set(sets.tolist()))
    if len(names) < 2:
        return []
    found = []
    for one in features:
        if one.name == IMAGE_SET:
            continue
        results = [_leave_out(one, codes, classes, sets == name, settings) for name in names]
        found += [
            _judge(one.name, name, codes, classes, result, n_bootstraps, seed)
            for name, result in zip(names, results, strict=True)
        ]
        found.append(_judge_all(one.name, codes, classes, results, n_bootstraps, seed))
    return found


@dataclass(frozen=True)
class _Result:
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    unseen: NDArray[np.int64]
    predicted: NDArray[np.int64]


def _leave_out(
    features: Features,
    codes: NDArray[np.int64],
    classes: Sequence[str],
    left_out: NDArray[np.bool_],
    settings: Settings,
) -> _Result:
    """Train on the other sets; patients of classes that those lack are set apart."""
    train, inside = np.flatnonzero(~left_out), np.flatnonzero(left_out)
    seen = np.isin(codes[inside], codes[train])
    test = inside[seen]
    if len(np.unique(codes[train])) < 2 or not len(test):
        return _Result(train, test[:0], inside, test[:0])
    _, decisions = fit_fold(features, codes, len(classes), Fold(0, 0, train, test), settings)
    return _Result(train, test, inside[~seen], decisions.argmax(axis=1))


def _judge(
    features: str,
    name: str,
    codes: NDArray[np.int64],
    classes: Sequence[str],
    result: _Result,
    n_bootstraps: int,
    seed: int,
) -> LeftOutSet:
    truth, trained = codes[result.test], np.unique(codes[result.train])
    there = tuple(classes[i] for i in np.unique(truth))
    numbers = np.bincount(codes[result.unseen], minlength=len(classes))
    unseen = {classes[i]: int(n) for i, n in enumerate(numbers) if n}
    scored = len(truth) > 0
    return LeftOutSet(
        features, name, len(result.train), len(truth), there, unseen,
        _scores(truth, result.predicted, len(classes), n_bootstraps, seed) if scored else {},
        1 / len(trained) if scored else None,
        _note(there, unseen, [classes[i] for i in trained]),
    )  # fmt: skip


def _note(there: tuple[str, ...], unseen: dict[str, int], trained: list[str]) -> str:
    if len(trained) < 2:
        return f"not scored: the other sets have one class only, {trained[0]}"
    if not there:
        return "not scored: the other sets have none of its classes"
    missing = f"{', '.join(unseen)} not scored: the other sets do not have it" if unseen else ""
    single = "one class only: read its accuracy; F1 means little" if len(there) == 1 else ""
    return "; ".join(filter(None, [missing, single]))


def _judge_all(
    features: str,
    codes: NDArray[np.int64],
    classes: Sequence[str],
    results: Sequence[_Result],
    n_bootstraps: int,
    seed: int,
) -> LeftOutSet:
    """Return the mean over the sets, with limits from those of each set."""
    numbers = np.bincount(codes[np.concatenate([result.unseen for result in results])], minlength=len(classes))
    unseen = {classes[i]: int(n) for i, n in enumerate(numbers) if n}
    scored = [result for result in results if len(result.test)]
    if not scored:
        return LeftOutSet(features, ALL_SETS, 0, 0, (), unseen, {}, None, "no set could be scored")
    found = [
        _scores(codes[result.test], result.predicted, len(classes), n_bootstraps, seed + i)
        for i, result in enumerate(scored)
    ]
    means = {name: _mean([one[name] for one in found]) for name in SCORES}
    tested = np.concatenate([result.test for result in scored])
    there = tuple(classes[i] for i in np.unique(codes[tested]))
    chance = float(np.mean([1 / len(np.unique(codes[result.train])) for result in scored]))
    note = f"mean over the {len(scored)} sets that could be scored, each counting the same"
    return LeftOutSet(features, ALL_SETS, 0, len(tested), there, unseen, means, chance, note)


def _mean(found: Sequence[Interval]) -> Interval:
    """Return the mean of independent scores, its limits by squaring and adding their distances (Zou & Donner 2008)."""
    value, n = float(np.mean([one.value for one in found])), len(found)
    below = float(np.linalg.norm([one.value - one.low for one in found])) / n
    above = float(np.linalg.norm([one.high - one.value for one in found])) / n
    return Interval(value, value - below, value + above)


def _scores(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, n_bootstraps: int, seed: int
) -> dict[str, Interval]:
    values = pooled_scores(truth, predicted[None], n_classes)
    right = int((truth == predicted).sum())
    if len(np.unique(truth)) == 1 or right in (0, len(truth)):
        return _by_wilson(values, right, len(truth))
    weights = stratified_resampling(truth, n_bootstraps, seed)
    samples = bootstrap_scores(truth, predicted[None], n_classes, weights)
    return {name: interval(samples[name], values[name]) for name in SCORES}


def _by_wilson(values: dict[str, float], right: int, n: int) -> dict[str, Interval]:
    """Return scores with Wilson's limits of the accuracy a; F1 is 2a / (1 + a) with one class, at most with several."""
    from cytosae_toolkit.atlas.review_result import wilson_interval

    low, high = wilson_interval(right, n)
    return {
        name: Interval(value, 2 * low / (1 + low), 2 * high / (1 + high))
        if name.endswith("f1")
        else Interval(value, low, high)
        for name, value in values.items()
    }
