"""The viewer's engine without a screen: load an image once, then ask it and the atlas anything.

An image passes through the backbone in a batch of the same shape as everywhere else, its tokens are rounded as a
token store rounds them, and it is encoded alone, as in an atlas: all values equal those of the atlas.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cytosae_toolkit.atlas.latents import check_weights, finite_codes, reconstruct
from cytosae_toolkit.devices import resolve_device, resolve_precision
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.explore.regions import rank_region, region_weights, share_inside
from cytosae_toolkit.explore.similar import similar_images
from cytosae_toolkit.images.decode import Box, decode
from cytosae_toolkit.images.keys import file_keys
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.tokens.compute import Group, TokenComputer, device_of
from cytosae_toolkit.tokens.identity import TokenIdentity
from cytosae_toolkit.training.image_fit import ImageFit

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder
    from cytosae_toolkit.training.run import Run

ImageLike = NDArray[np.uint8] | str | os.PathLike[str] | tuple[str | os.PathLike[str], Box | None]
"""Pixels, uint8 [H, W, 3]; a file; or a file and a box ``(x0, y0, x1, y1)`` of it."""

EVERYWHERE = 0.95
PUBLISHED_THRESHOLD = 0.2
DESCRIPTION = (
    "name", "verdict", "mean_activation", "frequency", "label_entropy", "dominant_label", "dominant_share",
    "flag_colour", "flag_position", "flag_set", "flag_few_cells",
)  # fmt: skip
"""Columns of an atlas that `Explorer.describe` adds, those that it has."""


class Explorer:
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
        self.atlas, self.run = _opened(source)
        if not self.run.completed:
            raise CytosaeError(f"The run {self.run.path} is not finished.", "Go on with: train … --resume.")
        self.device = resolve_device(device)
        self.offline = offline
        self.everywhere = everywhere
        self._progress = progress
        self._lock = RLock()
        self._current: LoadedImage | None = None

    def __repr__(self) -> str:
        return f"Explorer({self.atlas if self.atlas is not None else self.run!r})"

    @property
    def d_sae(self) -> int:
        """Number of latents."""
        return int(self.run.record["d_sae"])

    @property
    def threshold(self) -> float:
        """τ of patch counts: the atlas's, else 0.2."""
        return PUBLISHED_THRESHOLD if self.atlas is None else float(self.atlas.record["threshold"])

    @property
    def current(self) -> LoadedImage:
        """The image that was loaded last.

        Raises
        ------
        CytosaeError
            If there is none.
        """
        if self._current is None:
            raise CytosaeError("No image is loaded.", "Call load first.")
        return self._current

    @cached_property
    def sae(self) -> SparseAutoencoder:
        """The SAE, on the device."""
        sae = self.run.sae.to(self.device)
        check_weights(sae)
        return sae

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone, created on first use; may download its weights."""
        from cytosae_toolkit.weights import show_downloads

        with show_downloads(self._progress):
            return self.run.backbone(device=self.device, offline=self.offline)

    @cached_property
    def image_fit(self) -> ImageFit | None:
        """What is usual among the training images, None if the run did not record it."""
        return ImageFit.of_run(self.run)

    @cached_property
    def _computer(self) -> TokenComputer:
        precision = _precision(self.run, device_of(self.backbone))
        dtype = self.run.config.get("token_dtype", "float16")
        identity = TokenIdentity.of(self.backbone, self.run.layer, dtype=dtype, precision=precision)
        if len(identity.grid) != 2:
            raise CytosaeError(f"The backbone sees {len(identity.grid)} axes; images have two.")
        return TokenComputer(self.backbone, identity)

    # Loading

    def load(self, image: ImageLike, *, name: str | None = None) -> LoadedImage:
        """Read an image, pass it through the backbone, and make it the current one.

        Parameters
        ----------
        image : uint8 array [H, W, 3], path, or (path, box)
            RGB.
        name : str, optional
            For messages; by default the file's.

        Returns
        -------
        LoadedImage

        Raises
        ------
        CytosaeError
            If the image cannot be read, or the backbone's weights are missing.
        """
        self._current = loaded = self.read(image, name=name)
        return loaded

    def read(self, image: ImageLike, *, name: str | None = None) -> LoadedImage:
        """Do the same as `load` without changing the current image."""
        pixels, key, found = _pixels(image)
        (loaded,) = self.read_all([pixels], [name or found], keys=[key])
        return loaded

    def read_all(
        self, images: Sequence[NDArray[np.uint8]], names: Sequence[str], *, keys: Sequence[str | None] | None = None
    ) -> Iterator[LoadedImage]:
        """Yield many images, each uint8 [H, W, 3], passed through the backbone a batch at a time."""
        known = keys or [None] * len(images)
        for image, name, key, tokens in zip(images, names, known, self.tokens(images, names), strict=True):
            yield self._loaded(image, name, key, tokens)

    def tokens(self, images: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> Iterator[NDArray[Any]]:
        """Yield the tokens of images, each [n_tokens, d_model], rounded as a token store rounds them."""
        for start in range(0, len(images), self._batch_size):
            places = range(start, min(start + self._batch_size, len(images)))
            with self._lock, closing(self._computer.run(_Pictures(images, names), [Group(0, places)])) as results:
                batch = next(results)
            for error in batch.unreadable.values():
                raise error
            yield from batch.tokens

    @property
    def _batch_size(self) -> int:
        with self._lock:
            return self._computer.batch_size

    def _loaded(self, image: NDArray[np.uint8], name: str, key: str | None, tokens: NDArray[Any]) -> LoadedImage:
        with self._lock, torch.no_grad():
            x = torch.from_numpy(tokens.astype(np.float32)).to(self.device)
            found = finite_codes(self.sae, x, name)
            prefix, grid = self.backbone.prefix_tokens, cast("tuple[int, int]", tuple(self.backbone.grid))
            codes = ImageCodes.of(found, prefix, grid)
            usual = self.image_fit
            fvu = float("nan") if usual is None else usual.spread.fvu(x, reconstruct(self.sae, found))
        boxes = self.backbone.patch_boxes(image.shape)
        unlike = None if usual is None else usual.judge(fvu, codes.l0)
        return LoadedImage(name, image, tokens, codes, boxes, key, fvu, codes.l0, unlike)

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


class _Pictures:
    """Pixels in memory as the image table that a `TokenComputer` reads."""

    def __init__(self, images: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> None:
        self._images, self._names = images, names

    def __len__(self) -> int:
        return len(self._images)

    def path(self, i: int) -> Path:
        return Path(self._names[i])

    def content_keys(self) -> Sequence[str]:
        return [str(i) for i in range(len(self))]

    def read(self, i: int) -> NDArray[np.uint8]:
        return self._images[i]


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


def _precision(run: Run, device: str) -> str:
    """Return the precision of the run's tokens where this device has it, else the device's usual one."""
    recorded = run.config.get("precision", "auto")
    if recorded == "bfloat16" and device == "cpu":
        return resolve_precision("auto", device)  # it would be slow, and not the GPU's values
    try:
        return resolve_precision(recorded, device)
    except CytosaeError:
        return resolve_precision("auto", device)


def _pixels(image: ImageLike) -> tuple[NDArray[np.uint8], str | None, str]:
    """Return pixels, content key and name of whatever was given."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise CytosaeError(f"An image is RGB, uint8 [H, W, 3], not {image.dtype} {list(image.shape)}.")
        return image, None, "the image"
    path, box = image if isinstance(image, tuple) else (image, None)
    pixels = decode(path, box)
    return pixels, file_keys(Path(path), [box])[0], Path(path).name
