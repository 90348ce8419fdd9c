"""Pictures and heat maps of the images of an atlas; those that it does not keep are read again where that is quick."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.codes import ImageCodes

KEPT = 500
"""Images whose latents are remembered."""


class Pictures(Protocol):
    """Where pictures and heat maps come from: an atlas, or the cells of a folder."""

    def picture(self, row: int) -> NDArray[np.uint8] | None:
        """Return a picture, uint8 [h, w, 3]."""

    def heatmap(self, latent: int, row: int) -> NDArray[np.float32] | None:
        """Return the activation of its patches, float32 [rows, columns]; None where it is not known."""

    def patch_boxes(self, row: int) -> NDArray[np.float64]:
        """Return the patches in its pixels, float64 [patches, 4]."""


class AtlasPictures:
    """Pictures of an atlas, for threads.

    The atlas keeps heat maps of references and typical images. Those of other images are computed if the explorer has
    a backbone or may not download one: nothing is downloaded for a thumbnail.

    Parameters
    ----------
    atlas : Atlas
        With images.
    explorer : Explorer, optional
        Reads images again.
    """

    def __init__(self, atlas: Atlas, explorer: Explorer | None = None) -> None:
        self._atlas, self._explorer = atlas, explorer
        self._codes: OrderedDict[int, ImageCodes] = OrderedDict()

    def picture(self, row: int) -> NDArray[np.uint8] | None:
        """Return a picture as the backbone saw it."""
        return self._atlas.picture(row)

    def heatmap(self, latent: int, row: int) -> NDArray[np.float32] | None:
        """Return the activation of its patches; None where it is not kept and not quickly computed."""
        kept = self._atlas.heatmap(latent, row)
        if kept is not None:
            return kept
        codes = self._codes.get(row) or self._read(row)
        return None if codes is None else codes.heatmap(latent)

    def patch_boxes(self, row: int) -> NDArray[np.float64]:
        """Return the patches in its pixels."""
        return self._atlas.patch_boxes()

    def _read(self, row: int) -> ImageCodes | None:
        picture = self._atlas.picture(row)
        if picture is None or self._explorer is None or not _has_backbone(self._explorer):
            return None
        try:
            codes = self._explorer.read(picture).codes
        except CytosaeError:  # its weights are missing
            self._explorer = None
            return None
        self._codes[row] = codes
        while len(self._codes) > KEPT:
            self._codes.popitem(last=False)
        return codes


def _has_backbone(explorer: Explorer) -> bool:
    return explorer.offline or "backbone" in vars(explorer)
