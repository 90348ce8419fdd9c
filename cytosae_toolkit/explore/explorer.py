"""The viewer's engine without a screen: load an image once, then ask it and the atlas anything.

How images are read is `cytosae_toolkit.explore.reading`'s affair: all values equal those of the atlas.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.explore.reading import ImageLike as ImageLike
from cytosae_toolkit.explore.reading import ImageReader
from cytosae_toolkit.explore.regions import rank_region, region_weights, share_inside
from cytosae_toolkit.explore.similar import similar_images
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.training.run import Run

EVERYWHERE = 0.95
PUBLISHED_THRESHOLD = 0.2
DESCRIPTION = (
    "name", "verdict", "mean_activation", "frequency", "label_entropy", "dominant_label", "dominant_share",
    "flag_colour", "flag_position", "flag_set", "flag_few_cells",
)  # fmt: skip
"""Columns of an atlas that `Explorer.describe` adds, those that it has."""


class Explorer(ImageReader):
    """Looks at single images through an SAE, and at an atlas for what its latents mean.

    An explorer may be shared between threads: images are computed one at a time, and what is loaded never changes.
    Every question takes the `image` it is about; by default the one that was loaded last.

    Parameters
    ----------
    source : Atlas, Run or path
        An atlas, or a trained run: then there are no names, no statistics over images and no similar images.
    device : str
        Where to compute.
    offline : bool
        Never download weights.
    everywhere : float
        A latent that fires on at least this share of the atlas's images fires everywhere; without an atlas, one
        that fires on a larger share of an image's patches.
    progress : Progress
        Told of downloads of weights.

    Raises
    ------
    CytosaeError
        If the source is neither, is unfinished, or its atlas and run do not belong together.
    """

    def __init__(
        self,
        source: Atlas | Run | str | os.PathLike[str],
        *,
        device: str = "auto",
        offline: bool = False,
        everywhere: float = EVERYWHERE,
        progress: Progress = SILENT,
    ) -> None:
        self.atlas, run = _opened(source)
        super().__init__(run, device=device, offline=offline, progress=progress)
        self.everywhere = everywhere

    def __repr__(self) -> str:
        return f"Explorer({self.atlas if self.atlas is not None else self.run!r})"

    @property
    def threshold(self) -> float:
        """τ of patch counts: the atlas's, else 0.2."""
        return PUBLISHED_THRESHOLD if self.atlas is None else float(self.atlas.record["threshold"])

    # Questions about an image

    def heatmap(self, latent: int, *, image: LoadedImage | None = None) -> NDArray[np.float32]:
        """Return the activation of a latent on each patch, float32 [rows, columns]."""
        return (image or self.current).heatmap(latent)

    def top_latents(
        self,
        patch: tuple[int, int],
        n: int | None = 10,
        *,
        hide_everywhere: bool = True,
        image: LoadedImage | None = None,
    ) -> pd.DataFrame:
        """Return the most active latents of a patch.

        Parameters
        ----------
        patch : (int, int)
            Row and column from the upper left.
        n : int, optional
            How many at most; None for all.
        hide_everywhere : bool
            Leave out latents that fire everywhere.
        image : LoadedImage, optional
            By default the current one.

        Returns
        -------
        DataFrame
            Index `latent`, column `activation`; the lower latent first among equals.
        """
        looked_at = image or self.current
        return self._visible(looked_at.at_patch(patch), looked_at, hide_everywhere).iloc[:n]

    def image_latents(
        self, n: int | None = None, *, hide_everywhere: bool = True, image: LoadedImage | None = None
    ) -> pd.DataFrame:
        """Return the active latents of an image, largest mean first; columns as `ImageCodes.table`."""
        looked_at = image or self.current
        return self._visible(looked_at.codes.table(self.threshold), looked_at, hide_everywhere).iloc[:n]

    def rank_region(
        self,
        mask: NDArray[Any],
        other: NDArray[Any] | None = None,
        *,
        n: int | None = 20,
        hide_everywhere: bool = True,
        image: LoadedImage | None = None,
    ) -> pd.DataFrame:
        """Rank latents by contrast of a region against the rest of the image, or against another region.

        Parameters
        ----------
        mask, other : bool array
            Of the patch grid's shape, or of the image's in pixels.
        n : int, optional
            How many at most; None for all.
        hide_everywhere : bool
            Leave out latents that fire everywhere.
        image : LoadedImage, optional
            By default the current one.

        Returns
        -------
        DataFrame
            Columns as `cytosae_toolkit.explore.regions.rank_region`.
        """
        looked_at = image or self.current
        inside = self._region(mask, looked_at)
        compared = None if other is None else self._region(other, looked_at)
        return self._visible(rank_region(looked_at.codes, inside, compared), looked_at, hide_everywhere).iloc[:n]

    def similar_images(
        self, n: int = 10, *, region: NDArray[Any] | None = None, image: LoadedImage | None = None
    ) -> pd.DataFrame:
        """Return images of the atlas that share the latents of an image, or those that sit in a region of it.

        Parameters
        ----------
        n : int
            How many, one per group; the image itself and its group are left out.
        region : bool array, optional
            Of the patch grid's shape, or of the image's in pixels.
        image : LoadedImage, optional
            By default the current one.

        Returns
        -------
        DataFrame
            Columns as `cytosae_toolkit.explore.similar.similar_images`.

        Raises
        ------
        CytosaeError
            If there is no atlas, or it was made without images.
        """
        if self.atlas is None or not self.atlas.has_images:
            raise CytosaeError("There are no images to compare with.", "Name an atlas made by `atlas build`.")
        looked_at = image or self.current
        share = None if region is None else share_inside(looked_at.codes, self._region(region, looked_at))
        return similar_images(self.atlas, looked_at.codes.means(), share=share, n=n, key=looked_at.key)

    def fires_everywhere(self, image: LoadedImage | None = None) -> NDArray[np.bool_]:
        """Return which latents fire everywhere and so say little about an image, bool [d_sae]."""
        if self.atlas is not None:
            return self._everywhere_in_atlas
        return np.asarray((image or self.current).codes.patch_share() > self.everywhere)

    @cached_property
    def _everywhere_in_atlas(self) -> NDArray[np.bool_]:
        assert self.atlas is not None
        return np.asarray(self.atlas.latents["frequency"].to_numpy(np.float64) >= self.everywhere)

    def named(self) -> NDArray[np.bool_]:
        """Return which latents have a name in the atlas, bool [d_sae]: no list leaves them out."""
        found = np.zeros(self.d_sae, dtype=bool)
        if self.atlas is not None:
            found[[latent for latent, note in self.atlas.annotations.current().items() if note.name]] = True
        return found

    def describe(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add what the atlas knows of the latents of a table: name, verdict, statistics, flags."""
        if self.atlas is None:
            return table
        known = self.atlas.latents
        columns = [name for name in DESCRIPTION if name in known.columns]
        return table.join(known.loc[table.index, columns])

    def _region(self, mask: NDArray[Any], image: LoadedImage) -> NDArray[np.float64]:
        return region_weights(mask, image.grid, image.image.shape, image.boxes)

    def _visible(self, table: pd.DataFrame, image: LoadedImage, hide_everywhere: bool) -> pd.DataFrame:
        if not hide_everywhere:
            return table
        return table[(~self.fires_everywhere(image) | self.named())[table.index]]


def _opened(source: Atlas | Run | str | os.PathLike[str]) -> tuple[Atlas | None, Run]:
    """Return the atlas, if there is one, and the run."""
    from cytosae_toolkit.training.run import Run, is_run

    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir() and is_run(path):
            return None, Run(path)
        source = _open_atlas(path)
    if isinstance(source, Run):
        return None, source
    run = source.run
    _check_pair(source, run)
    return source, run


def _open_atlas(path: Path) -> Atlas:
    from cytosae_toolkit.atlas.reading import open_atlas

    return open_atlas(path)


def _check_pair(atlas: Atlas, run: Run) -> None:
    """Refuse an atlas whose embedded run is another's."""
    from cytosae_toolkit.atlas.record import refuse_mismatch

    what = f"The atlas {atlas.path} and the run in it"
    refuse_mismatch(what, atlas.record["backbone_fingerprint"], run.record["backbone"]["fingerprint"])
    refuse_mismatch(what, f"{atlas.d_sae} latents", f"{run.record['d_sae']} latents")
