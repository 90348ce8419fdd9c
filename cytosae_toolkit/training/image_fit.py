"""How well an SAE fits single images, and which images are unlike those that it was trained on.

For one image with tokens x_j (prefix included), reconstructions x̂_j and latents z_j, and with the mean token x̄ of the
training sample,

* FVU = Σ_j ‖x_j - x̂_j‖² / Σ_j ‖x_j - x̄‖²: x̄ is the training images', so that an image is not judged by itself. A
  dimension that holds more than half of the training tokens' variance is left out, as in the robust FVU of
  `cytosae_toolkit.training.metrics`: with it, even noise looks well explained;
* L0 = mean number of latents above 0 per token.

Their quantiles over up to 512 training images say what is usual. With q_p the p % quantile, an image is *unlike* the
training images if

* FVU > q99 + (q99 - q50): much of it is not explained (a small FVU is never suspicious), or
* L0 < q1 - ½ (q50 - q1) or L0 > q99 + ½ (q99 - q50): it needs far fewer or far more latents.

The margin of the FVU is the wider one because images that were not trained on are always explained a little worse.
Fewer than 20 training images are no yardstick: then no image counts as unlike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT
from cytosae_toolkit.training.token_spread import TokenSpread, images_of

if TYPE_CHECKING:
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder
    from cytosae_toolkit.progress import Progress, Task
    from cytosae_toolkit.training.evaluation import TokenImages
    from cytosae_toolkit.training.run import Run

__all__ = [
    "ImageFit",
    "TokenSpread",
    "fit_image",
    "fit_images",
    "measure_training_images",
    "training_sample_size",
    "unlike_share",
]

PERCENT = (0, 1, 5, 25, 50, 75, 95, 99, 100)
MAX_IMAGES = 512
MIN_IMAGES = 20
FVU_MARGIN, L0_MARGIN = 1.0, 0.5
"""Part of the distance from the median to an outer quantile by which an image may lie beyond that quantile."""

_Q1, _MEDIAN, _Q99 = PERCENT.index(1), PERCENT.index(50), PERCENT.index(99)


@dataclass(frozen=True)
class ImageFit:
    """What is usual among the training images of a run.

    Parameters
    ----------
    n_images : int
        Training images that were measured.
    fvu, l0 : tuple of float
        Quantiles at `PERCENT`.
    spread : TokenSpread
        Of the tokens of these images.
    side : tuple of float
        Median and maximum of the longer sides of training images, in pixels of the originals: what a field is told
        from. Empty where it is unknown.
    cell_size : float or None
        Median share of a training image that its white cell covers, their field of view: how cells of a field are
        cropped. None where no cells were found.
    """

    n_images: int
    fvu: tuple[float, ...]
    l0: tuple[float, ...]
    spread: TokenSpread
    side: tuple[float, ...] = ()
    cell_size: float | None = None

    @classmethod
    def of_values(cls, fvu: NDArray[np.float64], l0: NDArray[np.float64], spread: TokenSpread) -> ImageFit:
        """Summarise the values of training images, each float64 [n]."""
        return cls(len(fvu), _quantiles(fvu), _quantiles(l0), spread)

    def with_view(self, sides: Sequence[int], cell_sizes: Sequence[float]) -> ImageFit:
        """Return the same with what training images show.

        Parameters
        ----------
        sides : sequence of int
            Their longer sides, pixels.
        cell_sizes : sequence of float
            Shares that their cells cover; NaN where none was found.
        """
        found = [size for size in cell_sizes if np.isfinite(size)]
        return replace(
            self,
            side=(float(np.median(sides)), float(max(sides))) if len(sides) else (),
            cell_size=float(np.median(found)) if found else None,
        )

    @classmethod
    def of_run(cls, run: Run) -> ImageFit | None:
        """Return what a finished run recorded, or None if it recorded nothing, such as an imported one."""
        recorded = run.evaluation.get("image_fit")
        return None if recorded is None else cls.from_json(recorded)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ImageFit:
        """Read what `to_json` wrote.

        Raises
        ------
        CytosaeError
            If it is something else.
        """
        try:
            fvu, l0 = (tuple(map(float, value[name]["quantiles"])) for name in ("fvu", "l0"))
            mean = tuple(map(float, value["token_mean"]))
            spread = TokenSpread(mean, tuple(map(int, value["dimensions_excluded"])))
            n_images, percent = int(value["n_images"]), tuple(value["percent"])
            side = tuple(map(float, value.get("side", ())))
            cell_size = None if value.get("cell_size") is None else float(value["cell_size"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged() from error
        if percent != PERCENT or len(fvu) != len(PERCENT) or len(l0) != len(PERCENT):
            raise _damaged()
        return cls(n_images, fvu, l0, spread, side, cell_size)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-compatible values."""
        return {
            "n_images": self.n_images,
            "percent": list(PERCENT),
            "fvu": {"quantiles": list(self.fvu)},
            "l0": {"quantiles": list(self.l0)},
            "dimensions_excluded": list(self.spread.excluded),
            "side": list(self.side),
            "cell_size": self.cell_size,
            "token_mean": list(self.spread.mean),
        }

    @property
    def fvu_limit(self) -> float:
        """Largest FVU that is not unlike the training images."""
        return _beyond(self.fvu, _Q99, FVU_MARGIN)

    @property
    def l0_limits(self) -> tuple[float, float]:
        """Smallest and largest L0 that are not unlike the training images."""
        return _beyond(self.l0, _Q1, L0_MARGIN), _beyond(self.l0, _Q99, L0_MARGIN)

    def judge(self, fvu: float, l0: float) -> bool:
        """Return whether an image is unlike the training images; see the top of this module."""
        if self.n_images < MIN_IMAGES:
            return False
        lowest, highest = self.l0_limits
        return not (fvu <= self.fvu_limit and lowest <= l0 <= highest)


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.percentile(values, PERCENT).tolist())


