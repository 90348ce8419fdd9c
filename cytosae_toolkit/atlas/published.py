"""The statistics that the published CytoSAE code writes, as an atlas without images.

A folder holds some of these tensors, over the latents of one SAE on one image set::

    sae_mean_acts.pt                        float [d_sae]     mean activation; NaN (0/0) where a latent never fired
    sae_sparsity.pt                         float [d_sae]     frequency
    top_entropy.pt                          float [d_sae]     label entropy
    max_activating_image_values.pt          float [d_sae, k]  m_i of the reference images, best first; 0 where empty
    max_activating_image_indices.pt         float [d_sae, k]  their index in one shuffle of one data set
    max_activating_image_label_indices.pt   int [d_sae, k]    their label, a line of the list of class names

Slots whose value is 0 are empty, whatever index and label stand there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cytosae_toolkit.atlas.checksums import write_checksums
from cytosae_toolkit.atlas.label_statistics import REFERENCES as REFERENCES_OF_ENTROPY
from cytosae_toolkit.atlas.record import FORMAT, VERSION
from cytosae_toolkit.atlas.writing import write_anndata
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder
from cytosae_toolkit.safe_load import check_container, explain_unreadable
from cytosae_toolkit.training.provenance import software_versions

VECTORS = {"mean_activation": "sae_mean_acts", "frequency": "sae_sparsity", "published_entropy": "top_entropy"}
REFERENCES = {
    "values": "max_activating_image_values",
    "indices": "max_activating_image_indices",
    "labels": "max_activating_image_label_indices",
}


@dataclass(frozen=True)
class LabelledReferences:
    """Reference images of all latents and what they are; empty slots are NaN and -1.

    Parameters
    ----------
    values : float64 array [d_sae, k]
        Image-level activation m_i, best first.
    indices : int64 array [d_sae, k], optional
        Index of the image in the published code's shuffle.
    labels : int32 array [d_sae, k], optional
        Position in `label_names`.
    label_names : list of str
        Empty without labels.
    """

    values: NDArray[np.float64]
    indices: NDArray[np.int64] | None
    labels: NDArray[np.int32] | None
    label_names: list[str]

    @property
    def n_references(self) -> NDArray[np.int64]:
        """Number of reference images of each latent, int64 [d_sae]."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1))


def label_shares(values: NDArray[np.float64], labels: NDArray[np.int32], n_labels: int) -> NDArray[np.float64]:
    """Return the share of each label in the activation of a latent's reference images.

    Parameters
    ----------
    values : float64 array [d_sae, k]
        Image-level activations; NaN where empty.
    labels : int32 array [d_sae, k]
        Labels; -1 where empty.
    n_labels : int
        How many there are.

    Returns
    -------
    float64 array [d_sae, n_labels]
        p_c; NaN for latents without references.
    """
    shares = np.zeros((len(values), n_labels))
    latents, slots = np.nonzero(labels >= 0)
    np.add.at(shares, (latents, labels[latents, slots]), values[latents, slots])
    sums = shares.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(shares, sums, out=np.full_like(shares, np.nan), where=sums > 0))


def entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return -Σ p ln p of each row of shares [n, n_labels], float64 [n]; NaN where shares are."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(0.0 - (shares * logs).sum(axis=1))


