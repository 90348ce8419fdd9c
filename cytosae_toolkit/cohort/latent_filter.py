"""Which latents are tested: chosen without looking at the groups, so that few tests are spent on silence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.errors import CytosaeError

FEWEST_PATIENTS = 2


@dataclass(frozen=True)
class LatentFilter:
    """Latents that are tested, and how many are not.

    Parameters
    ----------
    columns : int64 array
        Of the barcodes, rising.
    n_latents : int
        All.
    n_silent, n_rare, n_weak, n_constant : int
        Left out: zero in every patient; non-zero in too few; of too small a mean; equal in all patients. Each is
        counted under the first that holds.
    min_patients : int
        In how many patients a latent must occur.
    min_mean : float
        What its mean barcode over all patients must exceed.
    """

    columns: NDArray[np.int64]
    n_latents: int
    n_silent: int
    n_rare: int
    n_weak: int
    n_constant: int
    min_patients: int
    min_mean: float


def filter_latents(barcodes: sparse.csc_array, *, min_mean: float = 0.0, min_share: float = 0.05) -> LatentFilter:
    """Choose the latents to test by what they are over all patients together.

    Parameters
    ----------
    barcodes : csc_array [n, d]
        Of the patients of both groups, whoever belongs to which.
    min_mean : float
        Smallest mean over these patients; must be exceeded.
    min_share : float
        Smallest share of these patients in which a latent is not zero; never fewer than two patients.

    Raises
    ------
    CytosaeError
        If none is left.
    """
    n = barcodes.shape[0]
    min_patients = max(FEWEST_PATIENTS, math.ceil(min_share * n - 1e-9))
    occurs = np.asarray((barcodes != 0).sum(axis=0)).ravel()
    mean = np.asarray(barcodes.sum(axis=0)).ravel() / n
    constant = np.asarray((barcodes.max(axis=0) - barcodes.min(axis=0)).todense()).ravel() == 0
    silent, rare, weak = occurs == 0, occurs < min_patients, mean <= min_mean
    if constant.all():
        raise CytosaeError(
            f"The barcodes of all {n} patients are equal: there is nothing to compare.", "Lower τ in `barcodes`."
        )
    keep = ~(rare | weak | constant)
    if not keep.any():
        raise CytosaeError(
            f"No latent occurs in {min_patients} of the {n} patients with a mean barcode above {min_mean:g}.",
            "Lower --min-mean or --min-share.",
        )
    return LatentFilter(
        columns=np.flatnonzero(keep),
        n_latents=len(occurs),
        n_silent=int(silent.sum()),
        n_rare=int((rare & ~silent).sum()),
        n_weak=int((weak & ~rare).sum()),
        n_constant=int((constant & ~(rare | weak)).sum()),
        min_patients=min_patients,
        min_mean=min_mean,
    )
