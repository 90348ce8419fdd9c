"""Where a command gets its tokens from: a store that is filled as needed, or the backbone on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.devices import resolve_precision
from cytosae_toolkit.distributed import ALONE, Ranks
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.tokens.compute import TokenComputer, device_of
from cytosae_toolkit.tokens.extraction import extract_together
from cytosae_toolkit.tokens.folder import is_token_store
from cytosae_toolkit.tokens.identity import TokenIdentity
from cytosae_toolkit.tokens.live import LiveView
from cytosae_toolkit.tokens.reader import TokenView, open_view
from cytosae_toolkit.tokens.store import TokenStore

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable


def token_source(
    images: ImageTable,
    backbone: Backbone,
    layer: int,
    *,
    store: Path | None = None,
    no_store: bool = False,
    dtype: str = "float16",
    precision: str = "auto",
    plugin: Mapping[str, Any] | None = None,
    demonstration: bool | None = None,
    workers: int | None = None,
    strict: bool = False,
    may_be_empty: bool = False,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> TokenView | LiveView:
    """Return the tokens of an image table; with a store, those it lacks are computed first.

    Parameters
    ----------
    images : ImageTable
        The images.
    backbone : Backbone
        Ready for use.
    layer : int
        Block to read; negative counts from the end.
    store : Path, optional
        Token store; by default `default_store` in the cache.
    no_store : bool
        Compute tokens whenever they are read, keep none; the values are the same.
    dtype : str
        ``"float16"`` or ``"float32"``.
    precision : str
        Of the backbone; ``"auto"`` follows an existing store, else the device.
    plugin : mapping, optional
        Record of what made the backbone; by default its attribute ``plugin``.
    demonstration : bool, optional
        Whether the backbone serves demonstrations only, stamped on the store; by default what its plugin says.
    workers : int, optional
        Decoding threads.
    strict : bool
        Refuse unreadable images instead of leaving them out.
    may_be_empty : bool
        Accept that no image is readable: where these are a part of a larger set.
    progress : Progress
        Whom to tell.
    stop : callable
        Asked after each block of images; True ends the work as Ctrl-C does, and what is complete is kept.
    ranks : Ranks
        The processes that call this with the same images; each computes a part of what the store lacks.

    Returns
    -------
    TokenView or LiveView
        In table order, without the unreadable images, which its `skipped` lists.

    Raises
    ------
    CytosaeError
        If the store belongs to other tokens, the disk is too small, no image is readable (unless `may_be_empty`), or
        tokens are not finite.
    """
    from cytosae_toolkit.images import check

    if no_store:
        store = None
    elif store is None:
        store = default_store(backbone, layer, dtype, precision)
    identity = identity_for(
        backbone, layer, store, dtype=dtype, precision=precision, plugin=plugin, demonstration=demonstration
    )
    computer = TokenComputer(backbone, identity, workers=workers)
    if store is None:
        readable, skipped = check(images, strict=strict, workers=workers, may_be_empty=may_be_empty)
        rows = np.flatnonzero(np.isin(images.ids, readable.ids))
        return LiveView(images, computer, rows, skipped)
    return fill(
        images, computer, store, strict=strict, may_be_empty=may_be_empty, progress=progress, stop=stop, ranks=ranks
    )


def fill(
    images: ImageTable,
    computer: TokenComputer,
    path: Path,
    *,
    strict: bool = False,
    may_be_empty: bool = False,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> TokenView:
    """Open or make a store, compute what it lacks of the images, and return their tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = TokenStore.open_or_create(path, computer.identity)
    extract_together(images, computer, store, ranks, strict=strict, progress=progress, stop=stop)
    view = open_view(store, images)
    if len(images) and not len(view) and not may_be_empty:
        first = view.skipped[0] if view.skipped else None
        detail = f" The first: {first.path}: {first.reason}." if first else ""
        raise CytosaeError(f"None of the {len(images)} images can be read.{detail}", "Check the files.")
    return view


def identity_for(
    backbone: Backbone,
    layer: int,
    store: Path | None,
    *,
    dtype: str = "float16",
    precision: str = "auto",
    plugin: Mapping[str, Any] | None = None,
    demonstration: bool | None = None,
) -> TokenIdentity:
    """Return what tokens will be; ``precision="auto"`` follows the store if it exists, else the device."""
    if precision == "auto" and store is not None and is_token_store(store):
        precision = TokenStore.open(store).identity.precision
    record = getattr(backbone, "plugin", {}) if plugin is None else plugin
    return TokenIdentity.of(
        backbone,
        layer,
        dtype=dtype,
        precision=resolve_precision(precision, device_of(backbone)),
        plugin=record,
        demonstration=_is_demonstration(record) if demonstration is None else demonstration,
    )


def _is_demonstration(plugin: Mapping[str, Any]) -> bool:
    from cytosae_toolkit.plugins import registry

    if not plugin.get("name"):
        return False
    try:
        part = registry().get("backbone", f"{plugin.get('distribution')}/{plugin['name']}")
    except CytosaeError:
        return False
    return bool(getattr(part.spec, "demonstration", False))


def default_store(backbone: Backbone, layer: int, dtype: str = "float16", precision: str = "auto") -> Path:
    """Return the place in the cache for the tokens of a backbone's layer: one store for all image sets."""
    resolved = resolve_precision(precision, device_of(backbone))
    suffix = "" if resolved == "float32" else f"-{resolved}"
    name = f"{backbone.fingerprint[:16]}-layer{backbone.resolve_layer(layer)}-{dtype}{suffix}"
    return cache_folder() / "tokens" / name


def missing_images(store: Path, images: ImageTable) -> int:
    """Return how many images have no tokens in a store, which need not exist."""
    if not is_token_store(store):
        return len(images)
    opened = TokenStore.open(store)
    return sum(key not in opened for key in images.content_keys())


def estimate_bytes(n_images: int, backbone: Backbone, dtype: str = "float16") -> int:
    """Return the disk space that the tokens of `n_images` images take."""
    return n_images * TokenIdentity.of(backbone, 0, dtype=dtype).disk_bytes
