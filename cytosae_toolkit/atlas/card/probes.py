"""How few latents tell the classes apart? k-sparse probes beside a dense probe and baselines.

For every class the k features with the largest |difference of means| between the class and the rest, in units of
the feature's standard deviation, are chosen *within the training folds*; a logistic regression on them scores the
class against the rest, and the class with the best score is predicted. The dense probe is a multinomial logistic
regression on all features. Folds keep groups whole; scaling, rotation and choice see the training folds alone.
Features are standardised and, for the dense probe, divided by the root of their number, so that one strength of
regularisation means the same for ten features and for ten thousand.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

KS = (1, 5, 20)
N_FOLDS = 5
STRENGTH = 100.0
"""scikit-learn's C of the dense probe on standardised features divided by the root of their number."""
ITERATIONS = 300
IMAGES_PER_COMPONENT = 3

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
Predict = Callable[[Any, NDArray[np.str_], Any], NDArray[np.str_]]


@dataclass(frozen=True)
class Score:
    """Scores over folds: mean and standard deviation (n - 1), 0 to 1."""

    weighted_f1: float
    weighted_f1_sd: float
    balanced_accuracy: float
    balanced_accuracy_sd: float


@dataclass(frozen=True)
class Labelled:
    """The images that take part.

    Parameters
    ----------
    rows : int64 array [n]
        Their rows.
    labels : str array [n]
        Classes, each of at least as many groups as there are folds.
    folds : list of (int64 array, int64 array)
        Positions among `rows` to train and to test on.
    left_out : tuple of str
        Classes of fewer groups.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.str_]
    folds: list[Fold]
    left_out: tuple[str, ...]


def labelled(labels: NDArray[np.object_], groups: NDArray[np.str_], *, seed: int = 0) -> Labelled | None:
    """Choose images and folds: five, fewer only where fewer than two classes have five groups.

    Parameters
    ----------
    labels : object array [n_images]
        str, or None where unknown.
    groups : str array [n_images]
        Never on both sides of a fold.
    seed : int
        Shuffles.

    Returns
    -------
    Labelled or None
        None with fewer than two classes of two groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    n_groups = {
        str(name): len(np.unique(groups[labels == name])) for name in sorted({x for x in labels if x is not None})
    }
    n_folds = min(N_FOLDS, *sorted(n_groups.values())[-2:]) if len(n_groups) > 1 else 0
    if n_folds < 2:
        return None
    kept = [name for name, n in n_groups.items() if n >= n_folds]
    rows = np.flatnonzero(np.isin([str(name) for name in labels], kept) & np.array([x is not None for x in labels]))
    chosen = labels[rows].astype(np.str_)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    folds = list(splitter.split(rows, chosen, groups[rows]))
    return Labelled(rows, chosen, folds, tuple(name for name in n_groups if name not in kept))


def probe(features: Any, data: Labelled, predict: Predict) -> Score:
    """Score a probe over the folds.

    Parameters
    ----------
    features : float array or CSR matrix [n_images, n_features]
        Of all images.
    data : Labelled
        Which take part, and the folds.
    predict : callable
        From training features, training labels and test features to predicted labels.
    """
    chosen = features[data.rows]
    scores = []
    for train, test in data.folds:
        predicted = predict(chosen[train], data.labels[train], chosen[test])
        scores.append(_scores(data.labels[test], predicted))
    mean, sd = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=1)
    return Score(float(mean[0]), float(sd[0]), float(mean[1]), float(sd[1]))


def _scores(truth: NDArray[np.str_], predicted: NDArray[np.str_]) -> tuple[float, float]:
    from sklearn.metrics import f1_score, recall_score

    names = np.unique(truth)  # a class without test images has no recall
    f1 = f1_score(truth, predicted, average="weighted", zero_division=0)
    recall = recall_score(truth, predicted, labels=names, average="macro", zero_division=0)
    return float(f1), float(recall)


def dense(train: Any, labels: NDArray[np.str_], test: Any) -> NDArray[np.str_]:
    """Predict with a multinomial logistic regression on all features."""
    return np.asarray(fit_dense(train, labels)(test))


