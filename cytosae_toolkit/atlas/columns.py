"""Per-image values of a range of latents, latent by latent, and what is known of the images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.segments import rank_within


@dataclass(frozen=True)
class Columns:
    """Values of latents `first` … `first + n_latents - 1` on all images; only images on which they are active.

    Parameters
    ----------
    first, n_latents, n_images : int
        The range of latents, and how many images there are in all, active or not.
    indptr : int64 array [n_latents + 1]
        Entries ``indptr[s]`` … ``indptr[s + 1] - 1`` belong to latent ``first + s``.
    rows : int64 array [nnz]
        Row of the image, rising within each latent.
    mean : float32 array [nnz]
        Image mean m_i over all tokens, above 0.
    max : float32 array [nnz]
        Maximum over patches; 0 where only a prefix token fires.
    value : float32 array [nnz]
        What the aggregator makes of the image.
    peak : int32 array [nnz]
        Patch of the maximum; -1 where only a prefix token fires.
    """

    first: int
    n_latents: int
    n_images: int
    indptr: NDArray[np.int64]
    rows: NDArray[np.int64]
    mean: NDArray[np.float32]
    max: NDArray[np.float32]
    value: NDArray[np.float32]
    peak: NDArray[np.int32]

    @cached_property
    def latent(self) -> NDArray[np.int64]:
        """Latent of each entry, counted from `first`; int64 [nnz]."""
        return np.repeat(np.arange(self.n_latents), np.diff(self.indptr))

    @cached_property
    def ranking(self) -> NDArray[np.int64]:
        """Order of entries by latent, then falling mean, then row; int64 [nnz]."""
        falling = np.uint64(0xFFFFFFFF) - self.mean.view(np.uint32).astype(np.uint64)
        return np.argsort((self.latent.astype(np.uint64) << np.uint64(32)) | falling, kind="stable")

    @property
    def n_active(self) -> NDArray[np.int64]:
        """Number of images on which each latent is active, int64 [n_latents]."""
        return np.diff(self.indptr)

    def restrict(self, entries: NDArray[np.bool_]) -> Columns:
        """Return the same latents with only some entries, bool [nnz]."""
        counts = np.bincount(self.latent[entries], minlength=self.n_latents)
        return Columns(
            self.first,
            self.n_latents,
            self.n_images,
            np.concatenate([[0], np.cumsum(counts)]),
            self.rows[entries],
            self.mean[entries],
            self.max[entries],
            self.value[entries],
            self.peak[entries],
        )


@dataclass(frozen=True)
class ImageFacts:
    """What is known of the images, in the order of the rows; n images.

    Parameters
    ----------
    labels : int32 array [n]
        Position in `label_names`, -1 for none.
    label_names : list of str
        All labels; empty where the images have none.
    groups : int64 array [n]
        Number of the group (images of one cell), by first appearance.
    sets : int32 array [n]
        Position in `set_names`.
    set_names : list of str
        All image sets.
    patients : int32 array [n]
        Number of the patient, -1 for none.
    colour : float32 array [n, 9]
        Colour moments; NaN where unknown.
    nuclear_area, nc_ratio, cell_size : float64 array [n]
        Measured on the cell; NaN where unknown.
    keys : uint64 array [n]
        Pseudo-random number of each image, the same wherever its row lies.
    """

    labels: NDArray[np.int32]
    label_names: list[str]
    groups: NDArray[np.int64]
    sets: NDArray[np.int32]
    set_names: list[str]
    patients: NDArray[np.int32]
    colour: NDArray[np.float32]
    nuclear_area: NDArray[np.float64]
    nc_ratio: NDArray[np.float64]
    cell_size: NDArray[np.float64]
    keys: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.groups.max(initial=-1)) + 1

    @cached_property
    def group_sizes(self) -> NDArray[np.int64]:
        """Number of images of each group, int64 [n_groups]."""
        return np.bincount(self.groups, minlength=self.n_groups)

    @cached_property
    def representatives(self) -> NDArray[np.bool_]:
        """Which images stand for their group where each counts once: its first; bool [n]."""
        first = np.zeros(len(self), dtype=bool)
        first[np.unique(self.groups, return_index=True)[1]] = True
        return first

    @cached_property
    def group_labels(self) -> NDArray[np.int64]:
        """Label of each group: that of most of its labelled images, among equals of the earliest; int64 [n_groups]."""
        rows = np.flatnonzero(self.labels >= 0)
        pairs = self.groups[rows] * max(len(self.label_names), 1) + self.labels[rows]
        _, first, counts = np.unique(pairs, return_index=True, return_counts=True)
        first = rows[first]
        order = np.lexsort((first, -counts, self.groups[first]))
        best = first[order][rank_within(self.groups[first][order]) == 0]
        labels = np.full(self.n_groups, -1, dtype=np.int64)
        labels[self.groups[best]] = self.labels[best]
        return labels

    @property
    def labelled(self) -> bool:
        """Whether any image has a label."""
        return bool((self.labels >= 0).any())

    @cached_property
    def strata(self) -> NDArray[np.int64]:
        """What only is compared with its like, one image per group: the label of its group; int64 [n].

        0 for all where no image has a label; -1 for images that are not compared: all but the first of a group, and
        groups without a label where others have one.
        """
        label = self.group_labels[self.groups] if self.labelled else np.zeros(len(self), dtype=np.int64)
        return np.where(self.representatives, label, -1)

    @cached_property
    def alphabetical(self) -> NDArray[np.int64]:
        """Place of each label in alphabetical order, int64 [labels]: what decides between equals."""
        places = np.empty(len(self.label_names), dtype=np.int64)
        places[np.argsort(np.array(self.label_names, dtype=str), kind="stable")] = np.arange(len(self.label_names))
        return places
