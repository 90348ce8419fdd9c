"""The latents of an atlas's images once more, for another threshold or aggregator than the atlas was built with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.encoding import ImageCode, ImageEncoder
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.building import Work
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.interfaces.aggregator import Aggregator
    from cytosae_toolkit.tokens.reader import TokenSet

IMAGES_AT_ONCE = 16


class Recoder:
    """Encodes images of an atlas again, from the kept tokens of its run, or else from the original images.

    Parameters
    ----------
    atlas : Atlas
        With images.
    aggregator : Aggregator
        Makes `ImageCode.value`.
    work : Work
        Device, token store, progress.

    Raises
    ------
    CytosaeError
        If neither tokens nor originals can be found.
    """

    def __init__(self, atlas: Atlas, aggregator: Aggregator, work: Work) -> None:
        from cytosae_toolkit.atlas.streaming import token_spread
        from cytosae_toolkit.devices import resolve_device

        device = resolve_device(work.device)
        self._view = _tokens(atlas, work, device)
        self._places = _places(atlas, self._view)
        backbone = atlas.run.record["backbone"]
        self._encoder = ImageEncoder(
            atlas.run.sae.to(device), aggregator, tuple(backbone["grid"]), int(backbone["prefix_tokens"]),
            token_spread(atlas.run), device,
        )  # fmt: skip

    def codes(self, rows: NDArray[np.int64]) -> Iterator[ImageCode]:
        """Yield the latents of images, by their rows in the atlas: the same as when it was built."""
        for start in range(0, len(rows), IMAGES_AT_ONCE):
            chunk = rows[start : start + IMAGES_AT_ONCE]
            for row, tokens in zip(chunk.tolist(), self._view.read(self._places[chunk]), strict=True):
                yield self._encoder(tokens.astype(np.float32), row)


def atlas_images(atlas: Atlas) -> ImageTable:
    """Return the image table of an atlas, to be read where the originals lie.

    Raises
    ------
    CytosaeError
        If the atlas does not know where they lie.
    """
    from cytosae_toolkit.images import ImageTable

    frame = atlas.images.copy()
    if "path" not in frame or (frame["path"].astype(str) == "").all():
        raise CytosaeError(
            f"{atlas.path} does not know its original images: it was packed without patient ids.",
            "Another threshold or aggregator needs the atlas that it was packed from.",
        )
    for name in ("x0", "y0", "x1", "y1"):
        if name in frame:
            frame[name] = pd.to_numeric(frame[name], errors="coerce").astype("Int64")
    return ImageTable(frame, atlas.path.parent.resolve(), str(atlas.path), keys=frame["key"].astype(str).tolist())


def _tokens(atlas: Atlas, work: Work, device: str) -> TokenSet:
    """Return the tokens of all images: those that are kept if all are, which needs no backbone, else computed."""
    from cytosae_toolkit.tokens import TokenStore, TokenView, is_token_store, token_source

    run, options = atlas.run, dict(work.token_options)
    store = options.pop("store", None) or run.own_token_store
    images = atlas_images(atlas)
    keys = list(images.content_keys())
    if store is not None and is_token_store(store) and not options.get("no_store"):
        opened = TokenStore.open(store)
        _check_store(atlas, opened)
        if all(key in opened for key in keys):
            return TokenView(opened, keys)
    backbone = run.backbone(device=device, offline=work.offline)
    options = {"dtype": run.config.get("token_dtype", "float16")} | options
    return token_source(
        images, backbone, run.layer, store=store, demonstration=run.demonstration, workers=work.workers,
        progress=work.progress, stop=work.stop, **options,
    )  # fmt: skip


def _check_store(atlas: Atlas, store: object) -> None:
    identity = store.identity  # type: ignore[attr-defined]
    if (identity.fingerprint, identity.layer) != (atlas.record["backbone_fingerprint"], atlas.record["layer"]):
        raise CytosaeError(
            "The token store belongs to another backbone or layer than the atlas.", "Name the run's own with --tokens."
        )


def _places(atlas: Atlas, view: TokenSet) -> NDArray[np.int64]:
    places = np.full(atlas.n_images, -1, dtype=np.int64)
    places[view.table_rows] = np.arange(len(view))
    missing = np.flatnonzero(places < 0)
    if len(missing):
        raise CytosaeError(
            f"{len(missing)} of {atlas.n_images} images can no longer be read, "
            f"such as {atlas.original(int(missing[0]))}.",
            "Put the originals back where they were when the atlas was built.",
        )
    return places


def counts_above(code: ImageCode, thresholds: Sequence[float]) -> NDArray[np.int64]:
    """Return the number of patches above each threshold of each active latent, int64 [n_thresholds, n_active]."""
    segment = np.repeat(np.arange(len(code.latent)), np.diff(code.start))
    above = [segment[code.activation > np.float32(threshold)] for threshold in thresholds]
    return np.stack([np.bincount(own, minlength=len(code.latent)) for own in above]).astype(np.int64)
