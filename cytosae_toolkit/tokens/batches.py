"""The batch of training step t: a pure function of (the ordered content of a token set, seed, t).

Every epoch permutes the images, cuts them into windows, and permutes the tokens within each window. The
epochs one after another are an endless stream in which every token of the set occurs once per epoch; batch
`t` is its piece from ``t * batch_tokens``. So resuming, sweeps and the ranks of a distributed run need `t`.

Permutations are the order of raw Philox numbers, a stream that NumPy guarantees never to change.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens.reader import TokenSet

if TYPE_CHECKING:
    import torch

_IMAGES, _TOKENS, _SAMPLE = 1, 2, 3
_READY_BATCHES = 2
_IMAGES_AT_ONCE = 64


def permutation(n: int, *key: int) -> NDArray[np.int64]:
    """Return a random permutation of ``range(n)``, int64 [n], decided by `key` alone on every platform."""
    return np.argsort(_philox(*key).random_raw(n), kind="stable").astype(np.int64, copy=False)


def _philox(*key: int) -> np.random.Philox:
    return np.random.Philox(np.random.SeedSequence(list(key)))


@dataclass(frozen=True)
class _Window:
    """Tokens or images in shuffled order: item `i` is ``units[order[i]]``; those of other parts have no unit."""

    units: NDArray[Any]
    order: NDArray[np.int64]


class TokenBatches:
    """Training batches over a token set, by random access or in order with reading ahead.

    Parameters
    ----------
    tokens : TokenSet
        Where the tokens come from, such as the training part of a `TokenView`.
    seed : int
        Not negative.
    batch_tokens : int, optional
        Tokens of a batch, shuffled over the images of a window.
    batch_images : int, optional
        Instead: whole images of a batch, in shuffled order.
    window_images : int
        Images whose tokens are shuffled together and held in memory; two windows are held at a time.
    part : (int, int)
        ``(i, n)``: yield only part `i` of `n` of each batch, counted from 0; the parts in order are the batch. Only the
        tokens of the part are held in memory, and of whole images only those of the part are read.
    pinned : bool
        Make batches in page-locked memory, from which a GPU fetches them while it computes, and leave their type as it
        is stored, half as much to fetch; needs CUDA.

    Raises
    ------
    CytosaeError
        If the set is empty, not exactly one of the two sizes is given and positive, or a batch has fewer tokens or
        images than parts.
    """

    def __init__(
        self,
        tokens: TokenSet,
        *,
        seed: int,
        batch_tokens: int | None = None,
        batch_images: int | None = None,
        window_images: int = 256,
        part: tuple[int, int] = (0, 1),
        pinned: bool = False,
    ) -> None:
        size = batch_tokens if batch_images is None else batch_images
        if (batch_tokens is None) == (batch_images is None) or size is None or size < 1 or window_images < 1:
            raise CytosaeError("A batch needs either a positive number of tokens or a positive number of images.")
        if not len(tokens):
            raise CytosaeError("There are no images to train on.")
        if size < part[1]:
            what = "tokens" if batch_images is None else "images"
            raise CytosaeError(f"A batch of {size} {what} cannot be shared by {part[1]} processes.", "Start fewer.")
        self.tokens, self.seed, self.batch_size, self.pinned = tokens, seed, size, pinned
        self._first, self._stop = (size * i // part[1] for i in (part[0], part[0] + 1))
        self.whole_images = batch_images is not None
        self.window_images = min(window_images, len(tokens))
        self._image_units = 1 if self.whole_images else tokens.n_tokens
        self._windows: OrderedDict[tuple[int, int], Future[_Window]] = OrderedDict()
        self._order: tuple[int, NDArray[np.int64]] | None = None
        self._lock = Lock()

    @property
    def batch_tokens(self) -> int:
        """Tokens of a batch, all parts together."""
        return self.batch_size * (self.tokens.n_tokens if self.whole_images else 1)

    @property
    def share(self) -> float:
        """Share of a batch that is this part; the shares of all parts add up to 1."""
        return (self._stop - self._first) / self.batch_size

    def batch(self, step: int) -> torch.Tensor:
        """Return the batch of a step, or its part.

        Parameters
        ----------
        step : int
            0-based.

        Returns
        -------
        torch.Tensor
            float32 (`pinned`: as stored) [batch_tokens, d_model], or [batch_images, n_tokens, d_model] for whole
            images, or as many as the part has; CPU.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="cytosae-window") as pool:
            return self._batch(step, pool, ahead=False)

    def iterate(self, start: int, n: int) -> Iterator[torch.Tensor]:
        """Yield the batches of steps ``start`` to ``start + n - 1``, prepared in the background.

        The same values as `batch`. Closing the generator, or leaving it by an exception, stops the threads.
        """
        windows = ThreadPoolExecutor(1, thread_name_prefix="cytosae-window")
        batches = ThreadPoolExecutor(1, thread_name_prefix="cytosae-batch")
        waiting: deque[Future[torch.Tensor]] = deque()
        try:
            for step in range(start, start + n):
                waiting.append(batches.submit(self._batch, step, windows, ahead=True))
                if len(waiting) > _READY_BATCHES:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            batches.shutdown(wait=True, cancel_futures=True)
            windows.shutdown(wait=True, cancel_futures=True)
            with self._lock:
                self._windows.clear()  # a cancelled read must not be waited for later

    def _batch(self, step: int, pool: ThreadPoolExecutor, *, ahead: bool) -> torch.Tensor:
        import torch

        pieces = [self._piece(*part, pool, ahead=ahead) for part in self._parts(step)]
        units = pieces[0][0]
        dtype = torch.from_numpy(np.empty(0, units.dtype.newbyteorder("="))).dtype
        shape = (sum(len(rows) for _, rows in pieces), *units.shape[1:])
        batch = torch.empty(shape, dtype=dtype, pin_memory=self.pinned)
        parts = np.split(batch.numpy(), np.cumsum([len(rows) for _, rows in pieces])[:-1])
        for (units, rows), out in zip(pieces, parts, strict=True):
            np.take(units, rows, axis=0, out=out, mode="clip")  # the other modes would make a copy first
        return batch if self.pinned else batch.to(torch.float32)

    def _parts(self, step: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the (epoch, window, start, stop) that make up the part of a batch."""
        position, stop = step * self.batch_size + self._first, step * self.batch_size + self._stop
        epoch_size, window_size = len(self.tokens) * self._image_units, self.window_images * self._image_units
        while position < stop:
            epoch, offset = divmod(position, epoch_size)
            window, first = divmod(offset, window_size)
            available = min(window_size, epoch_size - window * window_size) - first
            taken = min(available, stop - position)
            yield epoch, window, first, first + taken
            position += taken

    def _piece(
        self, epoch: int, window: int, start: int, stop: int, pool: ThreadPoolExecutor, *, ahead: bool
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the items of a window, and which of them, in order, belong to a batch."""
        loaded = self._load(epoch, window, pool)
        if ahead:
            self._load(*self._following(epoch, window), pool)
        shuffled = loaded.result()
        return shuffled.units, shuffled.order[start:stop]

    def _following(self, epoch: int, window: int) -> tuple[int, int]:
        n_windows = -(-len(self.tokens) // self.window_images)
        return (epoch, window + 1) if window + 1 < n_windows else (epoch + 1, 0)

    def _load(self, epoch: int, window: int, pool: ThreadPoolExecutor) -> Future[_Window]:
        """Return the window, reading it in the pool unless it is there; keep the two used last."""
        with self._lock:
            key = (epoch, window)
            if key not in self._windows:
                self._windows[key] = pool.submit(self._read, epoch, window)
            self._windows.move_to_end(key)
            while len(self._windows) > 2:
                self._windows.popitem(last=False)
            return self._windows[key]

    def _read(self, epoch: int, window: int) -> _Window:
        first = window * self.window_images
        images = self._image_order(epoch)[first : first + self.window_images]
        n = len(images) * self._image_units
        mine = self._is_mine((epoch * len(self.tokens) + first) * self._image_units + np.arange(n))
        if self.whole_images:
            return _Window(self.tokens.read(images[mine]), np.cumsum(mine) - 1)
        order = permutation(n, _TOKENS, self.seed, epoch, window)
        wanted = np.zeros(n, dtype=bool)
        wanted[order[mine]] = True
        return _Window(self._read_tokens(images, wanted), (np.cumsum(wanted) - 1)[order])

    def _read_tokens(self, images: NDArray[np.int64], wanted: NDArray[np.bool_]) -> NDArray[Any]:
        """Return some of the tokens of images, [n, d_model]; the others are forgotten after every few images."""
        if wanted.all():
            return self.tokens.read(images).reshape(-1, self.tokens.d_model)
        chosen = wanted.reshape(len(images), -1)
        bounds = np.append(0, np.cumsum(chosen.sum(axis=1)))
        out = np.empty((int(bounds[-1]), self.tokens.d_model), dtype=self.tokens.identity.numpy_dtype)
        for start in range(0, len(images), _IMAGES_AT_ONCE):
            stop = min(start + _IMAGES_AT_ONCE, len(images))
            out[bounds[start] : bounds[stop]] = self.tokens.read(images[start:stop])[chosen[start:stop]]
        return out

    def _is_mine(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether places in the endless stream belong to the part."""
        place = places % self.batch_size
        return np.logical_and(place >= self._first, place < self._stop)

    def _image_order(self, epoch: int) -> NDArray[np.int64]:
        known = self._order
        if known is None or known[0] != epoch:
            self._order = known = (epoch, permutation(len(self.tokens), _IMAGES, self.seed, epoch))
        return known[1]


def sample_tokens(tokens: TokenSet, n: int, *, seed: int) -> torch.Tensor:
    """Draw tokens from the whole set, each equally likely, none twice.

    Parameters
    ----------
    tokens : TokenSet
        Where to draw; only the images that are needed are read, 64 at a time.
    n : int
        How many; all tokens if there are not more.
    seed : int
        Decides which.

    Returns
    -------
    torch.Tensor
        float32 [n, d_model], ordered by place in the set; on the CPU.
    """
    import torch

    chosen = np.sort(_draw(len(tokens) * tokens.n_tokens, n, seed))
    out = torch.empty(len(chosen), tokens.d_model)
    images, places = np.divmod(chosen, tokens.n_tokens)
    unique, first = np.unique(images, return_index=True)
    bounds = np.append(first, len(chosen))
    for start in range(0, len(unique), _IMAGES_AT_ONCE):
        some = unique[start : start + _IMAGES_AT_ONCE]
        part = slice(int(bounds[start]), int(bounds[start + len(some)]))
        values = tokens.read(some)[np.searchsorted(some, images[part]), places[part]]
        out[part] = torch.from_numpy(values.astype(np.float32))
    return out


def _draw(total: int, n: int, seed: int) -> NDArray[np.int64]:
    """Return `n` different numbers below `total` (all if there are not more), int64."""
    if 2 * n >= total:
        return permutation(total, _SAMPLE, seed)[:n]
    source = _philox(_SAMPLE, seed)
    drawn: dict[int, None] = {}
    while len(drawn) < n:  # the remainder's bias is below total / 2**64
        raw = (source.random_raw(n - len(drawn)) % np.uint64(total)).tolist()
        drawn.update(dict.fromkeys(raw))
    return np.fromiter(drawn, dtype=np.int64, count=n)
