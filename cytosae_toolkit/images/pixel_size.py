"""The size of a pixel in micrometres, as far as a file tells."""

from __future__ import annotations

import re
from typing import Any

PLAUSIBLE = (0.02, 2.0)
"""Micrometres per pixel that a light microscope gives; print resolutions such as 72 or 300 dpi are far off."""

_INCH, _CENTIMETRE = 2, 3
_UNITS = {"nm": 1e-3, "µm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "mm": 1e3, "cm": 1e4, "inch": 25_400.0}
_UM_PER = {_INCH: 25_400.0, _CENTIMETRE: 10_000.0}
_OME_SIZE = re.compile(r'PhysicalSizeX="([^"]{1,40})"')
_OME_UNIT = re.compile(r'PhysicalSizeXUnit="([^"]{1,20})"')
_APERIO = re.compile(r"\bMPP\s*=\s*([0-9.]{1,20})")
_IMAGEJ_UNIT = re.compile(r"^unit=(\S{1,20})\s*$", re.MULTILINE)


def stored_pixel_size(description: str, resolution: Any, unit: int) -> float | None:
    """Return micrometres per pixel from the tags of a TIFF.

    In this order: OME-XML (`PhysicalSizeX`), Aperio (`MPP`), ImageJ (`unit=`), the resolution in cm or inches.

    Parameters
    ----------
    description : str
        ImageDescription.
    resolution : (int, int), float or None
        XResolution: pixels per unit, as a fraction or a number.
    unit : int
        ResolutionUnit: 2 for inches, 3 for centimetres.

    Returns
    -------
    float or None
        None where nothing plausible is told.
    """
    description = description.replace("\\u00B5", "µ").replace("&#181;", "µ").replace("μ", "µ")
    per_unit = _ratio(resolution)
    imagej = _IMAGEJ_UNIT.search(description) if description.startswith("ImageJ=") else None
    if (ome := _OME_SIZE.search(description)) is not None:
        named = _OME_UNIT.search(description)
        return _plausible(_number(ome[1]) * _UNITS.get(named[1] if named else "µm", 0.0))
    if (aperio := _APERIO.search(description)) is not None:
        return _plausible(_number(aperio[1]))
    if imagej is not None:
        return _plausible(_UNITS.get(imagej[1], 0.0) / per_unit if per_unit else 0.0)
    return _plausible(_UM_PER.get(unit, 0.0) / per_unit if per_unit else 0.0)


def pixel_size_from_dpi(dots_per_inch: Any) -> float | None:
    """Return micrometres per pixel from dots per inch, a number or (x, y), or None where that is not plausible."""
    dpi = dots_per_inch[0] if isinstance(dots_per_inch, tuple) and dots_per_inch else dots_per_inch
    dpi = _ratio(dpi)
    return _plausible(25_400.0 / dpi) if dpi else None


def _plausible(size: float) -> float | None:
    return size if PLAUSIBLE[0] <= size <= PLAUSIBLE[1] else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _ratio(value: Any) -> float:
    """Return a fraction or a number as float, 0 where it is none."""
    try:
        if isinstance(value, tuple):
            return float(value[0]) / float(value[1])
        return 0.0 if value is None else float(value)
    except (TypeError, ValueError, ZeroDivisionError, IndexError, OverflowError):
        return 0.0
