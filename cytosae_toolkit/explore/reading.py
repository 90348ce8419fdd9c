"""Images through the backbone and the SAE of a run, each as an atlas would see it.

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
import torch
from numpy.typing import NDArray

from cytosae_toolkit.atlas.latents import check_weights, finite_codes, reconstruct
from cytosae_toolkit.devices import resolve_device, resolve_precision
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.images.decode import Box, decode
from cytosae_toolkit.images.keys import file_keys
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.tokens.compute import Group, TokenComputer, device_of
from cytosae_toolkit.tokens.identity import TokenIdentity
from cytosae_toolkit.training.image_fit import ImageFit

if TYPE_CHECKING:
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder
    from cytosae_toolkit.training.run import Run

ImageLike = NDArray[np.uint8] | str | os.PathLike[str] | tuple[str | os.PathLike[str], Box | None]
"""Pixels, uint8 [H, W, 3]; a file; or a file and a box ``(x0, y0, x1, y1)`` of it."""


class ImageReader:
    """Reads images by a run; may be shared between threads, as images are computed one at a time.

    Parameters
    ----------
    run : Run
        Finished.
    device : str
        Where to compute.
    offline : bool
        Never download weights.
    progress : Progress
        Told of downloads of weights.

    Raises
    ------
    CytosaeError
        If the run is unfinished.
    """

    def __init__(self, run: Run, *, device: str = "auto", offline: bool = False, progress: Progress = SILENT) -> None:
        if not run.completed:
            raise CytosaeError(f"The run {run.path} is not finished.", "Go on with: train … --resume.")
        self.run = run
        self.device = resolve_device(device)
        self.offline = offline
        self._progress = progress
        self._lock = RLock()
        self._current: LoadedImage | None = None

    @property
    def d_sae(self) -> int:
        """Number of latents."""
        return int(self.run.record["d_sae"])

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
