"""From an image layer, whichever reader opened it, to a picture: RGB pixels, their size, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._colour_axis import UnclearColours, colour_axis
from napari_cytosae._geometry import Frame, unit_factors

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Layer

RGB = NDArray[np.uint8]

AT_ONCE = 2**25
"""Pixels up to which a picture is read at once; larger ones are read window by window."""
BACKGROUND = 85
"""Percentile of a picture's pixels that is as bright as its empty background."""
SMALLEST = 4
"""Least side of a picture."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What of a layer is looked at.

    Parameters
    ----------
    layer : Image
        The layer.
    field : LayerField
        Its pixels.
    frame : Frame
        Where they lie.
    """

    layer: Image
    field: LayerField
    frame: Frame


class LayerField:
    """A plane of an image layer as a field: `shape`, `read_window`, `pixel_size`. Threads may read it.

    Parameters
    ----------
    data : array
        NumPy, Dask, Zarr, or anything that is indexed likewise.
    index : tuple
        An integer for each axis but the plane's two, which have slices.
    to_rgb : function
        From what `data` holds to RGB, uint8 [h, w, 3].
    pixel_size : float, optional
        Micrometres per pixel, where known.
    """

    def __init__(
        self, data: Any, index: tuple[int | slice, ...], to_rgb: Callable[[NDArray[Any]], RGB], pixel_size: float | None
    ) -> None:
        self.pixel_size = pixel_size
        self._data, self._index, self._to_rgb = data, index, to_rgb
        self._axes = [axis for axis, place in enumerate(index) if isinstance(place, slice)]
        height, width = (int(data.shape[axis]) for axis in self._axes)
        self.shape = (height, width, 3)
        self._pixels: RGB | None = None

    def read_window(self, x0: int, y0: int, x1: int, y1: int) -> RGB:
        """Return the pixels of a box, uint8 [y1 - y0, x1 - x0, 3].

        Raises
        ------
        CytosaeError
            If the data cannot be read, or the box is too large to be read at once.
        """
        from cytosae_toolkit.images.decode import max_pixels

        if (y1 - y0) * (x1 - x0) > max_pixels():
            raise CytosaeError(
                f"{x1 - x0} x {y1 - y0} pixels are too many to be read as one image.",
                "Look for cells in it, or draw boxes.",
            )
        if self._pixels is None and self.shape[0] * self.shape[1] <= AT_ONCE:
            self._pixels = self._read(0, 0, self.shape[1], self.shape[0])
        if self._pixels is not None:
            return np.ascontiguousarray(self._pixels[y0:y1, x0:x1])
        return self._read(x0, y0, x1, y1)

    def _read(self, x0: int, y0: int, x1: int, y1: int) -> RGB:
        index = list(self._index)
        index[self._axes[0]], index[self._axes[1]] = slice(y0, y1), slice(x0, x1)
        try:
            values = np.asarray(self._data[tuple(index)])
        except Exception as error:  # whatever a reader's delayed function raises
            reason = " ".join(str(error).split()) or type(error).__name__
            raise CytosaeError(f"The image could not be read: {reason}.") from error
        return np.ascontiguousarray(self._to_rgb(values))


def picture_of(layer: Layer, dims: Dims | None = None, *, most_pixels: int | None = None) -> Picture:
    """Return what a layer shows as a picture; nothing is read yet.

    Of a time series or a stack it is the plane that the viewer shows.

    Parameters
    ----------
    layer : Layer
        RGB or RGBA (over white), or one channel of any kind of number (see `to_rgb_of`), also multiscale or lazy.
    dims : Dims, optional
        The viewer's, for layers of more than two axes.
    most_pixels : int, optional
        Of a multiscale layer take the finest level with at most so many pixels, by default the finest.

    Raises
    ------
    CytosaeError
        If it is no image, is empty or complex, or the viewer shows no plane of it. `UnclearColours` where its planes
        may be colours.
    """
    from napari.layers import Image, Labels

    if not isinstance(layer, Image) or isinstance(layer, Labels):
        raise CytosaeError(f"The layer “{layer.name}” is no image.", "Choose an image layer.")
    if colour_axis(layer) is not None:
        raise UnclearColours(layer)
    axes, index = _plane(layer, dims)
    levels = list(layer.data) if layer.multiscale else [layer.data]
    data = _level(levels, axes, most_pixels)
    sides, whole = ([float(array.shape[axis]) for axis in axes] for array in (data, levels[0]))
    if min(sides) < SMALLEST:
        raise CytosaeError(f"The image “{layer.name}” has only {sides[1]:.0f} x {sides[0]:.0f} pixels.")
    frame = Frame(index, axes, (whole[0] / sides[0], whole[1] / sides[1]))
    places: tuple[int | slice, ...] = tuple(
        slice(None) if axis in axes else _scaled(place, levels[0].shape[axis], data.shape[axis])
        for axis, place in enumerate(index)
    )
    return Picture(layer, LayerField(data, places, to_rgb_of(layer), pixel_size_of(layer, frame)), frame)


