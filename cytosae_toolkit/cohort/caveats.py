"""What a reader of a classification must know before believing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.cohort.classification_tables import FeatureScores
from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.cohort.features import BARCODE
from cytosae_toolkit.cohort.folds import Participants
from cytosae_toolkit.cohort.left_out_sets import ALL_SETS, LeftOutSet
from cytosae_toolkit.cohort.scores import Score

FEW_PATIENTS = 20
"""Classes below are said to be small."""
LEVEL = 0.05
"""Of p, below which class and image set are said to go together."""
_TELLING = 0.1
_NEARLY_ALL = 0.8


def caveats(cohort: Cohort, participants: Participants, target: str) -> tuple[str, ...]:
    """Return sentences on small classes, on laboratories and on images unlike those that the SAE was trained on.

    Parameters
    ----------
    cohort : Cohort
        The participants alone.
    participants : Participants
        Their classes.
    target : str
        What is predicted.
    """
    sentences = [
        _generated(cohort),
        _small(participants),
        confounding(participants.codes, cohort.sets, target),
        association(participants.codes, participants.classes, cohort.sets, target),
        _mixed(cohort),
        _unlike(cohort),
    ]
    return tuple(filter(None, sentences))


def _generated(cohort: Cohort) -> str:
    return (
        "The cells are generated or the patients simulated: a demonstration."
        if cohort.record.get("demonstration")
        else ""
    )


def _small(participants: Participants) -> str:
    small = {name: n for name, n in participants.counts.items() if n < FEW_PATIENTS}
    if not small:
        return ""
    listed = ", ".join(f"{name} {n}" for name, n in small.items())
    return f"Fewer than {FEW_PATIENTS} patients in a class ({listed}): read the intervals, not the means."


def confounding(codes: NDArray[np.int64], sets: NDArray[np.object_], target: str) -> str:
    """Return a warning where the image set tells the class; ``""`` where it does not, or there is one set."""
    share, commonest = share_told_by_set(codes, sets), float(np.bincount(codes).max() / len(codes))
    if len(set(sets.tolist())) < 2 or share < commonest + _TELLING:
        return ""
    if share == 1.0:
        return (
            f"Every image set holds one {target} only: nothing here tells {target} from laboratory, staining or camera."
        )
    return (
        f"The image set alone tells {target} for {share:.0%} of the patients (the commonest class: {commonest:.0%}): "
        "compare with the features 'set', and read the sets left out."
    )


def association(codes: NDArray[np.int64], classes: Sequence[str], sets: NDArray[np.object_], target: str) -> str:
    """Return a warning where class and image set go together, with the classes that come from one set only.

    Parameters
    ----------
    codes : int64 array [n]
        Classes of the patients.
    classes : sequence of str
        Names of the classes.
    sets : object array [n]
        Image sets of the patients.
    target : str
        What is predicted.

    Returns
    -------
    str
        ``""`` where p is not below 0.05 and no class comes from one set that most others do not come from; where
        there is one set; where each set holds one class, which `confounding` says.
    """
    names = sorted(set(sets.tolist()))
    if len(names) < 2 or share_told_by_set(codes, sets) == 1.0:
        return ""
    counts = np.array([[np.count_nonzero(sets[codes == c] == name) for name in names] for c in np.unique(codes)])
    test, p = _independence(counts)
    single = _from_one_set(codes, classes, sets)
    if p >= LEVEL and not single:
        return ""
    head = f"Test of association of {target} and set: {test} p = {p:.2g}"
    tail = f"; all patients of one class come from one set ({', '.join(single)})" if single else ""
    return f"{head}{tail}. What tells classes apart may be the laboratory, staining or camera."


def _independence(counts: NDArray[np.int64]) -> tuple[str, float]:
    from scipy.stats import chi2_contingency, fisher_exact

    if counts.shape == (2, 2):
        return "Fisher", float(fisher_exact(counts).pvalue)
    return "chi-squared", float(chi2_contingency(counts).pvalue)


def _from_one_set(codes: NDArray[np.int64], classes: Sequence[str], sets: NDArray[np.object_]) -> list[str]:
    """Return the classes that come from one set, which is not that of nearly all other patients too."""
    found = []
    for c in np.unique(codes):
        own = set(sets[codes == c].tolist())
        name = own.pop()
        if not own and np.mean(sets[codes != c] == name) < _NEARLY_ALL:
            found.append(f"{classes[c]}: {name or 'unknown'}")
    return found


def fall(score: Score, sets: Sequence[LeftOutSet]) -> tuple[str, ...]:
    """Return a warning where barcodes do far worse on sets left out than in cross-validation.

    Parameters
    ----------
    score : Score
        Balanced accuracy of the barcodes in cross-validation.
    sets : sequence of LeftOutSet
        As `cytosae_toolkit.cohort.left_out_sets.leave_sets_out` returns them.

    Returns
    -------
    tuple of str
        One sentence where the mean over the sets lies below the interval of `score`, and by 0.1 or more below it.
    """
    for one in sets:
        if (one.features, one.set) != (BARCODE, ALL_SETS) or not one.scores:
            continue
        found = one.scores["balanced_accuracy"].value
        if found <= score.pooled - _TELLING and not found >= score.low:
            return (
                f"The score falls from {score.pooled:.3f} to {found:.3f} (balanced accuracy) when a set is left out: "
                "much of it may be the laboratory.",
            )
    return ()


def incomplete(features: Sequence[FeatureScores]) -> tuple[str, ...]:
    """Return a sentence for each kind of features that is unknown of some patients."""
    return tuple(
        f"The features '{one.name}' are unknown of {one.n_incomplete} patient{'s' if one.n_incomplete > 1 else ''}, "
        "taken as the mean of the training patients."
        for one in features
        if one.n_incomplete
    )


def share_told_by_set(codes: NDArray[np.int64], sets: NDArray[np.object_]) -> float:
    """Return the share of patients who have the commonest class of their image set."""
    told = sum(int(np.bincount(codes[sets == name]).max()) for name in set(sets.tolist()))
    return told / len(codes)


def _mixed(cohort: Cohort) -> str:
    mixed = _above(cohort, "set_share", lambda x: x < 1)
    if not mixed:
        return ""
    return f"{_patients(mixed)} images from several sets and count for the one with most."


def _unlike(cohort: Cohort) -> str:
    unlike = _above(cohort, "unlike_share", lambda x: x > 0.5)
    if not unlike:
        return ""
    return f"{_patients(unlike)} mostly images unlike those that the SAE was trained on."


def _above(cohort: Cohort, column: str, test: object) -> int:
    if column not in cohort.adata.obs:
        return 0
    values = np.asarray(cohort.adata.obs[column], dtype=np.float64)
    return int(np.count_nonzero(test(values)))  # type: ignore[operator]


def _patients(n: int) -> str:
    return f"{n} patients have" if n > 1 else "One patient has"


def left_out(participants: Participants, target: str) -> tuple[str, ...]:
    """Return sentences on the patients that take no part."""
    found = []
    if participants.unknown:
        found.append(f"Left out: {participants.unknown} whose {target} is unknown.")
    small: Sequence[str] = [f"{name} {n}" for name, n in participants.small.items()]
    if small:
        found.append(f"Left out, too few patients: {', '.join(small)}.")
    return tuple(found)
