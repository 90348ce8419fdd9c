"""The tokens of an image set, read from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import Skipped
from cytosae_toolkit.tokens.extraction import skipped_images
from cytosae_toolkit.tokens.identity import TokenIdentity
from cytosae_toolkit.tokens.images import ImageSource, keys_hash
from cytosae_toolkit.tokens.shards import BLOCK
from cytosae_toolkit.tokens.store import TokenStore


class TokenSet(Protocol):
    """The tokens of an ordered set of images, wherever they come from: a `TokenView` or a `LiveView`.

    Attributes
    ----------
    identity : TokenIdentity
        What the tokens are.
    keys : sequence of str
        Content key of every image, in order.
    table_rows : int64 array [len]
        Row of the image table of every image; rows of unreadable images are left out.
    skipped : tuple of Skipped
        Images of the table that could not be read, and why.
    """

    identity: TokenIdentity
    keys: Sequence[str]
    table_rows: NDArray[np.int64]
    skipped: tuple[Skipped, ...]

    def __len__(self) -> int:
        """Return the number of images."""

    @property
    def n_tokens(self) -> int:
        """Tokens per image, prefix included."""

    @property
    def d_model(self) -> int:
        """Length of a token."""

    @property
    def fingerprint(self) -> str:
        """Hash of the ordered content: equal fingerprints give equal training batches."""

    def read(self, indices: ArrayLike) -> NDArray[Any]:
        """Return the tokens of images, [n, n_tokens, d_model], in the identity's type, in the order asked."""

    def subset(self, indices: ArrayLike) -> Self:
        """Return the set of some of the images, in the order given."""


class BaseTokenSet:
    """What the two kinds of token sets share."""

    identity: TokenIdentity
    keys: Sequence[str]
    table_rows: NDArray[np.int64]
    skipped: tuple[Skipped, ...]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.keys)

    @property
    def n_tokens(self) -> int:
        """Tokens per image, prefix included."""
        return self.identity.n_tokens

    @property
    def d_model(self) -> int:
        """Length of a token."""
        return self.identity.d_model

    @property
    def fingerprint(self) -> str:
        """Hash of the ordered content: equal fingerprints give equal training batches."""
        return keys_hash([self.identity.fingerprint, self.identity.describe(), *self.keys])


class TokenView(BaseTokenSet):
    """An image set over a token store.

    Parameters
    ----------
    store : TokenStore
        The store.
    keys : sequence of str
        Content key of every image, in order; all must be in the store.
    table_rows : int array [len(keys)], optional
        Their rows of the image table.
    skipped : sequence of Skipped
        Images of the table that were left out.
    """

    def __init__(
        self,
        store: TokenStore,
        keys: Sequence[str],
        table_rows: ArrayLike | None = None,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        self.store = store
        self.identity = store.identity
        self.keys = list(keys)
        self.table_rows = np.asarray(range(len(keys)) if table_rows is None else table_rows, dtype=np.int64)
        self.skipped = tuple(skipped)
        self.rows = store.rows(self.keys)
        n_missing = int((self.rows < 0).sum())
        if n_missing:
            raise CytosaeError(
                f"{n_missing} of {len(self.keys)} images have no tokens in {store.path}.",
                "Add them with `cytosae-toolkit tokens IMAGES --out STORE` and the same backbone and layer.",
            )

    def __repr__(self) -> str:
        return f"TokenView({len(self)} images of {self.store!r})"

    def read(self, indices: ArrayLike) -> NDArray[Any]:
        """Return the tokens of images.

        Parameters
        ----------
        indices : int array [n]
            Positions in this view, in any order; negative count from the end.

        Returns
        -------
        array [n, n_tokens, d_model]
            In the store's type (float16 or float32).

        Raises
        ------
        CytosaeError
            If a shard is missing or cut off.
        """
        return read_rows(self.store, self.rows[np.asarray(indices, dtype=np.int64)])

    def subset(self, indices: ArrayLike) -> TokenView:
        """Return the view of some of the images, in the order given."""
        chosen = np.asarray(indices, dtype=np.int64)
        return TokenView(self.store, [self.keys[i] for i in chosen], self.table_rows[chosen], self.skipped)


def open_view(store: TokenStore, images: ImageSource) -> TokenView:
    """Return the tokens of an image table, in table order; images recorded as unreadable are left out.

    Raises
    ------
    CytosaeError
        If the store lacks images; the message says how many.
    """
    keys, lost = list(images.content_keys()), store.unreadable
    rows = [row for row, key in enumerate(keys) if key not in lost]
    return TokenView(store, [keys[row] for row in rows], rows, skipped_images(store, images, keys))


def read_rows(store: TokenStore, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Read rows of a store straight from its shards, each shard opened once and neighbours read at once.

    Image `r` of a block lies at byte ``r * image_bytes`` of its shard, so no shard index is needed; the same
    values as ``store.array[row]`` without Zarr's cost per chunk.

    Parameters
    ----------
    store : TokenStore
        The store.
    rows : int64 array [n]
        Rows, in any order.

    Returns
    -------
    array [n, n_tokens, d_model]
    """
    identity = store.identity
    out = np.empty((len(rows), *identity.image_shape), dtype=identity.numpy_dtype)
    order = np.argsort(rows, kind="stable")
    blocks = rows[order] // BLOCK
    for run in np.split(order, np.flatnonzero(np.diff(blocks)) + 1):
        if len(run):
            _read_block(store, int(rows[run[0]] // BLOCK), rows[run] % BLOCK, run, out)
    return out


def _read_block(
    store: TokenStore, block: int, sources: NDArray[np.int64], targets: NDArray[np.int64], out: NDArray[Any]
) -> None:
    """Read rows `sources` of a shard (ascending) to rows `targets` of `out`."""
    size = store.identity.image_bytes
    breaks = np.flatnonzero((np.diff(sources) != 1) | (np.diff(targets) != 1)) + 1
    try:
        with store.shard_path(block).open("rb", buffering=0) as shard:
            for piece in np.split(np.arange(len(sources)), breaks):
                shard.seek(int(sources[piece[0]]) * size)
                first = int(targets[piece[0]])
                target = out[first : first + len(piece)].reshape(-1).view(np.uint8).data
                while target:
                    n_read = shard.readinto(target)
                    if not n_read:
                        raise _damaged(store, block)
                    target = target[n_read:]
    except FileNotFoundError:
        raise _damaged(store, block) from None


def _damaged(store: TokenStore, block: int) -> CytosaeError:
    return CytosaeError(
        f"The token store {store.path} is damaged: {store.shard_path(block).name} is missing or cut off.",
        f"Delete {store.path / 'index' / f'block-{block:08d}.json'} and run `cytosae-toolkit tokens` again.",
    )
