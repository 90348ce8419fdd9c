"""Numbers as a reader sees them; `agrees` reads them back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

Format = Callable[[Any], str]

NOTHING = "–"
_SHOWN = re.compile(r"^([<+−-]?)([\d,]+(?:\.\d+)?)(e[+-]?\d+)?( %)?$")
SMALLEST_P = 0.001


def is_nothing(value: Any) -> bool:
    """Return whether a value is missing."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def blank(value: Any) -> str:
    """Return text as it is, ``""`` where there is nothing."""
    return "" if is_nothing(value) else str(value)


def number(value: Any) -> str:
    """Three digits: ``39.1``, ``0.0123``, ``12,345``."""
    if is_nothing(value):
        return NOTHING
    value = float(value)
    if value == 0 or 0.01 <= abs(value) < 99.95:
        text = f"{value:.{1 if abs(value) >= 9.995 else 2}f}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.2g}"
    return text.replace("-", "−", 1) if value < 0 else text


def signed(value: Any) -> str:
    """As `number`, with a plus before what is positive."""
    return number(value) if is_nothing(value) or float(value) <= 0 else f"+{number(value)}"


def count(value: Any) -> str:
    """Return a whole number: ``1,234``."""
    return NOTHING if is_nothing(value) else f"{int(value):,}"


def percent(value: Any) -> str:
    """Return a share as ``12.3 %``."""
    return NOTHING if is_nothing(value) else f"{100 * float(value):.1f} %"


def p_value(value: Any) -> str:
    """Return a p or q value: ``0.012``, ``<0.001``."""
    if is_nothing(value):
        return NOTHING
    return f"<{SMALLEST_P}" if float(value) < SMALLEST_P else f"{float(value):.3f}"


def word(value: Any) -> str:
    """Return text as it is, underscores as spaces."""
    return NOTHING if is_nothing(value) else str(value).replace("_", " ")


def agrees(shown: str, value: Any) -> bool:
    """Return whether what a reader sees is a value from a file, up to the rounding that is shown.

    Parameters
    ----------
    shown : str
        As one of the functions of this module wrote it.
    value : Any
        As it stands in the file.
    """
    shown = shown.strip()
    if shown == NOTHING:
        return is_nothing(value)
    if isinstance(value, bool) or is_nothing(value):
        return False
    if shown in (str(value), word(value)):
        return True
    found = _SHOWN.match(shown)
    if found is None:
        return False
    try:
        actual = float(value) * (100 if found[4] else 1)
    except (TypeError, ValueError):
        return False
    digits, exponent = found[2].replace(",", ""), int((found[3] or "e0")[1:])
    size = float(digits) * 10.0**exponent
    if found[1] == "<":
        return 0 <= actual < size
    step = 10.0 ** (exponent - len(digits.partition(".")[2]))
    wanted = -size if found[1] in "−-" and found[1] else size
    return abs(wanted - actual) <= 0.5 * step * (1 + 1e-6) + 1e-12