def fit_dense(train: Any, labels: NDArray[np.str_]) -> Callable[[Any], NDArray[np.str_]]:
    """Fit the dense probe; return what predicts."""
    scaler = _scaler(train).fit(train)
    root = np.sqrt(train.shape[1])
    model = _regression(STRENGTH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fixed number of iterations is meant
        model.fit(scaler.transform(train) / root, labels)
    return lambda test: np.asarray(model.predict(scaler.transform(test) / root))


def k_sparse(k: int) -> Predict:
    """Return the probe that sees k features per class."""

    def predict(train: Any, labels: NDArray[np.str_], test: Any) -> NDArray[np.str_]:
        names = np.unique(labels)
        chosen = best_features(train, labels, names, k)
        scores = [
            _one_against_rest(_dense(train[:, columns]), labels == name, _dense(test[:, columns]))
            for name, columns in zip(names, chosen, strict=True)
        ]
        return np.asarray(names[np.argmax(scores, axis=0)])

    return predict


def best_features(train: Any, labels: NDArray[np.str_], names: NDArray[np.str_], k: int) -> list[NDArray[np.int64]]:
    """Return for each class the k features whose standardised mean differs most from the rest's, best first."""
    members = (labels[None, :] == names[:, None]).astype(np.float64)
    sums = _dense(sparse.csr_array(members) @ train if sparse.issparse(train) else members @ train)
    n, total = members.sum(axis=1, keepdims=True), sums.sum(axis=0)
    rest = np.maximum(len(labels) - n, 1)
    scale = np.sqrt(_scaler(train).fit(train).var_)
    differences = np.abs(sums / n - (total - sums) / rest)
    differences = np.divide(differences, scale, out=np.zeros_like(differences), where=scale > 0)
    return [np.argsort(-row, kind="stable")[:k] for row in differences]


def _one_against_rest(train: NDArray[Any], truth: NDArray[np.bool_], test: NDArray[Any]) -> NDArray[np.float64]:
    scaler = _scaler(train).fit(train)
    model = _regression(1.0).fit(scaler.transform(train), truth)
    return np.asarray(model.decision_function(scaler.transform(test)))


def rotated(predict: Predict) -> Predict:
    """Return the same probe on the leading principal components, which are fitted to the training folds.

    At most one component for three training images: the last ones hardly vary there, and say nothing elsewhere.
    """
    from sklearn.decomposition import PCA

    def on_components(train: Any, labels: NDArray[np.str_], test: Any) -> NDArray[np.str_]:
        n = max(1, min(train.shape[1], len(train) // IMAGES_PER_COMPONENT))
        pca = PCA(n, svd_solver="full").fit(train)
        return predict(pca.transform(train), labels, pca.transform(test))

    return on_components


def most_frequent(train: Any, labels: NDArray[np.str_], test: Any) -> NDArray[np.str_]:
    """Predict the most frequent class of the training folds: what knowing nothing gives."""
    names, counts = np.unique(labels, return_counts=True)
    return np.full(test.shape[0], names[np.argmax(counts)])


def probe_all(features: Mapping[str, Any], data: Labelled, ks: tuple[int, ...] = KS) -> dict[str, dict[str, Score]]:
    """Score k-sparse and dense probes on several feature matrices.

    Returns
    -------
    dict
        By name of the features: ``"k=1"`` … (only k below the number of features) and ``"dense"``.
    """
    return {name: _all_probes(matrix, data, ks, lambda probe: probe) for name, matrix in features.items()}


def probe_components(features: NDArray[Any], data: Labelled, ks: tuple[int, ...] = KS) -> dict[str, Score]:
    """Score k-sparse probes on principal components of features, fitted to the training folds."""
    scores = _all_probes(features, data, ks, rotated)
    return {name: score for name, score in scores.items() if name != "dense"}  # as on the features themselves


def _all_probes(
    matrix: Any, data: Labelled, ks: tuple[int, ...], wrap: Callable[[Predict], Predict]
) -> dict[str, Score]:
    sparse_ones = {f"k={k}": probe(matrix, data, wrap(k_sparse(k))) for k in ks if k < matrix.shape[1]}
    return sparse_ones | {"dense": probe(matrix, data, wrap(dense))}


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=ITERATIONS)


def _scaler(train: Any) -> Any:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler(with_mean=not sparse.issparse(train))


def _dense(matrix: Any) -> NDArray[Any]:
    return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix)