def _beyond(quantiles: Sequence[float], outer: int, margin: float) -> float:
    return quantiles[outer] + margin * (quantiles[outer] - quantiles[_MEDIAN])


def _damaged() -> CytosaeError:
    return CytosaeError(
        "The record image_fit of a run is damaged: it lacks the quantiles of FVU and L0.", "Train again with --force."
    )


@torch.no_grad()
def fit_image(sae: SparseAutoencoder, tokens: NDArray[Any], spread: TokenSpread, device: str) -> tuple[float, float]:
    """Return FVU and L0 of one image from its tokens, float [n_tokens, d_model]."""
    x = torch.from_numpy(tokens.astype(np.float32)).to(device)
    latents = sae.encode(x)
    return spread.fvu(x, sae.decode(latents)), float((latents > 0).sum()) / len(latents)


def fit_images(
    sae: SparseAutoencoder,
    view: TokenImages,
    indices: NDArray[np.integer[Any]],
    spread: TokenSpread,
    *,
    device: str = "cpu",
) -> Iterator[tuple[float, float]]:
    """Yield FVU and L0 of images in the order given; one image is encoded at a time, so none depends on another.

    Parameters
    ----------
    sae : SparseAutoencoder
        On `device`.
    view : TokenImages
        Their tokens.
    indices : int array [n]
        Positions in the view.
    spread : TokenSpread
        Of the training images.
    device : str
        Where to compute.
    """
    for tokens in images_of(view, indices):
        yield fit_image(sae, tokens, spread, device)


def unlike_share(
    run: Run, sae: SparseAutoencoder, view: TokenImages, *, device: str = "cpu", progress: Progress = SILENT
) -> float | None:
    """Return the share of images unlike the training images, None if the run did not record those.

    Parameters
    ----------
    run : Run
        Knows its training images.
    sae : SparseAutoencoder
        The run's, on `device`.
    view : TokenImages
        Tokens of the images.
    device : str
        Where to compute.
    progress : Progress
        Where to report.
    """
    usual = ImageFit.of_run(run)
    if usual is None or not len(view):
        return None
    n_unlike = 0
    with progress.task("Comparing with the training images", len(view), "images") as task:
        for fit in fit_images(sae, view, np.arange(len(view)), usual.spread, device=device):
            n_unlike += usual.judge(*fit)
            task.advance()
    return n_unlike / len(view)


def measure_training_images(
    sae: SparseAutoencoder,
    view: TokenImages,
    indices: NDArray[np.int64],
    *,
    seed: int,
    device: str = "cpu",
    task: Task | None = None,
) -> ImageFit:
    """Measure what is usual among training images.

    Parameters
    ----------
    sae : SparseAutoencoder
        Trained, on `device`.
    view : TokenImages
        Tokens.
    indices : int array [n]
        Positions of the training images, n ≥ 1; at most 512 of them are drawn.
    seed : int
        Decides which.
    device : str
        Where to compute.
    task : Task, optional
        Told of each image; `training_sample_size` is their number.
    """
    n = training_sample_size(indices)
    chosen = np.sort(np.random.default_rng(seed).choice(indices, n, replace=False))
    spread = TokenSpread.of_images(view, chosen)
    values = []
    for fit in fit_images(sae, view, chosen, spread, device=device):
        values.append(fit)
        if task is not None:
            task.advance(1)
    fvu, l0 = np.array(values, dtype=np.float64).T
    return ImageFit.of_values(fvu, l0, spread)


def training_sample_size(indices: NDArray[np.int64]) -> int:
    """Return how many of the training images `measure_training_images` looks at."""
    return min(len(indices), MAX_IMAGES)
