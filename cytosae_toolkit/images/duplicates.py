"""Near-duplicates: one cell photographed twice, or one picture saved twice.

Single white cells lie centred in their crops and look alike to an ordinary perceptual hash. So the picture
is first freed of what light, stain and the shared outline contribute (local contrast normalisation), then

1. hashed: the signs of its 16 x 16 lowest DCT coefficients, 256 bits; all pairs within `max_distance` bits
2. verified: the correlation of the normalised 32 x 32 pictures, at the best shift of up to two pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.parallel import Progress, map_threads
from cytosae_toolkit.images.pixels import RGB
from cytosae_toolkit.images.table import ImageTable

Float = npt.NDArray[np.float32]
Thumbnails = npt.NDArray[np.uint8]
Pairs = npt.NDArray[np.int64]
"""Row numbers ``[n_pairs, 2]``, first < second."""

MAX_DISTANCE = 72
"""Default of `max_distance`: bits of 256 in which near-duplicates may differ."""

MIN_CORRELATION = 0.7
"""Default of `min_correlation` of the verification."""

_SIDE = 32
_N_FREQUENCIES = 16
_MAX_SHIFT = 2
_BLOCK = 4096


def near_duplicate_groups(
    table: ImageTable,
    *,
    max_distance: int = MAX_DISTANCE,
    min_correlation: float = MIN_CORRELATION,
    workers: int | None = None,
    progress: Progress | None = None,
) -> npt.NDArray[np.str_]:
    """Return a group label for every image; near-duplicates, also by way of others, share one.

    Memory is about 1.3 kB per image; all pairs of hashes are compared in blocks.

    Parameters
    ----------
    table : ImageTable
        Readable images.
    max_distance : int
        Bits, of 256, in which the hashes of a pair may differ.
    min_correlation : float
        Least correlation of a pair, -1 to 1.
    workers : int, optional
        Threads for decoding.
    progress : callable, optional
        Called with (images decoded, images in total).

    Returns
    -------
    ndarray of str, shape [n_images]
        The smallest image id of the group, whatever the order of the rows.

    Raises
    ------
    UnreadableImage
        An image cannot be decoded.
    CytosaeError
        A threshold is out of range.
    """
    if not 0 <= max_distance < 128 or not -1 <= min_correlation <= 1:
        raise CytosaeError("max_distance must be from 0 to 127 and min_correlation from -1 to 1.")
    pictures = thumbnails(table, workers=workers, progress=progress)
    pairs = near_duplicate_pairs(pictures, max_distance=max_distance, min_correlation=min_correlation)
    return _labels(table.ids, pairs)


def thumbnails(table: ImageTable, *, workers: int | None = None, progress: Progress | None = None) -> Thumbnails:
    """Decode all images and reduce them to grey, antialiased; uint8 ``[n_images, 32, 32]``."""
    small = np.empty((len(table), _SIDE, _SIDE), dtype=np.uint8)
    reduced = map_threads(lambda i: thumbnail(table.read(i)), range(len(table)), workers=workers)
    for i, picture in enumerate(reduced):
        small[i] = picture
        if progress is not None:
            progress(i + 1, len(table))
    return small


def thumbnail(picture: RGB) -> Thumbnails:
    """Reduce one picture to grey, antialiased; uint8 ``[32, 32]``."""
    from PIL import Image

    grey = Image.fromarray(picture).convert("L")
    return np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=3))


def near_duplicate_pairs(
    pictures: Thumbnails, *, max_distance: int = MAX_DISTANCE, min_correlation: float = MIN_CORRELATION
) -> Pairs:
    """Return the pairs of near-duplicates among thumbnails, ``[n_pairs, 2]``, sorted."""
    hashes = perceptual_hashes(pictures)
    found = [pairs[_correlations(pictures, pairs) >= min_correlation] for pairs in _close_pairs(hashes, max_distance)]
    pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def perceptual_hashes(pictures: Thumbnails) -> npt.NDArray[np.uint8]:
    """Return 256-bit hashes of thumbnails, packed: uint8 ``[n, 32]``."""
    from scipy.fft import dctn

    hashes = np.empty((len(pictures), _N_FREQUENCIES**2 // 8), dtype=np.uint8)
    for start in range(0, len(pictures), _BLOCK):
        block = slice(start, start + _BLOCK)
        waves = dctn(normalised(pictures[block], sigma=2), axes=(1, 2), norm="ortho")
        low = waves[:, :_N_FREQUENCIES, :_N_FREQUENCIES]
        hashes[block] = np.packbits((low > 0).reshape(len(low), -1), axis=1)
    return hashes


def normalised(pictures: Thumbnails, *, sigma: float) -> Float:
    """Remove local mean and local contrast, so that light, stain and strong edges do not decide.

    Parameters
    ----------
    pictures : ndarray of uint8, shape [n, side, side]
        Grey thumbnails.
    sigma : float
        Width in pixels of the local mean; structures wider than this vanish.
    """
    from scipy.ndimage import gaussian_filter

    values = pictures.astype(np.float32)
    values -= gaussian_filter(values, (0, sigma, sigma))
    spread = values.std(axis=(1, 2), keepdims=True)
    local = np.sqrt(gaussian_filter(values**2, (0, 3, 3)))
    result: Float = values / (local + 0.5 * spread + 1e-6)
    return result


def _close_pairs(hashes: npt.NDArray[np.uint8], max_distance: int) -> Iterator[Pairs]:
    """Yield pairs within a Hamming distance, block by block; a product of ±1 vectors counts equal bits."""
    n_bits = hashes.shape[1] * 8
    least = n_bits - 2 * max_distance
    for start in range(0, len(hashes), _BLOCK):
        rows = _signs(hashes[start : start + _BLOCK])
        for other in range(start, len(hashes), _BLOCK):
            agreement = rows @ _signs(hashes[other : other + _BLOCK]).T
            first, second = np.nonzero(agreement >= least)
            pairs = np.stack([first + start, second + other], axis=1).astype(np.int64)
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
            for piece in range(0, len(pairs), _BLOCK):
                yield pairs[piece : piece + _BLOCK]


def _signs(hashes: npt.NDArray[np.uint8]) -> Float:
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1


def _correlations(pictures: Thumbnails, pairs: Pairs) -> Float:
    """Return the correlation of each pair at its best shift of at most two pixels each way (periodic)."""
    from scipy.fft import irfft2, rfft2

    rows, place = np.unique(pairs, return_inverse=True)
    unit = normalised(pictures[rows], sigma=1.5)
    unit -= unit.mean(axis=(1, 2), keepdims=True)
    unit /= np.sqrt((unit**2).sum(axis=(1, 2), keepdims=True)) + 1e-6
    waves = rfft2(unit)
    first, second = place.reshape(pairs.shape).T
    shifted = irfft2(waves[first].conj() * waves[second], s=(_SIDE, _SIDE))
    near = np.arange(-_MAX_SHIFT, _MAX_SHIFT + 1)
    best: Float = shifted[:, near][:, :, near].max(axis=(1, 2), initial=-1)
    return best


def _labels(ids: npt.NDArray[np.str_], pairs: Pairs) -> npt.NDArray[np.str_]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(ids), len(ids)))
    _, component = connected_components(links, directed=False)
    order = np.argsort(ids, kind="stable")
    _, first = np.unique(component[order], return_index=True)
    smallest: npt.NDArray[np.str_] = ids[order[first]][component]
    return smallest
