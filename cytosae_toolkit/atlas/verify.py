"""Check an atlas against its own fingerprints and numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cytosae_toolkit.atlas.checksums import file_problems, read_checksums
from cytosae_toolkit.atlas.reading import Atlas
from cytosae_toolkit.atlas.record import sae_fingerprint
from cytosae_toolkit.errors import CytosaeError

ROWS = 4096
SHOWN = 20
"""Files that are named."""


def verify_atlas(atlas: Atlas) -> list[str]:
    """Return what is wrong with an atlas, a sentence each; none if it is whole.

    Compares every file with the size and hash recorded when it was written, the SAE that it carries with
    the recorded fingerprint, the values image by image with the values latent by latent and with the statistics, and
    decodes every picture.
    """
    return list(_problems(atlas))


def _problems(atlas: Atlas) -> Iterator[str]:
    try:
        yield from _file_problems(atlas)
        if not atlas.has_images:
            return
        if sae_fingerprint(atlas.run) != atlas.record["sae_fingerprint"]:
            yield "The SAE that it carries is not the one that it describes."
        yield from _value_problems(atlas)
        yield from _picture_problems(atlas)
    except CytosaeError as error:
        yield str(error)
    except Exception as error:  # Zarr and its codecs raise anything on damaged chunks
        yield f"Something in it cannot be read: {type(error).__name__}: {error}."


def _file_problems(atlas: Atlas) -> list[str]:
    found = file_problems(atlas.path)
    more = [f"The same holds for {len(found) - SHOWN:,} more files."] if len(found) > SHOWN else []
    return found[:SHOWN] + more


def files_recorded(atlas: Atlas) -> bool:
    """Return whether an atlas records its files; in an older one a file that is gone may go unseen."""
    return read_checksums(atlas.path) is not None


def _value_problems(atlas: Atlas) -> Iterator[str]:
    n_images, total = np.zeros(atlas.d_sae, dtype=np.int64), np.zeros(atlas.d_sae)
    for start in range(0, atlas.n_images, ROWS):
        rows = atlas.mean_rows(np.arange(start, min(start + ROWS, atlas.n_images)))
        n_images += np.bincount(rows.indices, minlength=atlas.d_sae)
        total += np.bincount(rows.indices, weights=rows.data, minlength=atlas.d_sae)
    if not np.array_equal(n_images, atlas.media.latent_counts()):
        yield "The values image by image and latent by latent differ."
    if not np.array_equal(n_images, atlas.statistics["n_images"]):
        yield "The numbers of active images differ from the values."
    if not np.allclose(total / np.maximum(n_images, 1), atlas.statistics["mean_activation"], rtol=1e-6):
        yield "The mean activations differ from the values."


def _picture_problems(atlas: Atlas) -> Iterator[str]:
    broken = 0
    for row in range(atlas.n_images):
        try:
            atlas.picture(row)
        except Exception:  # Pillow raises anything on damaged data
            broken += 1
    if broken:
        yield f"{broken} of {atlas.n_images} pictures cannot be decoded."