def import_statistics(folder: Path, out: Path, *, classnames: Path | None = None, force: bool = False) -> Path:
    """Write an atlas without images from the statistics that the published code computed.

    Parameters
    ----------
    folder : Path
        Holds some of the tensors named above; what is absent stays absent.
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
    tensors = _read_tensors(folder)
    names = _read_names(folder, classnames)
    references = _references(tensors, names, folder)
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


def _read_tensors(folder: Path) -> dict[str, NDArray[Any]]:
    """Read the files that are there, checked for shape and values, NaN of latents that never fired as they are."""
    found = {
        name: _read_tensor(folder / f"{stem}.pt")
        for name, stem in (VECTORS | REFERENCES).items()
        if (folder / f"{stem}.pt").is_file()
    }
    if "mean_activation" not in found or "frequency" not in found:
        raise CytosaeError(
            f"{folder} holds no statistics of the published code: sae_mean_acts.pt and sae_sparsity.pt are needed.",
            "Name the folder of one image set, such as out/feature_data/SAE/mll23.",
        )
    d_sae = len(found["mean_activation"])
    for name, array in found.items():
        _check_tensor(folder / f"{(VECTORS | REFERENCES)[name]}.pt", array, d_sae, 1 if name in VECTORS else 2)
    if bool((found["frequency"] > 1).any()):
        raise CytosaeError(f"{folder / 'sae_sparsity.pt'} has frequencies above 1.")
    return found


def _read_tensor(path: Path) -> NDArray[Any]:
    """Read a file of one dense tensor; nothing else in it is built, nothing executed."""
    zipped = check_container(path)
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    except Exception as error:
        raise explain_unreadable(path, error) from error
    if not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided:
        raise CytosaeError(f"{path} holds a {type(tensor).__name__}, not one dense tensor.")
    if tensor.numel() * tensor.element_size() > path.stat().st_size:
        raise CytosaeError(f"{path} claims a tensor that is larger than the file.")
    array: NDArray[Any] = tensor.detach().clone().numpy()
    return array


def _check_tensor(path: Path, array: NDArray[Any], d_sae: int, dimensions: int) -> None:
    if array.ndim != dimensions or len(array) != d_sae or d_sae == 0:
        raise CytosaeError(
            f"{path} has the shape {list(array.shape)}; {d_sae} latents and {dimensions} dimensions are needed.",
            "Put the files of one SAE and one image set together.",
        )
    if array.dtype.kind not in "fiu" or bool(np.isinf(array).any()) or bool((array < -1e-6).any()):
        raise CytosaeError(f"{path} has values that are infinite, negative or no numbers.")


def _read_names(folder: Path, classnames: Path | None) -> list[str]:
    usual = [folder.resolve().parent / f"{folder.resolve().name}_classnames.txt", folder / "classnames.txt"]
    path = classnames or next((path for path in usual if path.is_file()), None)
    if path is None:
        return []
    try:
        return [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise CytosaeError(f"The class names {path} cannot be read: {error}.") from error


def _references(tensors: dict[str, NDArray[Any]], names: list[str], folder: Path) -> LabelledReferences | None:
    if "values" not in tensors:
        return None
    values = np.nan_to_num(tensors["values"].astype(np.float64))
    for name in ("indices", "labels"):
        if name in tensors and tensors[name].shape != values.shape:
            raise CytosaeError(f"{folder / REFERENCES[name]}.pt does not have the shape of the reference values.")
    order = np.argsort(-values, axis=1, kind="stable")
    values = np.take_along_axis(values, order, axis=1)
    found = {
        name: np.where(values > 0, np.take_along_axis(tensors[name], order, axis=1), -1).astype(np.int64)
        for name in ("indices", "labels")
        if name in tensors
    }
    labels = found["labels"].astype(np.int32) if "labels" in found else None
    if labels is not None and labels.max(initial=-1) >= len(names):
        raise CytosaeError(
            f"Label {labels.max()} of a reference image in {folder} has no name: there are {len(names)} class names.",
            "Name the list of the classes with --classnames FILE.",
        )
    return LabelledReferences(
        np.where(values > 0, values, np.nan), found.get("indices"), labels, names if labels is not None else []
    )


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
            table = table.join(_label_statistics(references, references.labels))
    if "published_entropy" in tensors:
        table["published_entropy"] = tensors["published_entropy"].astype(np.float64) + 0.0
    return table


def _label_statistics(references: LabelledReferences, labels: NDArray[np.int32]) -> pd.DataFrame:
    """Entropy over the ten best references, and the label with the largest share of their activation."""
    best = slice(None, REFERENCES_OF_ENTROPY)
    shares = label_shares(references.values[:, best], labels[:, best], len(references.label_names))
    enough = references.n_references >= REFERENCES_OF_ENTROPY
    some = references.n_references > 0
    dominant = np.array(references.label_names, dtype=object)[np.nan_to_num(shares).argmax(axis=1)]
    return pd.DataFrame(
        {
            "label_entropy": np.where(enough, entropy(shares), np.nan),
            "dominant_label": np.where(some, dominant, ""),
            "dominant_share": np.where(enough, shares.max(axis=1), np.nan),
        }
    )


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
