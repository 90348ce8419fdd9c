"""The files that the published CytoSAE code writes, read and checked: one dense tensor each, and the class names.

A folder holds some of these tensors, over the latents of one SAE on one image set::

    sae_mean_acts.pt                        float [d_sae]     mean activation; NaN (0/0) where a latent never fired
    sae_sparsity.pt                         float [d_sae]     frequency
    top_entropy.pt                          float [d_sae]     label entropy
    max_activating_image_values.pt          float [d_sae, k]  m_i of the reference images, best first; 0 where empty
    max_activating_image_indices.pt         float [d_sae, k]  their index in one shuffle of one data set
    max_activating_image_label_indices.pt   int [d_sae, k]    their label, a line of the list of class names
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.safe_load import check_container, explain_unreadable

VECTORS = {"mean_activation": "sae_mean_acts", "frequency": "sae_sparsity", "published_entropy": "top_entropy"}
REFERENCES = {
    "values": "max_activating_image_values",
    "indices": "max_activating_image_indices",
    "labels": "max_activating_image_label_indices",
}


def read_tensors(folder: Path) -> dict[str, NDArray[Any]]:
    """Read the files that are there, by the names of `VECTORS` and `REFERENCES`; NaN stays where latents never fired.

    Raises
    ------
    CytosaeError
        If mean activation or frequency is missing, a file is damaged or hostile, sizes disagree, or values are
        impossible.
    """
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


def read_names(folder: Path, classnames: Path | None) -> list[str]:
    """Return the class names, from a file or from where the published code leaves them; none where there is none.

    Raises
    ------
    CytosaeError
        If the file cannot be read.
    """
    usual = [folder.resolve().parent / f"{folder.resolve().name}_classnames.txt", folder / "classnames.txt"]
    path = classnames or next((path for path in usual if path.is_file()), None)
    if path is None:
        return []
    try:
        return [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise CytosaeError(f"The class names {path} cannot be read: {error}.") from error
