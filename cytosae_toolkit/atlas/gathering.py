"""Images that stream by become the entries, heat maps and facts of a block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cytosae_toolkit.atlas.accumulators import PatchSums
from cytosae_toolkit.atlas.blocks import BlockImages, Entries, Heats
from cytosae_toolkit.atlas.encoding import ImageCode
from cytosae_toolkit.atlas.pictures import as_seen, encode_picture
from cytosae_toolkit.atlas.sampling import priority
from cytosae_toolkit.atlas.tracking import Reservoir, TopTracker
from cytosae_toolkit.images.morphology import colour_moments, measure_cell
from cytosae_toolkit.interfaces.codes import stable_order
from cytosae_toolkit.memory import release_freed

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.interfaces.backbone import Backbone

PENDING = 500_000
"""Non-zero activations that wait for the decision which heat maps are kept."""


@dataclass(frozen=True)
class Seen:
    """What the pixels of one image say.

    Parameters
    ----------
    picture : bytes
        As the backbone saw it, lossless WebP.
    colour : float32 array [9]
        Colour moments of that picture.
    cell : float64 array [3]
        Nuclear area, nucleus:cytoplasm ratio, cell size.
    """

    picture: bytes
    colour: NDArray[np.float32]
    cell: NDArray[np.float64]


def look(images: ImageTable, row: int, backbone: Backbone) -> Seen:
    """Decode an image and measure what does not need the SAE; safe in several threads."""
    image = images.read(row)
    picture = as_seen(image, backbone)
    cell = measure_cell(image)
    measured = np.array([cell.nuclear_area, cell.nc_ratio, cell.cell_size], dtype=np.float64)
    return Seen(encode_picture(picture), colour_moments(picture), measured)


@dataclass(frozen=True)
class Batch:
    """Some images, encoded.

    Parameters
    ----------
    rows : list of int
        Their places in the stream.
    positions : list of int
        Their rows in the image table.
    tokens : float32 array [n, n_tokens, d_model]
        All of them.
    codes : list of ImageCode
        Their latents.
    """

    rows: list[int]
    positions: list[int]
    tokens: NDArray[np.float32]
    codes: list[ImageCode]


@dataclass(frozen=True)
class ImageCodes:
    """What the streaming must know of each image beside its tokens.

    Parameters
    ----------
    sets, groups : int64 array [n]
        Number of the set and of the group.
    keys : uint64 array [n]
        Pseudo-random number of the image.
    """

    sets: NDArray[np.int64]
    groups: NDArray[np.int64]
    keys: NDArray[np.uint64]


class Trackers:
    """Decides which heat maps are kept: those of the best and of random images so far.

    Parameters
    ----------
    d_sae, n_sets, top, reservoir : int
        Sizes.
    """

    def __init__(self, d_sae: int, n_sets: int, top: int, reservoir: int) -> None:
        self._best = TopTracker(d_sae, n_sets, top)
        self._random = Reservoir(d_sae, reservoir)

    def offer(
        self, latent: NDArray[np.int64], rows: NDArray[np.int64], mean: NDArray[np.float32], codes: ImageCodes
    ) -> NDArray[np.bool_]:
        """Return which entries, sorted by image, are worth a heat map at this moment."""
        best = self._best.update(latent, codes.sets[rows], codes.groups[rows], mean, rows)
        return best | self._random.update(latent, priority(latent, codes.keys[rows]))


class BlockGatherer:
    """Collects the images of one block.

    Parameters
    ----------
    prefix_tokens : int
        Tokens of an image before those of its patches.
    trackers : Trackers
        Of the whole stream.
    sums : PatchSums
        Of the whole stream.
    codes : ImageCodes
        Of all images of the stream.
    """

    def __init__(self, prefix_tokens: int, trackers: Trackers, sums: PatchSums, codes: ImageCodes) -> None:
        self._prefix, self._trackers, self._sums, self._codes = prefix_tokens, trackers, sums, codes
        self._entries: list[dict[str, NDArray[Any]]] = []
        self._heats: list[dict[str, NDArray[Any]]] = []
        self._images: list[dict[str, Any]] = []
        self._seen: list[Seen] = []
        self._waiting: list[tuple[int, ImageCode]] = []
        self._n_waiting = 0

    @property
    def n_images(self) -> int:
        """Images added so far."""
        return len(self._images)

    def add(self, batch: Batch, seen: list[Seen]) -> None:
        """Add some images, and what their pixels say."""
        for i, code in enumerate(batch.codes):
            self._add(batch.rows[i], batch.positions[i], batch.tokens[i], code)
        self._seen += seen
        release_freed()

    def _add(self, row: int, position: int, tokens: NDArray[np.float32], code: ImageCode) -> None:
        prefix = self._prefix
        self._images.append(
            {
                "positions": position,
                "fvu": code.fvu,
                "l0": code.n_nonzero / len(tokens),
                "cls": tokens[0].copy() if prefix else np.zeros_like(tokens[0]),  # a view would keep all tokens
                "mean_patch": tokens[prefix:].mean(axis=0, dtype=np.float64).astype(np.float32),
            }
        )
        self._sums.update(
            int(self._codes.sets[row]), np.repeat(code.latent, np.diff(code.start)), code.patch, code.activation,
            code.tokens_active, code.latent,
        )  # fmt: skip
        self._waiting.append((row, code))
        self._n_waiting += len(code.patch) + len(code.latent)
        if self._n_waiting >= PENDING:
            self._decide()

    def _decide(self) -> None:
        """Keep the entries of the waiting images, and of their heat maps those worth it."""
        if not self._waiting:
            return
        sizes = [len(code.latent) for _, code in self._waiting]
        latent = np.concatenate([code.latent for _, code in self._waiting])
        rows = np.repeat(np.array([row for row, _ in self._waiting], dtype=np.int64), sizes)
        mean = np.concatenate([code.mean for _, code in self._waiting])
        keep = self._trackers.offer(latent, rows, mean, self._codes)
        first = len(self._images) - len(self._waiting)
        parts = np.split(keep, np.cumsum(sizes)[:-1])
        for place, ((_, code), kept) in enumerate(zip(self._waiting, parts, strict=True), start=first):
            self._entries.append(_entries(code, place))
            self._heats.append(_kept_heats(code, kept, place))
        self._waiting, self._n_waiting = [], 0

    def finish(self, d_sae: int, d_model: int) -> tuple[Entries, Heats, BlockImages]:
        """Return everything, sorted by latent."""
        self._decide()
        entries = _sorted_entries(self._entries, d_sae)
        self._entries = []
        return entries, _sorted_heats(self._heats, d_sae), self._block_images(d_model)

    def _block_images(self, d_model: int) -> BlockImages:
        def column(name: str, dtype: Any, shape: tuple[int, ...] = ()) -> NDArray[Any]:
            return np.array([image[name] for image in self._images], dtype=dtype).reshape(-1, *shape)

        pictures = [seen.picture for seen in self._seen]
        return BlockImages(
            positions=column("positions", np.int64),
            fvu=column("fvu", np.float64),
            l0=column("l0", np.float64),
            cls=column("cls", np.float32, (d_model,)),
            mean_patch=column("mean_patch", np.float32, (d_model,)),
            colour=np.array([seen.colour for seen in self._seen], dtype=np.float32).reshape(-1, 9),
            cell=np.array([seen.cell for seen in self._seen], dtype=np.float64).reshape(-1, 3),
            picture_offsets=np.cumsum([0, *map(len, pictures)], dtype=np.int64),
            pictures=np.frombuffer(b"".join(pictures), dtype=np.uint8),
        )


def _entries(code: ImageCode, row: int) -> dict[str, NDArray[Any]]:
    own: dict[str, NDArray[Any]] = {
        "latent": code.latent.astype(np.int32),
        "row": np.full(len(code.latent), row, np.uint8),
    }
    return own | {name: getattr(code, name) for name in ("mean", "max", "value", "peak")}


def _kept_heats(code: ImageCode, kept: NDArray[np.bool_], row: int) -> dict[str, NDArray[Any]]:
    lengths = np.diff(code.start)
    cells = np.repeat(kept, lengths)
    return {
        "latent": code.latent[kept].astype(np.int32),
        "row": np.full(int(kept.sum()), row, np.uint8),
        "length": lengths[kept].astype(np.int32),
        "patch": code.patch[cells].astype(np.uint16),
        "activation": code.activation[cells],
    }


def _joined(parts: list[dict[str, NDArray[Any]]], name: str, dtype: Any) -> NDArray[Any]:
    """Join and forget a column of the parts."""
    joined = np.concatenate([np.zeros(0, dtype), *(part.pop(name) for part in parts)], dtype=dtype)
    release_freed()
    return joined


def _indptr(latent: NDArray[np.int32], d_sae: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(latent, minlength=d_sae))]).astype(np.int64)


def _order(latent: NDArray[np.int32], d_sae: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = stable_order(torch.from_numpy(latent), d_sae).numpy()
    return order


def _sorted_entries(parts: list[dict[str, NDArray[Any]]], d_sae: int) -> Entries:
    latent = _joined(parts, "latent", np.int32)
    order = _order(latent, d_sae)
    types = {"row": np.uint8, "mean": np.float32, "max": np.float32, "value": np.float32, "peak": np.int32}
    columns = (_joined(parts, name, dtype)[order] for name, dtype in types.items())
    return Entries(_indptr(latent, d_sae), *columns)


def _sorted_heats(parts: list[dict[str, NDArray[Any]]], d_sae: int) -> Heats:
    from cytosae_toolkit.atlas.kernels import copy_ranges

    lengths = _joined(parts, "length", np.int32)
    latent = _joined(parts, "latent", np.int32)
    order, indptr = _order(latent, d_sae), _indptr(latent, d_sae)
    rows = _joined(parts, "row", np.uint8)[order]
    begins = np.cumsum(lengths, dtype=np.int32 if lengths.sum(dtype=np.int64) < 1 << 31 else np.int64)
    np.subtract(begins, lengths, out=begins)
    begins, offsets = begins[order], np.zeros(len(order) + 1, dtype=np.int64)
    np.cumsum(lengths[order], out=offsets[1:])
    del latent, lengths, order  # a block is most of what a build holds in memory

    def cells(name: str, dtype: Any) -> NDArray[Any]:
        source = _joined(parts, name, dtype)
        out = np.empty_like(source)
        copy_ranges(begins, offsets[1:], source, out)
        return out

    return Heats(indptr, rows, offsets, cells("patch", np.uint16), cells("activation", np.float32))


def ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``start, start + 1, … start + length - 1`` of each pair, one after the other."""
    total = int(lengths.sum())
    begins = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(total) + np.repeat(starts - begins, lengths))


def numbered(rows: NDArray[np.int64], size: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield (block number, places in `rows`) for rows that ascend; a block without rows has no places."""
    for block in range(int(rows[0]) // size, int(rows[-1]) // size + 1) if len(rows) else ():
        yield block, np.flatnonzero(rows // size == block)
