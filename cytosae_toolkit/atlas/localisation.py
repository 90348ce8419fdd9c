"""Does a latent light up inside a structure? Share of activation inside a mask, recall, average precision.

For an image let h_j ≥ 0 be the activation of patch j and c_j the share of the patch that the mask covers. Over a set
of images

* share inside = Σ h_j c_j / Σ h_j, the activation of a patch being spread evenly over it;
* area share = Σ c_j / Σ 1, what a latent without any preference would reach;
* recall = Σ c_j 1(h_j > 0) / Σ c_j, the share of the mask's area on which the latent is active;
* average precision of the ranking by h, a patch counting as positive with weight c_j and negative with 1 - c_j.

No threshold is involved. AUROC is left out on purpose: it rewards dense latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def patch_coverage(mask: NDArray[np.bool_], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each patch that a mask covers.

    Parameters
    ----------
    mask : bool array [H, W]
        In original pixels.
    boxes : float64 array [patches, 4]
        ``x0, y0, x1, y1`` of each patch in the same pixels, half-open; edges may lie between pixels.

    Returns
    -------
    float64 array [patches]
        0 to 1. Exact: partly covered pixels count by their share.
    """
    integral = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    integral[1:, 1:] = mask.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    x0, y0, x1, y1 = boxes.T
    corners = _at(integral, y1, x1) - _at(integral, y0, x1) - _at(integral, y1, x0) + _at(integral, y0, x0)
    area = np.maximum((x1 - x0) * (y1 - y0), np.finfo(float).tiny)
    return np.asarray(np.clip(corners / area, 0.0, 1.0))


def _at(integral: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate an integral image bilinearly, which is exact for a mask of constant pixels."""
    y, x = np.clip(y, 0, integral.shape[0] - 1), np.clip(x, 0, integral.shape[1] - 1)
    row, column = np.floor(y).astype(int), np.floor(x).astype(int)
    below, right = np.minimum(row + 1, integral.shape[0] - 1), np.minimum(column + 1, integral.shape[1] - 1)
    v, u = y - row, x - column
    upper = integral[row, column] * (1 - u) + integral[row, right] * u
    lower = integral[below, column] * (1 - u) + integral[below, right] * u
    mixed: NDArray[np.float64] = upper * (1 - v) + lower * v
    return mixed


class OverlapAccumulator:
    """Accumulate overlap of many units (latents, token dimensions, …) with several masks, image by image.

    Parameters
    ----------
    n_units, n_masks : int
        Sizes.
    """

    def __init__(self, n_units: int, n_masks: int) -> None:
        self.inside = np.zeros((n_units, n_masks))
        self.total = np.zeros(n_units)
        self.reached = np.zeros((n_units, n_masks))
        self.covered = np.zeros(n_masks)
        self.active = np.zeros(n_units)
        self.n_patches = 0

    def update(self, h: NDArray[np.floating[Any]], coverage: NDArray[np.float64]) -> None:
        """Add one image or several.

        Parameters
        ----------
        h : float array [patches, n_units]
            Activations, not negative.
        coverage : float64 array [patches, n_masks]
            Share of each patch that each mask covers.
        """
        active = h > 0
        self.inside += h.T @ coverage
        self.total += h.sum(axis=0, dtype=np.float64)
        self.reached += active.T.astype(np.float32) @ coverage
        self.covered += coverage.sum(axis=0)
        self.active += active.sum(axis=0)
        self.n_patches += len(h)

    @property
    def share_inside(self) -> NDArray[np.float64]:
        """Share of activation inside, [n_units, n_masks]; 0 for units that never fire."""
        return np.divide(
            self.inside, self.total[:, None], out=np.zeros_like(self.inside), where=self.total[:, None] > 0
        )

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the masks' area on which each unit is active, [n_units, n_masks]; 0 where a mask is empty."""
        return np.divide(self.reached, self.covered, out=np.zeros_like(self.reached), where=self.covered > 0)

    @property
    def area_share(self) -> NDArray[np.float64]:
        """Share of all patches' area that each mask covers, [n_masks]."""
        return self.covered / max(self.n_patches, 1)

    @property
    def density(self) -> NDArray[np.float64]:
        """Share of patches on which each unit is active, [n_units]."""
        return self.active / max(self.n_patches, 1)

    def match(self) -> NDArray[np.float64]:
        """Return how well each unit matches each mask: harmonic mean of share inside and recall, [n_units, n_masks]."""
        total = self.share_inside + self.recall
        return np.divide(2 * self.share_inside * self.recall, total, out=np.zeros_like(total), where=total > 0)

    def best(self, mask: int) -> int:
        """Return the unit that matches a mask best; the lowest index among equals."""
        return int(np.argmax(self.match()[:, mask]))


@dataclass(frozen=True)
class Localisation:
    """How one unit lies in one mask over a set of images; definitions at the top of this module.

    Parameters
    ----------
    unit : int
        Latent, dimension, …
    share_inside, area_share, recall, average_precision : float
        0 to 1.
    density : float
        Share of patches on which the unit is active.
    """

    unit: int
    share_inside: float
    area_share: float
    recall: float
    average_precision: float
    density: float


def localise(h: NDArray[np.floating[Any]], coverage: NDArray[np.float64], unit: int = 0) -> Localisation:
    """Measure one unit against one mask.

    Parameters
    ----------
    h : float array [n]
        Activation of patches, of any number of images one after the other.
    coverage : float64 array [n]
        Share of each patch that the mask covers.
    unit : int
        Which unit it is; only recorded.
    """
    overlap = OverlapAccumulator(1, 1)
    overlap.update(np.asarray(h, dtype=np.float64)[:, None], coverage[:, None])
    return Localisation(
        unit=unit,
        share_inside=float(overlap.share_inside[0, 0]),
        area_share=float(overlap.area_share[0]),
        recall=float(overlap.recall[0, 0]),
        average_precision=weighted_average_precision(h, coverage),
        density=float(overlap.density[0]),
    )


def weighted_average_precision(h: NDArray[np.floating[Any]], coverage: NDArray[np.float64]) -> float:
    """Return the average precision of the ranking by `h`; 0 where the mask is empty.

    Parameters
    ----------
    h : float array [n]
        Scores.
    coverage : float64 array [n]
        Weight with which each patch counts as positive; 1 minus it counts as negative.
    """
    from sklearn.metrics import average_precision_score

    if coverage.sum() == 0:
        return 0.0
    truth = np.concatenate([np.ones(len(h)), np.zeros(len(h))])
    weights = np.concatenate([coverage, 1 - coverage])
    keep = weights > 0
    return float(average_precision_score(truth[keep], np.concatenate([h, h])[keep], sample_weight=weights[keep]))
