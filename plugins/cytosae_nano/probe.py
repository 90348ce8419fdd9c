"""Linear probes: what can be read off the patch tokens, beside the same network untrained and plain colour.

python -m cytosae_nano.probe --weights nano.safetensors --table manifest.csv --part wbc_bccd --part wbc_chula
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from cytosae_nano.architecture import IMAGE_SIZE, PATCH_SIZE, build
from cytosae_nano.masked import normalise
from cytosae_toolkit.demo import CELL_CLASSES, MASKS, generate_cell
from cytosae_toolkit.errors import CytosaeError

Floats = NDArray[np.float32]
Pictures = NDArray[np.uint8]

LAYER = -2
FILLED = 0.2
"""Share of a patch's pixels from which on it counts as showing a structure."""


def load_network(weights: Path | None, seed: int = 0) -> torch.nn.Module:
    """Return the network with the weights of a file, or untrained where none is given."""
    torch.manual_seed(seed)
    network = build()
    if weights is not None:
        network.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
    return network.eval()


@torch.inference_mode()
def patch_tokens(network: torch.nn.Module, pictures: Pictures) -> Floats:
    """Return the patch tokens of layer -2 (residual stream, before the final norm).

    Parameters
    ----------
    network : timm VisionTransformer
        From `load_network`.
    pictures : uint8 array [N, 128, 128, 3]
        RGB.

    Returns
    -------
    float32 array [N, 256, d_model]
    """
    parts = []
    for batch in np.array_split(pictures, max(1, len(pictures) // 32)):
        x = normalise(torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float() / 255)
        (tokens,) = network.get_intermediate_layers(x, n=[len(network.blocks) + LAYER])  # type: ignore[operator, arg-type]
        parts.append(tokens.numpy())
    return np.concatenate(parts)


def colour_patches(pictures: Pictures) -> Floats:
    """Return mean, standard deviation and skewness of each colour per patch: float32 [N, 256, 9]."""
    n, p, side = len(pictures), PATCH_SIZE, IMAGE_SIZE // PATCH_SIZE
    x = pictures.reshape(n, side, p, side, p, 3).transpose(0, 1, 3, 2, 4, 5).reshape(n, side * side, p * p, 3)
    return _moments(np.asarray(x / 255, dtype=np.float32), axis=2)


def colour_images(pictures: Pictures) -> Floats:
    """Return mean, standard deviation and skewness of each colour per picture: float32 [N, 9]."""
    return _moments(np.asarray(pictures.reshape(len(pictures), -1, 3) / 255, dtype=np.float32), axis=1)


def _moments(x: Floats, axis: int) -> Floats:
    mean, std = x.mean(axis, keepdims=True), x.std(axis, keepdims=True)
    skew = (((x - mean) / (std + 1e-3)) ** 3).mean(axis)
    return np.concatenate([mean.squeeze(axis), std.squeeze(axis), skew], -1)


def generated_patches(n: int, seed: int) -> tuple[Pictures, NDArray[np.float64]]:
    """Generate crops and how far each of `MASKS` fills each patch.

    Returns
    -------
    pictures : uint8 array [n, 128, 128, 3]
    filled : float64 array [n, 256, masks]
        Share of the patch's pixels, 0-1.
    """
    pictures, filled = [], []
    for i in range(n):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,)))
        cell = generate_cell(CELL_CLASSES[i % len(CELL_CLASSES)], rng, size=IMAGE_SIZE)
        pictures.append(cell.image)
        filled.append(np.stack([_fill(cell.masks[name]) for name in MASKS], -1))
    return np.stack(pictures), np.stack(filled)


