"""What a reader of a classification must know before believing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.cohort.folds import Participants

FEW_PATIENTS = 20
"""Classes below are said to be small."""
_TELLING = 0.1


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
