"""Barcodes by name: one column per concept that experts named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from anndata import AnnData

    from cytosae_toolkit.atlas.reading import Atlas

LEFT_OUT = ("artefact", "unclear")
"""Verdicts of latents that no concept is made of."""


def named_latents(atlas: Atlas) -> dict[str, list[int]]:
    """Return the latents of each name, ascending, without artefacts and what is unclear.

    Raises
    ------
    CytosaeError
        If nothing is named.
    """
    named: dict[str, list[int]] = {}
    for latent, note in sorted(atlas.annotations.current().items()):
        if note.name and note.verdict not in LEFT_OUT:
            named.setdefault(note.name, []).append(latent)
    if not named:
        raise CytosaeError(
            f"No latent of {atlas.path} is named.", "Name some with `atlas name`, or leave --by name out."
        )
    return named


def sum_by_name(made: AnnData, named: Mapping[str, Sequence[int]]) -> AnnData:
    """Return barcodes whose columns are names: the sum over the latents of each name.

    Parameters
    ----------
    made : AnnData
        Patients x latents.
    named : mapping of str to sequence of int
        As `named_latents` returns them; a latent has one name.

    Returns
    -------
    AnnData
        Patients x names, CSR float64; `var` lists each name's latents. Layers are left out.
    """
    import anndata

    names = sorted(named)
    pairs = [(latent, column) for column, name in enumerate(names) for latent in named[name]]
    rows, columns = np.array(pairs).T
    selection = sparse.csr_array((np.ones(len(pairs)), (rows, columns)), shape=(made.n_vars, len(names)))
    var = pd.DataFrame(
        {
            "name": names,
            "latents": [" ".join(map(str, named[name])) for name in names],
            "n_latents": [len(named[name]) for name in names],
        },
        index=pd.Index(names, dtype=object),
    )
    out = anndata.AnnData(X=sparse.csr_array(made.X) @ selection, obs=made.obs.copy(), var=var, uns=dict(made.uns))
    for name in made.obsm:
        out.obsm[name] = made.obsm[name]
    return out
