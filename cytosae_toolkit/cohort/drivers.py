"""Which latents decide: coefficients with their stability over folds, and what drove each patient's prediction.

The models being linear, a decision is a sum. For the class c that a patient was given and the runner-up r, in the
model that did not see the patient,

    f_c - f_r = (b_c - b_r) + Σ_s (W_c[s] - W_r[s]) (x[s] - mean[s]),

with the mean over the training patients, so that b belongs to the average patient. Term s is the contribution of
latent s. c and r are the first and the second by the mean of the decision values over the repeats, and contributions
are means over the repeats, so that the sum stays exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.cohort.cross_validation import FoldModel, OutOfFold
from cytosae_toolkit.cohort.features import Features


@dataclass(frozen=True)
class Contributions:
    """What drove the prediction of one patient, mean over the repeats.

    Parameters
    ----------
    predicted, against : int
        Class with the largest decision value; the runner-up.
    margin : float
        Decision value of the one minus that of the other.
    base : float
        The margin of an average training patient; ``margin = base + values.sum()``.
    values : float64 array [k]
        Contribution of each feature, log odds.
    mean : float64 array [k]
        Of the features over the training patients; NaN where the threshold removed one in every fold.
    """

    predicted: int
    against: int
    margin: float
    base: float
    values: NDArray[np.float64]
    mean: NDArray[np.float64]


def contributions(result: OutOfFold, features: Features, patient: int) -> Contributions:
    """Return what drove the out-of-fold prediction of a patient.

    Parameters
    ----------
    result : OutOfFold
        Predictions with their models.
    features : Features
        What they were made from.
    patient : int
        Position among the participants.
    """
    decision = result.decisions[:, patient].mean(axis=0)
    second, first = (int(i) for i in np.argsort(decision, kind="stable")[-2:])
    models = [model for model in result.models if patient in model.fold.test]
    values, means = np.zeros((2, features.values.shape[1]))
    seen, base = np.zeros(features.values.shape[1]), 0.0
    for model in models:
        fitted, kept = model.regression, model.kept
        weights = fitted.coefficients[first] - fitted.coefficients[second]
        values[kept] += weights * (features.values[patient, kept] - fitted.mean)
        means[kept] += fitted.mean
        seen[kept] += 1
        base += float(fitted.intercepts[first] - fitted.intercepts[second])
    mean = np.divide(means, seen, where=seen > 0, out=np.full_like(means, np.nan))
    margin = float(decision[first] - decision[second])
    return Contributions(first, second, margin, base / len(models), values / len(models), mean)


def latent_table(
    models: Sequence[FoldModel], features: Features, cohort: Cohort, classes: Sequence[str]
) -> pd.DataFrame:
    """Return the coefficients of all features that a model used, class by class, the strongest first.

    Returns
    -------
    pandas.DataFrame
        ``class, rank, latent, name``; ``effect_mean, effect_sd``: coefficient x standard deviation of the feature,
        log odds, mean and sd (n - 1) over all fold models (0 where the threshold removed it); ``sign_share``: share
        of the models whose sign is that of the mean; ``kept_share``: share that used it; ``coefficient_mean``: log
        odds per unit of the barcode. Rank is by the size of `effect_mean`.
    """
    n_features = features.values.shape[1]
    effects, plain = np.zeros((2, len(models), len(classes), n_features))
    used = np.zeros(n_features)
    for i, model in enumerate(models):
        fitted = model.regression
        effects[i][:, model.kept] = fitted.coefficients * fitted.sd
        plain[i][:, model.kept] = fitted.coefficients
        used[model.kept] += 1
    mean = effects.mean(axis=0)
    sd = effects.std(axis=0, ddof=1) if len(models) > 1 else np.full_like(mean, np.nan)
    same = ((np.sign(effects) == np.sign(mean)) & (mean != 0)).mean(axis=0)
    names = feature_names(features, cohort)
    tables = []
    for c, label in enumerate(classes):
        order = np.argsort(-np.abs(mean[c]), kind="stable")
        order = order[used[order] > 0]
        columns = {
            "class": label, "rank": np.arange(1, len(order) + 1), **{k: v[order] for k, v in names.items()},
            "effect_mean": mean[c, order], "effect_sd": sd[c, order], "sign_share": same[c, order],
            "kept_share": used[order] / len(models), "coefficient_mean": plain[:, c].mean(axis=0)[order],
        }  # fmt: skip
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def feature_names(features: Features, cohort: Cohort) -> dict[str, NDArray[np.object_]]:
    """Return for the barcode's features their key (the latent's number, or the concept) and their expert's name."""
    keys = cohort.latents["key"].to_numpy(dtype=object)[features.columns]
    if "name" not in cohort.latents:
        return {"latent": keys, "name": np.full(len(keys), "", dtype=object)}
    names = cohort.latents["name"].astype(object).fillna("").to_numpy(dtype=object)
    return {"latent": keys, "name": names[features.columns]}


@dataclass(frozen=True)
class Drivers:
    """What drove the predictions of all patients.

    Parameters
    ----------
    table : pandas.DataFrame
        Of each patient the features with the largest contributions: ``patient, predicted, against, rank, latent,
        name, contribution, speaks`` (for or against the prediction), ``value, training_mean, column``.
    summary : pandas.DataFrame
        One row per patient: ``predicted, against, margin, base, rest``; rest is the sum of the contributions that
        `table` does not list, so that margin = base + listed + rest.
    """

    table: pd.DataFrame
    summary: pd.DataFrame


def find_drivers(
    result: OutOfFold, features: Features, cohort: Cohort, classes: Sequence[str], n_drivers: int
) -> Drivers:
    """Return the features that drove each patient's prediction.

    Parameters
    ----------
    result : OutOfFold
        Predictions by barcodes.
    features : Features
        Barcodes of the participants.
    cohort : Cohort
        The participants.
    classes : sequence of str
        Their classes.
    n_drivers : int
        How many for each patient, by the size of the contribution.
    """
    names, patients = feature_names(features, cohort), cohort.patients
    tables, summary = [], []
    for patient in range(len(features.values)):
        found = contributions(result, features, patient)
        top = np.argsort(-np.abs(found.values), kind="stable")[:n_drivers]
        top = top[found.values[top] != 0]
        pair = {"predicted": classes[found.predicted], "against": classes[found.against]}
        rest = found.values.sum() - found.values[top].sum()
        summary.append({**pair, "margin": found.margin, "base": found.base, "rest": float(rest)})
        columns = {
            "patient": patients[patient], **pair, "rank": np.arange(1, len(top) + 1),
            **{key: values[top] for key, values in names.items()}, "contribution": found.values[top],
            "speaks": np.where(found.values[top] > 0, "for", "against"), "value": features.values[patient, top],
            "training_mean": found.mean[top], "column": features.columns[top],
        }  # fmt: skip
        tables.append(pd.DataFrame(columns))
    return Drivers(pd.concat(tables, ignore_index=True), pd.DataFrame(summary))
