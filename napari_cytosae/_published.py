"""CytoSAE as its authors trained it: where they offer it, what is said before it is downloaded, its import. No Qt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.interfaces.specs import WeightsFile

RECORD = "https://nefeli.helmholtz-munich.de/records/fdn7v-4vt65"
"""Where the authors' repository, github.com/dynamical-inference/cytosae, says that the checkpoint is."""
NAME = "final_sparse_autoencoder_dinov2_vitb14_-2_resid_49152.pt"
D_MODEL, D_SAE = 768, 49_152
LEAST_SIZE = 4 * (2 * D_MODEL * D_SAE + D_MODEL + D_SAE)
"""Bytes of its weights in single precision; the authors state no size."""
_BACKBONE = "dinobloom-b"


def published_folder() -> Path:
    """Return where what was imported is kept."""
    return cache_folder() / "published"


def checkpoint_file() -> WeightsFile:
    """Return the checkpoint as `cytosae_toolkit.weights.fetch_weights` takes it; no checksum is published."""
    from cytosae_toolkit.interfaces.specs import WeightsFile

    return WeightsFile(name=NAME, url=f"{RECORD}/files/{NAME}?download=1")


def is_here() -> bool:
    """Say whether the checkpoint was downloaded or imported before."""
    from cytosae_toolkit.weights import weights_path

    return (published_folder() / Path(NAME).stem).exists() or weights_path(checkpoint_file()).exists()


def question() -> str:
    """Return what is said before anything is downloaded."""
    about = (
        f"CytoSAE as its authors trained it (Dasdelen et al., MICCAI 2025): {D_SAE:,} candidate concepts of blood "
        "cells. It colours your pictures; it brings no reference cells and no names. "
    )
    if is_here():
        return f"{about}It is on this computer."
    host = RECORD.split("/")[2]
    return (
        f"{about}Download it? About {LEAST_SIZE / 1e6:.0f} MB from {host}; kept for the next time. The authors state "
        f"no licence for the file (their code: MIT). {_backbone_sentence()}"
    )


def _backbone_sentence() -> str:
    """Say what the backbone will ask for."""
    from cytosae_toolkit.plugins import registry
    from napari_cytosae._sources import missing_of

    missing = missing_of(registry().get("backbone", _BACKBONE).spec, {})
    if missing is None:
        return ""
    size = "" if missing.size is None else f", {'' if missing.exact else 'about '}{missing.size / 1e6:.0f} MB"
    return f"To read pictures it needs DinoBloom-B too{size}: you are asked again."


def fetch_published(progress: Progress = SILENT) -> Path:
    """Download the checkpoint unless it is here, import it, and return the run.

    Raises
    ------
    CytosaeError
        If it cannot be downloaded: says how to get it by hand; or if it is damaged.
    """
    from cytosae_toolkit.weights import fetch_weights, weights_path
    from napari_cytosae._sources import import_published

    run, file = published_folder() / Path(NAME).stem, checkpoint_file()
    if run.exists():
        return run
    try:
        path = fetch_weights(file, progress=progress)
    except CytosaeError as error:
        if weights_path(file).exists():
            raise
        hint = f"Download it from {RECORD} with a browser, and choose “I have the file”."
        raise CytosaeError(error.message, hint) from error
    return import_published(path, published_folder(), progress)
