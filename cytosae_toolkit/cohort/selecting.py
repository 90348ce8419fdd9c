"""Some of the patients: ``set=lab_a``, ``disease=cll+healthy``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.errors import CytosaeError, nearest


def select(cohort: Cohort, conditions: Sequence[str]) -> Cohort:
    """Return the patients that meet all conditions, in their order.

    Parameters
    ----------
    cohort : Cohort
        Barcodes.
    conditions : sequence of str
        ``COLUMN=VALUE`` with a column of `obs`; several values joined by ``+``.

    Raises
    ------
    CytosaeError
        If a condition is of another form, names no column or no value that there is, or nobody meets all.
    """
    kept = np.ones(len(cohort), dtype=bool)
    for condition in conditions:
        column, equals, wanted = condition.partition("=")
        if not equals or not column or not wanted:
            raise CytosaeError(f"{condition!r} is not of the form COLUMN=VALUE.", "Write such as set=lab_a.")
        values = cohort.column(column)
        known = sorted({value for value in values if value is not None})
        chosen = [wanted] if wanted in known else wanted.split("+")
        for value in chosen:
            if value not in known:
                raise CytosaeError(f"No patient has {column} {value!r}.", nearest(value, known))
        kept &= np.isin(values.astype(str), chosen)
    if not kept.any():
        raise CytosaeError(f"No patient meets {' and '.join(conditions)}.", "Leave a condition out.")
    return cohort if kept.all() else cohort.subset(np.flatnonzero(kept))
