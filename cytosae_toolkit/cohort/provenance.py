"""What every result says of itself: from which barcodes, by which command, with which software."""

from __future__ import annotations

import hashlib
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from cytosae_toolkit.training.provenance import software_versions

if TYPE_CHECKING:
    from anndata import AnnData

    from cytosae_toolkit.cohort.cohort import Cohort


def content_fingerprint(adata: AnnData) -> str:
    """Return a hash of barcodes, patients, diseases, sets and latents: 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    matrix = sparse.csr_array(adata.X)
    matrix.sort_indices()
    for values, dtype in ((matrix.indptr, "<i8"), (matrix.indices, "<i8"), (matrix.data, "<f8")):
        digest.update(np.ascontiguousarray(values, dtype=dtype).tobytes())
    for texts in (adata.obs_names, adata.var_names, adata.obs["disease"], adata.obs["set"]):
        digest.update("\0".join(map(str, texts)).encode())
    return digest.hexdigest()


def current_command() -> str:
    """Return the command line of this process as it could be typed again, or ``""`` from Python."""
    name = Path(sys.argv[0]).name if sys.argv else ""
    if name not in ("cytosae-toolkit", "cytosae-toolkit.exe", "__main__.py"):
        return ""
    return shlex.join(["cytosae-toolkit", *sys.argv[1:]])


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(cohort: Cohort, command: str | None = None) -> dict[str, Any]:
    """Return what a result made from barcodes says of its origin, JSON-compatible.

    Parameters
    ----------
    cohort : Cohort
        The barcodes.
    command : str, optional
        What made the result; by default the command line of this process.
    """
    record = cohort.record
    return {
        "command": current_command() if command is None else command,
        "barcodes": {
            "path": None if cohort.path is None else str(cohort.path),
            "fingerprint": record.get("fingerprint"),
            "command": record.get("command"),
            "atlas": record.get("atlas"),
            "sae_fingerprint": record.get("sae_fingerprint"),
            "aggregator": record.get("aggregator"),
            "threshold": record.get("threshold"),
            "by": record.get("by"),
        },
        "demonstration": bool(record.get("demonstration")),
        "software": software_versions(),
        "created": now(),
    }
