"""What all commands share: options, pairs such as ``-B key=value``, output.

Results go to stdout, everything else to stderr. Modules of commands import only this, typer and the standard
library at their top, and heavy things inside their functions, so that ``--help`` stays fast.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from os import PathLike, fspath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 200


class _Flags:
    debug = False


def debugging() -> bool:
    """Say whether ``--debug`` was given."""
    return _Flags.debug


def set_debugging(value: bool) -> bool:
    """Remember ``--debug``; the callback of that option."""
    _Flags.debug = value
    return value


JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; everything else goes to stderr.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of errors.", callback=set_debugging, is_eager=True)
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite an output that exists.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Forbid downloads.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
BackboneOptions = Annotated[
    list[str] | None,
    typer.Option("-B", metavar="KEY=VALUE", help="An option of the backbone (see 'plugins show'); repeatable."),
]
SAEOptions = Annotated[
    list[str] | None,
    typer.Option("-S", metavar="KEY=VALUE", help="An option of the SAE variant (see 'plugins show'); repeatable."),
]


def parse_pairs(pairs: Sequence[str] | None, flag: str) -> dict[str, str]:
    """Split repeated ``key=value`` arguments.

    Parameters
    ----------
    pairs : sequence of str, optional
        What the user wrote; None means nothing.
    flag : str
        The option that takes them, such as ``-B``, for messages.

    Returns
    -------
    dict of str to str
        Values are text; `Part.parse_options` converts them. The key ``a-b`` reads as ``a_b``.

    Raises
    ------
    CytosaeError
        If one has no ``=`` or no key, or a key comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise CytosaeError(f"{flag} {pair!r} is not of the form key=value.", f"Write {flag} key=value.")
        if key in found:
            raise CytosaeError(f"{flag} gives {key!r} twice: {found[key]!r} and {value!r}.", "Give it once.")
        found[key] = value
    return found


def latent_number(text: str) -> int:
    """Read the number of a latent, ``12`` or ``#12``.

    Raises
    ------
    CytosaeError
        If it is no number.
    """
    digits = text.strip().removeprefix("#")
    if not (digits.isascii() and digits.isdecimal()):
        raise CytosaeError(f"{text!r} is not the number of a latent.", "Find latents with: atlas search A QUERY.")
    return int(digits)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout: NaN and infinity as null, arrays as lists, paths as text."""
    sys.stdout.write(json.dumps(to_json(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def to_json(value: Any) -> Any:
    """Return a value as JSON-compatible lists, dicts, numbers and text.

    Understands dataclasses, pydantic models, NumPy scalars and arrays, tensors, paths, enumerations, dates.
    """
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(entry) for entry in value]
    return _object_to_json(value)


def _object_to_json(value: Any) -> Any:
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, PathLike):
        return fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    for method in ("model_dump", "tolist", "isoformat"):  # pydantic; NumPy, pandas and torch; dates
        if hasattr(value, method):
            return to_json(getattr(value, method)())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def stdout_console() -> Console:
    """Return a rich console for results; wide enough for tables where stdout is not a terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    """Print a line of the result on stdout."""
    typer.echo(text)


def note(text: str) -> None:
    """Print a line beside the result, on stderr."""
    typer.echo(text, err=True)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    typer.echo(typer.style("Warning: ", fg=typer.colors.YELLOW) + text, err=True)
