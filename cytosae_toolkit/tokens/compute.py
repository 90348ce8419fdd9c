"""Images to tokens: decoded and preprocessed by threads, run through the backbone in batches of one shape.

A batch always has the same number of images; the last one is filled up. So the shapes of all matrix products
are the same whatever the images are, and an image's tokens depend neither on its neighbours nor on its place
in the batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.devices import autocast
from cytosae_toolkit.errors import CytosaeError, NotFiniteError
from cytosae_toolkit.images.parallel import n_workers, one_ahead
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.tokens.identity import TokenIdentity
from cytosae_toolkit.tokens.images import ImageSource

if TYPE_CHECKING:
    import torch

CPU_BATCH, GPU_BATCH = 8, 64


@dataclass(frozen=True)
class Group:
    """Images that are asked for together, such as a block of a store.

    Parameters
    ----------
    name : int
        The caller's own number.
    images : sequence of int
        Rows of the image table.
    """

    name: int
    images: Sequence[int]


@dataclass(frozen=True)
class GroupTokens:
    """The tokens of a `Group`.

    Parameters
    ----------
    name : int
        As in the group.
    tokens : array [len(images), n_tokens, d_model]
        In the identity's type; zeros for unreadable images.
    unreadable : dict of int to CytosaeError
        Position in the group → why the image could not be decoded.
    """

    name: int
    tokens: NDArray[Any]
    unreadable: dict[int, CytosaeError]


@dataclass(frozen=True)
class _Batch:
    """Images of a group from position `start` on, `n` of them: errors by position, inputs of those without."""

    start: int
    n: int
    errors: dict[int, CytosaeError]
    inputs: torch.Tensor | None


class TokenComputer:
    """Runs a backbone over images.

    Parameters
    ----------
    backbone : Backbone
        Ready for use.
    identity : TokenIdentity
        Layer, type and precision of the tokens.
    batch_size : int, optional
        Images per batch: by default 8 on the CPU and 64 elsewhere.
    workers : int, optional
        Decoding threads: by default the number of cores, at most 16.
    """

    def __init__(
        self,
        backbone: Backbone,
        identity: TokenIdentity,
        *,
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.backbone.precision = identity.precision
        self.identity = identity
        self.device = device_of(backbone)
        self.batch_size = batch_size or (CPU_BATCH if self.device == "cpu" else GPU_BATCH)
        self.workers = n_workers(workers or None)

    def run(
        self,
        images: ImageSource,
        groups: Iterable[Group],
        *,
        batch_size: int | None = None,
        advance: Callable[[int], None] = lambda n: None,
    ) -> Generator[GroupTokens]:
        """Yield the tokens of each group in order; decoding runs ahead of it by a bounded number of images.

        Parameters
        ----------
        images : ImageSource
            The image table.
        groups : iterable of Group
            Which of its images, and together with which.
        batch_size : int, optional
            Images per batch instead of the usual number.
        advance : callable
            Told the number of images after each batch.

        Raises
        ------
        NotFiniteError
            If the backbone gives NaN or infinity for an image.
        CytosaeError
            If a token does not fit into float16, or memory runs out.
        """
        size = batch_size or self.batch_size
        groups = list(groups)
        with (
            self._prefetched(images, [i for group in groups for i in group.images], size) as inputs,
            closing(one_ahead(self._batches(groups, inputs, size))) as batches,
        ):
            for group in groups:
                yield self._group(images, group, batches, size, advance)

    def _batches(self, groups: Sequence[Group], inputs: Iterator[Any], size: int) -> Iterator[_Batch]:
        """Yield the batches of all groups; a group begins a batch of its own."""
        for group in groups:
            for start in range(0, len(group.images), size):
                found = list(islice(inputs, min(size, len(group.images) - start)))
                errors = {start + i: x for i, x in enumerate(found) if isinstance(x, CytosaeError)}
                pinned = self.device.startswith("cuda")
                yield _Batch(start, len(found), errors, _filled(found, size, pinned=pinned))

    def _group(
        self,
        images: ImageSource,
        group: Group,
        batches: Iterator[_Batch],
        size: int,
        advance: Callable[[int], None],
    ) -> GroupTokens:
        n = len(group.images)
        tokens = np.zeros((n, *self.identity.image_shape), dtype=self.identity.numpy_dtype)
        unreadable: dict[int, CytosaeError] = {}
        for batch in islice(batches, -(-n // size)):
            unreadable |= batch.errors
            readable = [p for p in range(batch.start, batch.start + batch.n) if p not in batch.errors]
            if batch.inputs is not None:
                out = self._forward(batch.inputs)[: batch.n]
                self._check(images, out, {p - batch.start: group.images[p] for p in readable})
                rounded = out.to(_torch_dtype(self.identity.dtype)).cpu().numpy()
                tokens[readable] = rounded[[p - batch.start for p in readable]]
            advance(batch.n)
        return GroupTokens(group.name, tokens, unreadable)

    def _forward(self, batch: torch.Tensor) -> torch.Tensor:
        import torch

        expected = (len(batch), *self.identity.image_shape)
        with (
            torch.inference_mode(),
            _precision(self.device, self.identity.precision),
            _explain_memory(len(batch)),
        ):
            out = self.backbone.tokens(batch, self.identity.layer).float()
        if tuple(out.shape) != expected:
            raise CytosaeError(
                f"The backbone gave tokens of shape {list(out.shape)} where it promised {list(expected)}.",
                "Run `cytosae-toolkit plugins check` on it.",
            )
        return out

    def _check(self, images: ImageSource, out: torch.Tensor, rows: dict[int, int]) -> None:
        """Refuse tokens that their type cannot hold; `rows` maps places in the batch to table rows."""
        largest = out.abs().amax(dim=(1, 2)).tolist()  # NaN spreads through amax
        limit = _LIMITS[self.identity.dtype]
        for position, row in rows.items():
            value = largest[position]
            if not np.isfinite(value):
                raise NotFiniteError(
                    f"The backbone gave NaN or infinite tokens for the image {images.path(row)} (row {row}).",
                    "Leave the image out, or try --precision float32.",
                )
            if value >= limit:
                raise CytosaeError(
                    f"The tokens of the image {images.path(row)} (row {row}) reach {value:.6g}, "
                    "but float16 ends at 65504.",
                    "Use --token-dtype float32.",
                )

    @contextmanager
    def _prefetched(self, images: ImageSource, rows: Sequence[int], ahead: int) -> Iterator[Iterator[Any]]:
        """Yield an iterator over preprocessed images, or the error of one, with `ahead` of them in work."""
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="cytosae-decode")
        waiting: deque[Future[Any]] = deque()

        def results() -> Iterator[Any]:
            for row in rows:
                waiting.append(pool.submit(self._prepare, images, row))
                if len(waiting) >= ahead + self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        try:
            yield results()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, images: ImageSource, row: int) -> torch.Tensor | CytosaeError:
        try:
            image = images.read(row)
        except CytosaeError as error:
            return error
        return self.backbone.preprocess(image)


# The smallest magnitude that rounds to infinity.
_LIMITS = {"float16": 65520.0, "float32": float("inf")}


def _filled(batch: Sequence[torch.Tensor | CytosaeError], size: int, *, pinned: bool) -> torch.Tensor | None:
    """Stack a batch; gaps and the end of a short one are filled with its first readable image, None without one.

    Page-locked memory is fetched by a GPU while the next batch is made.
    """
    import torch

    first = next((x for x in batch if isinstance(x, torch.Tensor)), None)
    if first is None:
        return None
    filled = [x if isinstance(x, torch.Tensor) else first for x in batch]
    out = torch.empty((size, *first.shape), dtype=first.dtype, pin_memory=pinned)
    return torch.stack(filled + [first] * (size - len(filled)), out=out)


def _torch_dtype(name: str) -> torch.dtype:
    import torch

    return {"float16": torch.float16, "float32": torch.float32}[name]


def device_of(backbone: Backbone) -> str:
    """Return the torch device name where a backbone is loaded: its attribute ``device``, else ``"cpu"``."""
    return str(getattr(backbone, "device", "cpu"))


@contextmanager
def _precision(device: str, precision: str) -> Iterator[None]:
    import torch

    before, wanted = torch.get_float32_matmul_precision(), "high" if precision == "tf32" else "highest"
    changes = device.startswith("cuda") and before != wanted  # the setting is global: leave it if possible
    if changes:
        torch.set_float32_matmul_precision(wanted)
    try:
        with autocast(device, precision):
            yield
    finally:
        if changes:
            torch.set_float32_matmul_precision(before)


@contextmanager
def _explain_memory(n_images: int) -> Iterator[None]:
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise CytosaeError(
            f"Memory ran out while the backbone worked on {n_images} images.",
            "Close other programs, use a smaller backbone, or use --device cpu.",
        ) from error
