"""What an atlas says of itself: format, which SAE and images it belongs to, and whether that fits something else."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.training.run import Run

FORMAT = "cytosae-atlas"
VERSION = 1
RECORD_KEY = "cytosae"
"""Key of `uns` under which the record lies, as ``{"record": JSON text}``."""
ROWS = 64
"""Rows of a weight matrix that are hashed at a time, so that no copy of all of it is made."""


def sae_fingerprint(run: Run) -> str:
    """Return a hash of an SAE's weights and of the tokens it reads (backbone and layer): 32 hexadecimal digits.

    Names, verdicts and shards belong together if this is equal.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{run.record['backbone']['fingerprint']} {run.layer}".encode())
    for name, tensor in sorted(run.sae.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}".encode())
        values = tensor.detach().cpu()
        for rows in values.split(ROWS) if values.ndim else values[None]:
            digest.update(rows.contiguous().numpy())
    return digest.hexdigest()


def check_record(record: Any, name: str) -> dict[str, Any]:
    """Return an atlas's record, or say in one sentence why this program cannot use it.

    Parameters
    ----------
    record : object
        What was read from the atlas.
    name : str
        The atlas, for the message.

    Raises
    ------
    CytosaeError
        If it is no atlas, or of another format version.
    """
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CytosaeError(f"{name} is not an atlas of cytosae-toolkit.", "Name one made by `atlas build`.")
    if record.get("version") != VERSION:
        raise CytosaeError(
            f"The atlas {name} has format version {record.get('version')}, this program reads {VERSION}.",
            "Build it again with `cytosae-toolkit atlas build RUN IMAGES`, or install the version that wrote it.",
        )
    return record


def refuse_mismatch(what: str, found: str, expected: str) -> None:
    """Refuse two things that belong to different SAEs, naming both fingerprints.

    Raises
    ------
    CytosaeError
        If the fingerprints differ.
    """
    if found != expected:
        raise CytosaeError(
            f"{what} belong to different SAEs: {found[:12]} and {expected[:12]}.",
            "Use the run that the atlas was built from.",
        )
