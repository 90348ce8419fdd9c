"""Which latents an expert is shown: those active enough, in clusters of like activity, a few of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.search_fields import Fields
from cytosae_toolkit.errors import CytosaeError


def choose_latents(
    latents: pd.DataFrame,
    *,
    clusters: int = 10,
    per_cluster: int = 5,
    min_log10_mean: float = -3.0,
    seed: int = 0,
    hidden: bool = False,
) -> pd.DataFrame:
    """Draw latents for an expert: threshold, KMeans on standardised (mean activation, frequency), some of each cluster.

    Parameters
    ----------
    latents : pandas.DataFrame
        As `Atlas.latents`; the index is the latent.
    clusters, per_cluster : int
        Clusters, and latents drawn from each; a smaller cluster gives all it has.
    min_log10_mean : float
        log10 of the mean activation that must be exceeded.
    seed : int
        Of clustering and drawing.
    hidden : bool
        Draw flagged latents too.

    Returns
    -------
    pandas.DataFrame
        Columns ``latent, cluster``, by latent.

    Raises
    ------
    CytosaeError
        If no latent exceeds the threshold.
    """
    fields = Fields(latents)
    eligible = fields.number("log10mean") > min_log10_mean
    if not hidden:
        eligible &= ~fields.flagged
    rows = np.flatnonzero(eligible)
    if not len(rows):
        raise CytosaeError(
            f"No{'' if hidden else ' unflagged'} latent has a log10 of mean activation above {min_log10_mean:g}.",
            "Lower --min-log10-mean.",
        )
    found = _clusters(
        np.stack([fields.number(c)[rows] for c in ("mean_activation", "frequency")], axis=1), clusters, seed
    )
    rng = np.random.default_rng(seed)
    drawn = [
        (int(fields.numbers[row]), cluster)
        for cluster in range(found.max() + 1)
        for members in [rows[found == cluster]]
        for row in rng.choice(members, min(per_cluster, len(members)), replace=False)
    ]
    return pd.DataFrame(sorted(drawn), columns=["latent", "cluster"])


def _clusters(points: NDArray[np.float64], clusters: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans

    spread = points.std(axis=0)
    standardised = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    k = min(clusters, len(np.unique(standardised, axis=0)))
    return np.asarray(KMeans(k, n_init=10, random_state=seed).fit_predict(standardised), dtype=np.int64)
