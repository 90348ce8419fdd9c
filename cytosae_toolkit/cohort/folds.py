"""Who takes part in a classification, and the folds: whole patients, every class in every fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.errors import CytosaeError


@dataclass(frozen=True)
class Participants:
    """The patients of a classification.

    Parameters
    ----------
    rows : int64 array [n]
        Their rows in the cohort.
    classes : tuple of str
        Values of the target, sorted.
    codes : int64 array [n]
        Class of each.
    unknown : int
        Patients left out because their target is unknown.
    small : dict of str to int
        Classes left out for having too few patients, and how many they had.
    """

    rows: NDArray[np.int64]
    classes: tuple[str, ...]
    codes: NDArray[np.int64]
    unknown: int
    small: dict[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """Patients of each class."""
        numbers = np.bincount(self.codes, minlength=len(self.classes))
        return dict(zip(self.classes, numbers.tolist(), strict=True))


@dataclass(frozen=True)
class Fold:
    """One split of patients.

    Parameters
    ----------
    repeat, number : int
        Which; both count from 0.
    train, test : int64 array
        Positions among the participants.
    """

    repeat: int
    number: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def choose_participants(cohort: Cohort, target: str, n_folds: int, min_patients: int | None = None) -> Participants:
    """Choose the patients whose target is known.

    Parameters
    ----------
    cohort : Cohort
        All patients.
    target : str
        Column of `obs` to predict.
    n_folds : int
        Every class must have as many patients.
    min_patients : int, optional
        Leave classes with fewer patients out.

    Raises
    ------
    CytosaeError
        If there is no such column, fewer than two classes are left, or a class has fewer patients than folds.
    """
    values = cohort.column(target)
    known = np.array([value is not None for value in values])
    names, counts = np.unique(values[known].astype(str), return_counts=True)
    sizes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    small = {name: n for name, n in sizes.items() if n < (min_patients or 0)}
    classes = tuple(name for name in sizes if name not in small)
    _check_classes(target, sizes, classes, n_folds)
    rows = np.flatnonzero(np.isin(values.astype(str), classes) & known)
    codes = np.searchsorted(np.array(classes), values[rows].astype(str))
    return Participants(rows, classes, codes.astype(np.int64), int((~known).sum()), small)


def _check_classes(target: str, sizes: dict[str, int], classes: tuple[str, ...], n_folds: int) -> None:
    if not sizes:
        raise CytosaeError(f"No patient has a value in {target!r}.", "Choose another --target.")
    if len(sizes) == 1:
        raise CytosaeError(
            f"All patients with a known {target} have the same, {next(iter(sizes))!r}: nothing can be told apart.",
            "Choose another --target, or add patients of another class.",
        )
    if len(classes) < 2:
        raise CytosaeError(
            f"--min-patients leaves {len(classes)} of {len(sizes)} classes of {target}.", "Lower it to keep two."
        )
    least = min(classes, key=lambda name: sizes[name])
    if sizes[least] < n_folds:
        raise CytosaeError(_too_few(target, least, sizes, n_folds), _advice(sizes, classes, least, n_folds))


def _too_few(target: str, least: str, sizes: dict[str, int], n_folds: int) -> str:
    n = sizes[least]
    return f"{least!r} of {target} has {n} patient{'' if n == 1 else 's'}, fewer than the {n_folds} folds."


def _advice(sizes: dict[str, int], classes: tuple[str, ...], least: str, n_folds: int) -> str:
    enough = sum(sizes[name] >= n_folds for name in classes) > 1
    ways = [f"--folds {sizes[least]}" if sizes[least] > 1 else ""]
    ways.append(f"--min-patients {n_folds} to leave such classes out" if enough else "")
    offered = " or ".join(filter(None, ways))
    return f"Choose {offered}." if offered else "Add patients: each class needs two or more."


def stratified_folds(codes: NDArray[np.int64], n_folds: int, n_repeats: int, seed: int) -> list[Fold]:
    """Return stratified folds of patients, repeat after repeat, each repeat shuffled by a seed of its own.

    Parameters
    ----------
    codes : int64 array [n]
        Class of each patient; each class has at least `n_folds`.
    n_folds, n_repeats, seed : int
        How many, how often, and what the shuffles follow from.
    """
    from sklearn.model_selection import StratifiedKFold

    states = np.random.SeedSequence(seed).generate_state(n_repeats)
    found = []
    for repeat, state in enumerate(states.tolist()):
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=state)
        parts = splitter.split(np.zeros(len(codes)), codes)
        found += [Fold(repeat, number, train, test) for number, (train, test) in enumerate(parts)]
    return found
