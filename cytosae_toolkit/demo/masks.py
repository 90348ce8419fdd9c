"""Per-pixel masks and the bitmask PNG that holds all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cytosae_toolkit.errors import CytosaeError

Bools = NDArray[np.bool_]

MASKS: tuple[str, ...] = (
    "nucleus",
    "cytoplasm",
    "granules",
    "vacuoles",
    "auer_rods",
    "red_cells",
    "platelets",
)
"""The masks, in bit order: bit 0 (value 1) is the nucleus, bit 6 (value 64) the platelets.

Nucleus, cytoplasm, red cells and platelets are pairwise disjoint: each pixel belongs to what is seen there.
Granules, vacuoles and Auer rods are pairwise disjoint parts *of* the cytoplasm; a granule that lies over the
nucleus (basophil) is granule and cytoplasm, not nucleus. The fine dust of neutrophils and monocytes is below
the resolution and not marked.
"""


def written(mask: str) -> str:
    """Return the name of a mask as a hematologist writes it."""
    return mask.replace("_", " ").replace("auer", "Auer")


def empty_masks(height: int, width: int) -> dict[str, Bools]:
    """Return all masks, bool [height, width], all false."""
    return {name: np.zeros((height, width), dtype=bool) for name in MASKS}


def pack_masks(masks: dict[str, Bools]) -> NDArray[np.uint8]:
    """Combine the masks of one image into one byte per pixel.

    Parameters
    ----------
    masks : dict of str to bool array [H, W]
        All of `MASKS`.

    Returns
    -------
    uint8 array [H, W]
        Bit *i* of a pixel is mask `MASKS[i]`.
    """
    packed = np.zeros(masks[MASKS[0]].shape, dtype=np.uint8)
    for bit, name in enumerate(MASKS):
        packed |= masks[name].astype(np.uint8) << np.uint8(bit)
    return packed


def unpack_masks(packed: NDArray[np.uint8]) -> dict[str, Bools]:
    """Undo `pack_masks`: one bool array [H, W] per name."""
    return {name: (packed >> np.uint8(bit)) & np.uint8(1) != 0 for bit, name in enumerate(MASKS)}


def read_masks(path: str | Path) -> dict[str, Bools]:
    """Read a mask file that `write_dataset` wrote.

    Parameters
    ----------
    path : str or Path
        An 8-bit greyscale PNG, one bit per mask in the order of `MASKS`.

    Returns
    -------
    dict of str to bool array [H, W]

    Raises
    ------
    CytosaeError
        If the file is missing, is no image, or is not 8-bit greyscale.
    """
    try:
        with Image.open(path) as image:
            if image.mode != "L":
                raise CytosaeError(f"{path} is no mask file: its pixels are {image.mode}, not 8-bit grey.")
            return unpack_masks(np.asarray(image, dtype=np.uint8))
    except FileNotFoundError:
        raise CytosaeError(f"The mask file {path} does not exist.") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise CytosaeError(f"{path} is not a readable mask image: {error}.") from error