def _scaled(place: int, whole: int, n: int) -> int:
    """Return the place on a coarser level of an axis."""
    return min(place * int(n) // int(whole), int(n) - 1)


def _level(levels: Sequence[Any], axes: tuple[int, int], most_pixels: int | None) -> Any:
    if most_pixels is None:
        return levels[0]
    fits = (level for level in levels if level.shape[axes[0]] * level.shape[axes[1]] <= most_pixels)
    return next(fits, levels[-1])


def _plane(layer: Image, dims: Dims | None) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Return the two axes of the layer that are shown, ascending, and its index on all."""
    if dims is not None and dims.ndisplay != 2:
        raise CytosaeError("The viewer shows volumes.", "Switch it to 2-D, and choose a slice.")
    if layer.ndim == 2:
        return (0, 1), (0, 0)
    if dims is None:
        raise CytosaeError(f"The layer “{layer.name}” has {layer.ndim} axes.", "Give a picture with two.")
    down, right = sorted(axis - (dims.ndim - layer.ndim) for axis in dims.displayed)
    if layer.ndim < 2 or down < 0:
        raise CytosaeError(f"The viewer shows no plane of the layer “{layer.name}”.", "Turn the axes back.")
    point = np.asarray(dims.point[-layer.ndim :], dtype=np.float64)
    if getattr(dims, "units", None):
        point = point * unit_factors(dims.units[-layer.ndim :], layer.units)
    data = np.rint(layer.world_to_data(point)).astype(int)
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    index = [int(np.clip(place, 0, n - 1)) for place, n in zip(data, shape, strict=False)]
    index[down] = index[right] = 0
    return (down, right), tuple(index)


def to_rgb_of(layer: Image) -> Callable[[NDArray[Any]], RGB]:
    """Return the function that turns the data of a layer into RGB as the viewer shows it, colour maps aside.

    Whole numbers of 8 bits stay. Colour of 16 bits is divided by 257, colour of floating point is taken as 0 to 1.
    One channel of floating point is taken as 0 to 1 if the contrast limits lie there; that and any other number is
    else stretched between the contrast limits. Pixels that are no numbers look like empty background.

    Raises
    ------
    CytosaeError
        For complex numbers.
    """
    dtype = np.dtype(layer.dtype)
    if dtype.kind not in "buif":
        raise CytosaeError(f"The image “{layer.name}” has pixels of the type {dtype}.", "Convert it to 8-bit colour.")
    low, high = _limits(layer, dtype)

    def convert(values: NDArray[Any]) -> RGB:
        return over_white(as_bytes(without_gaps(values), low, high))

    return convert


def _limits(layer: Image, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return which numbers are black and white."""
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype == np.uint8:
        return 0.0, 255.0
    if layer.rgb:
        return (0.0, 1.0) if dtype.kind == "f" else (0.0, float(np.iinfo(dtype).max))
    low, high = (float(limit) for limit in layer.contrast_limits)
    return (0.0, 1.0) if dtype.kind == "f" and low >= 0 and high <= 1 else (low, high)


def without_gaps(values: NDArray[Any]) -> NDArray[Any]:
    """Return pixels, those that are not finite in any channel as empty background: each channel's 85th percentile.

    Black, they would be taken for the densest stain; white, all else would be darker than its background.

    Parameters
    ----------
    values : array [h, w] or [h, w, channels]
        Of any kind of number.
    """
    if values.dtype.kind != "f":
        return values
    finite = np.isfinite(values)
    gaps = ~(finite if values.ndim == 2 else finite.all(axis=2))
    if not gaps.any() or gaps.all():
        return values
    filled = values.copy()
    filled[gaps] = np.percentile(values[~gaps], BACKGROUND, axis=0)
    return filled


def as_bytes(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return numbers as uint8, `low` and below as 0, `high` and above as 255, NaN as 255."""
    if values.dtype == np.uint8:
        return values
    factor = 255 / max(high - low, float(np.finfo(np.float32).tiny))
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(factor)
    return np.asarray(np.rint(np.clip(np.nan_to_num(scaled, nan=255.0), 0, 255)), dtype=np.uint8)


def over_white(values: NDArray[np.uint8]) -> RGB:
    """Return grey [h, w], RGB [h, w, 3] or RGBA [h, w, 4] as RGB, what is transparent as white."""
    if values.ndim == 2:
        return np.repeat(values[..., None], 3, axis=2)
    if values.shape[2] == 3:
        return values
    alpha = values[..., 3:].astype(np.uint16)
    mixed = values[..., :3].astype(np.uint16) * alpha + 255 * (255 - alpha)
    return np.asarray((mixed + 127) // 255, dtype=np.uint8)


def pixel_size_of(layer: Image, frame: Frame) -> float | None:
    """Return micrometres per pixel of a picture by the layer's transform and units; None if they do not tell.

    Both axes must be lengths, and pixels square within 5 %.
    """
    corner = np.zeros(layer.ndim)
    sides = []
    for axis, step in zip(frame.axes, frame.step, strict=True):
        along = corner.copy()
        along[axis] = step
        vector = np.subtract(layer.data_to_world(along), layer.data_to_world(corner))
        length = _micrometres(layer.units[axis])
        if length is None:
            return None
        sides.append(float(np.linalg.norm(vector)) * length)
    if not (min(sides) > 0 and max(sides) / min(sides) < 1.05):
        return None
    return float(np.sqrt(sides[0] * sides[1]))


def _micrometres(unit: Any) -> float | None:
    import pint

    try:
        return float((1 * unit).to("micrometer").magnitude)
    except pint.DimensionalityError:
        return None