def _fill(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    side = IMAGE_SIZE // PATCH_SIZE
    return np.asarray(mask.reshape(side, PATCH_SIZE, side, PATCH_SIZE).mean((1, 3)).ravel())


def probe_masks(features: Callable[[Pictures], Floats], n: int = 140, seed: int = 1_000_003) -> dict[str, float]:
    """Fit a logistic regression per mask on `n` generated crops and test it on `n` fresh ones.

    Parameters
    ----------
    features : callable
        Pictures uint8 [N, 128, 128, 3] → features float32 [N, 256, d].
    n, seed : int
        Number of crops on either side and where they come from.

    Returns
    -------
    dict of str to float
        Average precision per mask: does the patch hold at least a fifth of the structure?
    """
    from sklearn.metrics import average_precision_score

    (train, train_fill), (test, test_fill) = generated_patches(n, seed), generated_patches(n, seed + 1)
    x, fresh = features(train), features(test)
    scores = {}
    for m, name in enumerate(MASKS):
        model = _classifier().fit(x.reshape(-1, x.shape[-1]), train_fill[..., m].ravel() >= FILLED)
        score = model.decision_function(fresh.reshape(-1, x.shape[-1]))
        scores[name] = float(average_precision_score(test_fill[..., m].ravel() >= FILLED, score))
    return scores


def probe_classes(features: Floats, labels: NDArray[Any], groups: NDArray[Any], folds: int = 5) -> tuple[float, float]:
    """Cross-validate a logistic regression of the cell class, each group on one side of every split.

    Parameters
    ----------
    features : float32 array [N, d]
        One row per picture.
    labels, groups : array [N]
        Class and group of each picture.
    folds : int
        Number of folds.

    Returns
    -------
    (float, float)
        Weighted F1 and balanced accuracy of the pooled predictions.
    """
    from sklearn.metrics import balanced_accuracy_score, f1_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    split = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    predicted = cross_val_predict(_classifier(), features, labels, groups=groups, cv=split)
    f1 = f1_score(labels, predicted, average="weighted")
    return float(f1), float(balanced_accuracy_score(labels, predicted))


def _classifier() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300, class_weight="balanced"))


def token_statistics(tokens: Floats) -> dict[str, float]:
    """Measure whether a few tokens or dimensions dominate.

    Parameters
    ----------
    tokens : float32 array [N, 256, d]

    Returns
    -------
    dict of str to float
        Median and greatest norm, largest share of the variance in one dimension, share of the variance
        that the place in the picture alone explains, and the participation ratio of the covariance's
        eigenvalues (how many dimensions are used).
    """
    norms = np.linalg.norm(tokens, axis=-1)
    flat = tokens.reshape(-1, tokens.shape[-1])
    variance = flat.var(0)
    eigenvalues = np.linalg.eigvalsh(np.cov(flat.T.astype(np.float64)))
    return {
        "median_norm": float(np.median(norms)),
        "max_norm": float(norms.max()),
        "largest_dimension_share": float(variance.max() / variance.sum()),
        "position_share": float(tokens.mean(0).var(0).sum() / variance.sum()),
        "participation_ratio": float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum()),
    }


def read_pictures(table: pd.DataFrame, root: Path) -> Pictures:
    """Read the pictures of a table, whole, resized to the network's input: uint8 [N, 128, 128, 3]."""
    pictures = []
    for path in table["path"]:
        with Image.open(root / path) as image:
            resized = image.convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)
            pictures.append(np.asarray(resized))
    return np.stack(pictures)


def read_table(path: Path, part: str | None) -> pd.DataFrame:
    """Read a CSV with the columns path (or file), label, group; keep one `part` where one is named."""
    table = pd.read_csv(path).rename(columns={"file": "path"})
    missing = {"path", "label", "group"} - set(table.columns)
    if missing:
        raise CytosaeError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    table = table if part is None else table[table["part"] == part]
    if table.empty:
        raise CytosaeError(f"{path} has no rows of part {part!r}.")
    return table.reset_index(drop=True)


def report(weights: Path, table: Path | None, parts: list[str]) -> dict[str, Any]:
    """Run all probes for the trained network, the untrained one and colour; see `main` for the command."""
    trained, untrained = load_network(weights), load_network(None)
    tokens = {"trained": trained, "untrained": untrained}
    patch: dict[str, Callable[[Pictures], Floats]] = {
        name: lambda pictures, network=network: patch_tokens(network, pictures)  # type: ignore[misc]
        for name, network in tokens.items()
    }
    result: dict[str, Any] = {
        "masks": {name: probe_masks(f) for name, f in {**patch, "colour": colour_patches}.items()},
        "tokens": {name: token_statistics(f(generated_patches(70, 7)[0])) for name, f in patch.items()},
    }
    image = {name: lambda p, f=f: f(p).mean(1) for name, f in patch.items()} | {"colour": colour_images}
    for part in parts if table is not None else []:
        rows = read_table(Path(str(table)), part)
        pictures = read_pictures(rows, Path(str(table)).parent)
        labels, groups = rows["label"].to_numpy(), rows["group"].to_numpy()
        result[part] = {name: probe_classes(f(pictures), labels, groups) for name, f in image.items()}
    return result


def main() -> None:
    """Parse the command line, probe, print JSON."""
    parser = argparse.ArgumentParser(description="Probe the demonstration backbone.")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file of cytosae_nano.train")
    parser.add_argument("--table", type=Path, help="CSV of real cells: path, label, group, part")
    parser.add_argument("--part", action="append", default=[], help="part of the table; repeat for several")
    args = parser.parse_args()
    print(json.dumps(report(args.weights, args.table, args.part), indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
