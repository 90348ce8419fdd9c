"""Do latents lie in structures? One unit per structure is chosen on half of the groups and reported on the other.

The chosen unit has the largest share of its activation inside the structure among those that are active on at least
2 % of the patches; definitions of the reported numbers in `cytosae_toolkit.atlas.localisation`. Baselines are chosen
and reported alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.card.masks import Structures, masks_of
from cytosae_toolkit.atlas.localisation import OverlapAccumulator, localise
from cytosae_toolkit.atlas.units import MaskedImage, Units, masked_images

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.progress import Progress
    from cytosae_toolkit.training.evaluation import TokenImages

MIN_DENSITY = 0.02
"""Share of patches on which a unit must be active to be chosen."""


@dataclass(frozen=True)
class MaskedSet:
    """Images with masks, their tokens in the same order, and what the masks mean."""

    images: ImageTable
    tokens: TokenImages
    backbone: Backbone
    structures: Structures

    def samples(self, rows: NDArray[np.int64], progress: Progress, description: str) -> Iterator[MaskedImage]:
        """Yield some images, one by one, under a bar."""
        chosen = _Rows(self.tokens, rows)
        found = masked_images(
            self.images.subset(rows),
            chosen,
            self.backbone,
            lambda i: masks_of(self.images, int(rows[i]), self.structures),
        )
        with progress.task(description, len(rows), "images") as task:
            for sample in found:
                yield sample
                task.advance()


@dataclass(frozen=True)
class _Rows:
    tokens: TokenImages
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, indices: Any) -> NDArray[Any]:
        return self.tokens.read(self.rows[np.asarray(indices)])


def halves(groups: NDArray[np.str_], seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows in two, whole groups at a time, at random.

    Returns
    -------
    int64 array, int64 array
        Rows to choose on and rows to report on, ascending; with one group the second is empty.
    """
    names, codes = np.unique(groups, return_inverse=True)
    first = np.random.default_rng(seed).permutation(len(names)) < (len(names) + 1) // 2
    return np.flatnonzero(first[codes]), np.flatnonzero(~first[codes])


def overlaps(kinds: Mapping[str, Units], samples: Iterable[MaskedImage]) -> dict[str, OverlapAccumulator]:
    """Accumulate the overlap of several kinds of units with all structures, decoding every image once."""
    found: dict[str, OverlapAccumulator] = {}
    for sample in samples:
        for name, units in kinds.items():
            h = units(sample.tokens, sample.image, sample.boxes)
            if name not in found:
                found[name] = OverlapAccumulator(h.shape[1], sample.coverage.shape[1])
            found[name].update(h, sample.coverage)
    return found


def choose(overlap: OverlapAccumulator, structure: int, min_density: float = MIN_DENSITY) -> int | None:
    """Return the unit with the largest share inside among those dense enough; None if none is."""
    share = np.where(overlap.density >= min_density, overlap.share_inside[:, structure], -1.0)
    return int(np.argmax(share)) if share.max() >= 0 else None


def localise_kinds(
    kinds: Mapping[str, Units],
    samples: Callable[[bool], Iterable[MaskedImage]],
    structures: list[str],
    *,
    min_density: float = MIN_DENSITY,
) -> list[dict[str, Any]]:
    """Choose one unit of each kind for each structure, and measure it on other images.

    Parameters
    ----------
    kinds : mapping of str to Units
        The SAE's latents and baselines.
    samples : callable
        Called with True for the images to choose on, with False for those to report on.
    structures : list of str
        Names, in the order of the coverages.
    min_density : float
        Share of patches on which a unit must be active to be chosen.

    Returns
    -------
    list of dict
        `structure`, `kind`, `n_units` and the fields of `Localisation`; the last are absent where no unit is dense
        enough.
    """
    seen = overlaps(kinds, samples(True))
    chosen = {name: [choose(seen[name], s, min_density) for s in range(len(structures))] for name in kinds}
    activations, coverage = _chosen_activations(kinds, chosen, samples(False))
    rows = []
    for s, structure in enumerate(structures):
        for name in kinds:
            unit = chosen[name][s]
            row: dict[str, Any] = {"structure": structure, "kind": name, "n_units": len(seen[name].total)}
            if unit is not None:
                row |= asdict(localise(activations[name][:, s], coverage[:, s], unit))
            rows.append(row)
    return rows


def _chosen_activations(
    kinds: Mapping[str, Units], chosen: Mapping[str, list[int | None]], samples: Iterable[MaskedImage]
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float64]]:
    """Return activations [patches, structures] of each kind's chosen units (0 where none is), and coverage."""
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in kinds}
    coverages = []
    for sample in samples:
        coverages.append(sample.coverage)
        for name, units in kinds.items():
            columns = [unit or 0 for unit in chosen[name]]
            parts[name].append(units(sample.tokens, sample.image, sample.boxes)[:, columns])
    return {name: np.concatenate(part) for name, part in parts.items()}, np.concatenate(coverages)
