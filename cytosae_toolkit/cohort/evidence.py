"""From a patient's drivers to that patient's own cells and patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

COLUMNS = ("patient", "rank", "latent", "name", "contribution", "image", "atlas_row", "mean_activation", "patch")


def check_atlas(cohort: Cohort, atlas: Atlas) -> None:
    """Refuse an atlas that cannot show these patients' cells.

    Raises
    ------
    CytosaeError
        If it describes another SAE, knows no patients, or the barcodes are of named concepts.
    """
    wanted, given = cohort.record.get("sae_fingerprint"), atlas.record.get("sae_fingerprint")
    if wanted != given:
        raise CytosaeError(
            f"The barcodes come from the SAE {str(wanted)[:12]}, the atlas {atlas.path} describes {str(given)[:12]}.",
            "Name the atlas that they were made from.",
        )
    if cohort.by_name:
        raise CytosaeError(
            "These barcodes are of named concepts, which may be several latents: their cells are not looked up.",
            "Leave --atlas out, or make barcodes by latent.",
        )
    if not atlas.has_images or "patient" not in atlas.images or not atlas.images["patient"].notna().any():
        raise CytosaeError(f"The atlas {atlas.path} does not say whose cells its images are.", "Leave --atlas out.")


def find_evidence(drivers: pd.DataFrame, cohort: Cohort, atlas: Atlas, n_images: int) -> pd.DataFrame:
    """Return the patients' own images in which the latents that drove their predictions are strongest.

    Parameters
    ----------
    drivers : pandas.DataFrame
        As `cytosae_toolkit.cohort.drivers.Drivers.table`.
    cohort : Cohort
        The patients.
    atlas : Atlas
        Where their images are.
    n_images : int
        At most, of each patient and latent.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`, in the order of the drivers, strongest image first: `mean_activation` is m_i, `patch` the ROW,COL
        where the latent peaks ("" if only a prefix token fires). A driver of which the patient has less than the
        training mean drives by its absence, and has no images.
    """
    present = drivers[drivers["value"] > drivers["training_mean"]]
    owners = atlas.images["patient"].astype(object).fillna("").astype(str).to_numpy()
    ids = atlas.images["id"].to_numpy(dtype=object)
    rows: list[tuple[int, tuple[object, ...]]] = []
    for column, group in present.groupby("column", sort=True):
        latent = cohort.latent_of(int(column))  # type: ignore[arg-type]
        if latent is None:
            continue
        images, values, peaks = _active_images(atlas, latent)
        for place, driver in group.iterrows():
            own = np.flatnonzero(owners[images] == driver["patient"])
            best = own[np.argsort(-values[own], kind="stable")][:n_images]
            start = tuple(driver[name] for name in COLUMNS[:5])
            rows += [
                (int(str(place)), (*start, ids[images[i]], int(images[i]), float(values[i]),
                                   patch_text(int(peaks[i]), atlas.grid)))
                for i in best
            ]  # fmt: skip
    ordered = sorted(rows, key=lambda row: row[0])
    return pd.DataFrame([row for _, row in ordered], columns=list(COLUMNS))


def _active_images(atlas: Atlas, latent: int) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
    """Return the images on which a latent is active, m_i on them, and the patch where it peaks."""
    entries = atlas.media.entries(latent, latent + 1)
    return entries.rows, entries.mean, entries.peak


def patch_text(peak: int, grid: tuple[int, int]) -> str:
    """Return a patch's number, row-major, as ``ROW,COL``; ``""`` for -1."""
    return "" if peak < 0 else f"{peak // grid[1]},{peak % grid[1]}"
