"""The statistics that the published CytoSAE code writes, as an atlas without images; see `published_tensors`."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cytosae_toolkit.atlas.checksums import write_checksums
from cytosae_toolkit.atlas.published_references import LabelledReferences, find_references, label_columns
from cytosae_toolkit.atlas.published_tensors import read_names, read_tensors
from cytosae_toolkit.atlas.record import FORMAT, VERSION
from cytosae_toolkit.atlas.writing import write_anndata
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder
from cytosae_toolkit.training.provenance import software_versions


def import_statistics(folder: Path, out: Path, *, classnames: Path | None = None, force: bool = False) -> Path:
    """Write an atlas without images from the statistics that the published code computed.

    Parameters
    ----------
    folder : Path
        Holds some of the tensors of `published_tensors`; what is absent stays absent.
    out : Path
        Atlas to write, ``NAME.atlas.zarr``.
    classnames : Path, optional
        Text file with one label per line; default ``FOLDER_classnames.txt`` beside the folder, or
        ``classnames.txt`` within it.
    force : bool
        Replace an existing atlas.

    Returns
    -------
    Path
        The atlas.

    Raises
    ------
    CytosaeError
        If there are no statistics, a file is damaged or hostile, sizes disagree, values are impossible, or labels
        have no names.
    """
    folder, out = Path(folder), Path(out)
    _check_out(out, force=force)
    tensors = read_tensors(folder)
    names = read_names(folder, classnames)
    references = find_references(tensors, names, folder)
    var = _table(tensors, references)
    with atomic_folder(out, replace=force) as made:
        write_anndata(
            made,
            obs=pd.DataFrame(index=pd.Index([], dtype=str)),
            var=var,
            varm=_reference_arrays(references),
            X=csr_matrix((0, len(var)), dtype=np.float32),
            layers={"mean": csr_matrix((0, len(var)), dtype=np.float32)},
            uns_record=_record(folder, tensors, references, len(var)),
        )
        write_checksums(made)
    return out


def _check_out(out: Path, *, force: bool) -> None:
    if not out.exists():
        return
    if not force:
        raise CytosaeError(f"{out} exists.", "Replace it with --force, or choose another --out.")
    if not (out / "zarr.json").is_file():
        raise CytosaeError(f"{out} is no atlas and is not replaced.", "Choose another --out.")


def _table(tensors: dict[str, NDArray[Any]], references: LabelledReferences | None) -> pd.DataFrame:
    """Return the table of latents; one that never fired has mean activation and frequency 0."""
    table = pd.DataFrame(
        {
            "mean_activation": np.nan_to_num(tensors["mean_activation"].astype(np.float64)),
            "frequency": np.nan_to_num(tensors["frequency"].astype(np.float64)),
        }
    )
    if references is not None:
        table["n_references"] = references.n_references.astype(np.int32)
        if references.labels is not None:
            table = table.join(label_columns(references, references.labels))
    if "published_entropy" in tensors:
        table["published_entropy"] = tensors["published_entropy"].astype(np.float64) + 0.0
    return table


def _reference_arrays(references: LabelledReferences | None) -> dict[str, NDArray[Any]]:
    if references is None:
        return {}
    arrays: dict[str, NDArray[Any]] = {
        "ref_values": references.values.astype(np.float32),
        "ref_rows": np.full(references.values.shape, -1, dtype=np.int32),
        "ref_peaks": np.full(references.values.shape, -1, dtype=np.int32),
    }
    if references.indices is not None:
        arrays["published_ref_index"] = references.indices
    if references.labels is not None:
        arrays["ref_label"] = references.labels
    return arrays


def _record(
    folder: Path, tensors: dict[str, NDArray[Any]], references: LabelledReferences | None, d_sae: int
) -> dict[str, Any]:
    name = folder.resolve().name
    return {
        "format": FORMAT,
        "version": VERSION,
        "sae_fingerprint": _fingerprint(tensors),
        "backbone_fingerprint": None,
        "layer": None,
        "d_model": None,
        "d_sae": d_sae,
        "grid": None,
        "prefix_tokens": None,
        "patch_size": None,
        "top": 0 if references is None else references.values.shape[1],
        "aggregator": None,
        "threshold": None,
        "kept_share": None,
        "sets": [{"name": name, "n_images": None, "source": "", "unlike_share": None, "unlike": False}],
        "labels": references.label_names if references is not None else [],
        "histogram_edges": [],
        "flag_limits": {},
        "demonstration": False,
        "software": software_versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "has_images": False,
        "imported_from": f"statistics of the published code, {name}",
    }


def _fingerprint(tensors: dict[str, NDArray[Any]]) -> str:
    """Hash the statistics: the weights are not there, and names must not move to the latents of another SAE."""
    digest = hashlib.blake2b(digest_size=16)
    for name, array in sorted(tensors.items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
