"""Barcodes, opened and checked: what classification, comparison and reports work on."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.files import atomic_path

if TYPE_CHECKING:
    from anndata import AnnData

FORMAT = "cytosae-barcodes"
VERSION = 1
RECORD_KEY = "cytosae"


@dataclass(frozen=True)
class Cohort:
    """Patients with their barcodes; see docs/formats.md for the AnnData.

    Parameters
    ----------
    adata : AnnData
        Patients x latents (or x named concepts).
    path : Path or None
        The file, if it lies in one.
    record : dict
        How it was made.
    """

    adata: AnnData
    path: Path | None
    record: dict[str, Any]

    def __len__(self) -> int:
        """Return the number of patients."""
        return int(self.adata.n_obs)

    @property
    def patients(self) -> NDArray[np.object_]:
        """Names, str [n]."""
        return np.array([str(name) for name in self.adata.obs_names], dtype=object)

    @property
    def n_cells(self) -> NDArray[np.int64]:
        """Images of each patient, int64 [n]."""
        return np.asarray(self.adata.obs["n_cells"], dtype=np.int64)

    @property
    def sets(self) -> NDArray[np.object_]:
        """The image set of most images of each patient, str [n]."""
        return np.array([name or "" for name in self.column("set")], dtype=object)

    @cached_property
    def barcodes(self) -> sparse.csr_array:
        """a_p[s], CSR float64 [n, d]."""
        return sparse.csr_array(self.adata.X)

    @cached_property
    def latents(self) -> pd.DataFrame:
        """What is known of each column of the barcodes, in their order; `key` is its name in the AnnData."""
        table: pd.DataFrame = self.adata.var.copy()
        table.insert(0, "key", table.index.astype(str))
        table.reset_index(drop=True, inplace=True)
        return table

    @property
    def by_name(self) -> bool:
        """Whether columns are named concepts instead of latents."""
        return self.record.get("by") == "name"

    def column(self, name: str) -> NDArray[np.object_]:
        """Return a column of `obs` as str, None where unknown.

        Raises
        ------
        CytosaeError
            If there is none of that name.
        """
        if name not in self.adata.obs.columns:
            raise CytosaeError(
                f"The barcodes have no column {name!r}.", nearest(name, [str(c) for c in self.adata.obs.columns])
            )
        values = self.adata.obs[name].astype(object)
        return np.array([None if pd.isna(v) or str(v) == "" else str(v) for v in values], dtype=object)

    def layer(self, name: str) -> sparse.csr_array | None:
        """Return ``"mean"`` or ``"frequency"``, CSR float64 [n, d]; None where there is none."""
        return sparse.csr_array(self.adata.layers[name]) if name in self.adata.layers else None

    def embedding(self, name: str) -> pd.DataFrame | None:
        """Return ``obsm[name]`` with its column names, [n, k]; None where there is none."""
        if name not in self.adata.obsm:
            return None
        values = self.adata.obsm[name]
        if isinstance(values, pd.DataFrame):
            return values.reset_index(drop=True)
        return pd.DataFrame(np.asarray(values), columns=[f"{name}_{i}" for i in range(values.shape[1])])

    def subset(self, rows: NDArray[np.int64]) -> Cohort:
        """Return some of the patients, in the order given."""
        return Cohort(self.adata[rows].copy(), self.path, self.record)

    def latent_of(self, column: int) -> int | None:
        """Return the atlas's latent of a column of the barcodes, None where columns are named concepts."""
        return None if "latent" not in self.latents else int(self.latents["latent"].iloc[column])

    def row_of(self, patient: str) -> int:
        """Return the row of a patient.

        Raises
        ------
        CytosaeError
            If there is none of that name.
        """
        found = np.flatnonzero(self.patients == patient)
        if not len(found):
            raise CytosaeError(f"There is no patient {patient!r}.", nearest(patient, self.patients.tolist()))
        return int(found[0])


def open_cohort(source: str | Path | AnnData) -> Cohort:
    """Open barcodes and check them.

    Parameters
    ----------
    source : str, Path or AnnData
        ``NAME.h5ad`` as `barcodes` writes it, or the AnnData itself.

    Raises
    ------
    CytosaeError
        If it is missing, no barcodes file, of another version, damaged, or holds NaN.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    adata = source if path is None else _read(path)
    name = str(path) if path is not None else "The AnnData"
    cohort = Cohort(adata, path, read_record(adata, name))
    if not np.isfinite(cohort.barcodes.data).all():
        raise CytosaeError(f"{name} holds NaN or infinite barcodes.", "Make it again with `barcodes`.")
    return cohort


def _read(path: Path) -> AnnData:
    import anndata

    if path.is_dir():
        raise CytosaeError(f"{path} is a folder, not a file of barcodes.", "Name one made by `barcodes`.")
    if not path.is_file():
        raise CytosaeError(f"The barcodes {path} do not exist.", "Make them with `barcodes ATLAS --out B.h5ad`.")
    try:
        return anndata.read_h5ad(path)
    except Exception as error:  # h5py and anndata raise anything on files that are something else
        reason = " ".join(str(error).split())[:200]
        raise CytosaeError(f"{path} is not a readable file of barcodes: {reason}.", "Make it again.") from error


def read_record(adata: AnnData, name: str) -> dict[str, Any]:
    """Return how barcodes were made.

    Raises
    ------
    CytosaeError
        If they are no barcodes, or of another format version.
    """
    entry = adata.uns.get(RECORD_KEY)
    try:
        record = json.loads(str(entry["record"]))
    except (TypeError, KeyError, ValueError):
        record = None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CytosaeError(f"{name} does not hold barcodes of cytosae-toolkit.", "Make them with `barcodes`.")
    if record.get("version") != VERSION:
        raise CytosaeError(
            f"{name} has format version {record.get('version')}, this program reads {VERSION}.",
            "Make it again with `barcodes`.",
        )
    return record


def check_cohort_path(path: Path, *, force: bool = False) -> None:
    """Refuse a path that does not end in .h5ad, or that exists.

    Raises
    ------
    CytosaeError
        If barcodes could not or should not be written there.
    """
    if path.suffix.lower() != ".h5ad":
        raise CytosaeError(f"{path} does not end in .h5ad.", "Write --out NAME.h5ad.")
    if path.is_dir():
        raise CytosaeError(f"{path} is a folder.", "Choose another --out.")
    if path.exists() and not force:
        raise CytosaeError(f"{path} exists.", "Replace it with --force, or choose another --out.")


def save_cohort(adata: AnnData, path: str | Path, *, force: bool = False) -> Path:
    """Write barcodes as ``NAME.h5ad``; the file appears when it is whole.

    Raises
    ------
    CytosaeError
        If the path exists, has another suffix, or cannot be written.
    """
    path = Path(path)
    check_cohort_path(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Forward slashes", FutureWarning)  # of names of diseases
        adata.write_h5ad(temporary, compression="gzip")
    return path
