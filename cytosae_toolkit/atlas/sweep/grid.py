"""The file of a sweep: what it may say, and the list of changes to the base that it stands for.

::

    base:                                  # fields of `TrainConfig`, and `preset`
      preset: paper
      sae_options: {ghost_grads: true}
    grid:                                  # every combination
      expansion: [16, 64]
      sae_options.l1_coefficient: [8.0e-5, 8.0e-4]
    vary:                                  # the base, and one change at a time
      layer: [1, 6]
    points:                                # chosen combinations
      - {sae: topk, sae_options.k: 32}
    seeds: [0, 1, 2]

All parts are optional; names of options are dotted or nested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.training.config import NOT_RESULT, PRESETS, TrainConfig

PARTS = ("base", "grid", "vary", "points", "seeds")
OPTIONS = ("backbone_options", "sae_options")
"""Fields whose entries are named with a dot."""
OWNED = {
    "images": "Name them on the command line.",
    "out": "Give --out; each run gets its own folder there.",
    "resume": "A sweep always goes on where it stopped.",
    "seed": "Write seeds: [0, 1, 2].",
    "tokens": "Give --tokens.",
    "token_store": "A sweep reads the tokens once and keeps them.",
}
"""Fields that a sweep sets itself, and what to do instead."""
_GRIDS = Path(__file__).with_name("grids")


@dataclass(frozen=True)
class SweepFile:
    """The contents of a sweep's file, checked as far as names and shapes go.

    Parameters
    ----------
    name : str
        Path, or the name of a shipped sweep; for messages.
    text : str
        As read.
    preset : str or None
        Name of a preset.
    base : mapping
        Fields of all runs, dotted names.
    changes : tuple of mapping
        One per point: what it changes of the base, dotted names; may be empty.
    seeds : tuple of int
        Different, at least one.
    """

    name: str
    text: str
    preset: str | None
    base: Mapping[str, Any]
    changes: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...]


def shipped_sweeps() -> list[str]:
    """Return the names of the sweeps that come with the toolkit."""
    return sorted(path.stem for path in _GRIDS.glob("*.yaml"))


def read_sweep(source: str | Path) -> SweepFile:
    """Read the file of a sweep.

    Parameters
    ----------
    source : str or Path
        A YAML file, or the name of a shipped sweep such as ``paper-ablation``.

    Raises
    ------
    CytosaeError
        If it is missing, not readable, or says something that is not understood: one sentence that names it.
    """
    text = _read(source)
    name = str(source)
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CytosaeError(f"The sweep {name} is not readable YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict) or not values:
        raise CytosaeError(f"The sweep {name} says nothing.", f"Write one or more of {', '.join(PARTS)}.")
    for part in values:
        if part not in PARTS:
            raise CytosaeError(f"The sweep {name} has an unknown part {part!r}.", nearest(str(part), PARTS))
    reader = _Reader(name)
    base = dict(reader.mapping("base", values.get("base", {})))
    preset = reader.preset(base.pop("preset", None))
    flat = dict(reader.flat("base", base))
    return SweepFile(name, text, preset, flat, tuple(reader.changes(values)), reader.seeds(values.get("seeds", [0])))


def _read(source: str | Path) -> str:
    path = Path(source)
    if not path.exists() and str(source) in shipped_sweeps():
        path = _GRIDS / f"{source}.yaml"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        hint = nearest(str(source), shipped_sweeps())
        raise CytosaeError(f"There is no sweep {source}: neither a file nor one that is shipped.", hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CytosaeError(f"The sweep {source} is not readable: {error}.") from error


class _Reader:
    """Checks the parts of a file; its name is for messages."""

    def __init__(self, name: str) -> None:
        self.name = name

    def error(self, text: str, hint: str | None = None) -> CytosaeError:
        return CytosaeError(f"In the sweep {self.name}, {text}", hint)

    def mapping(self, part: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.error(f"{part} is not a mapping of names to values.")
        return value

    def preset(self, name: Any) -> str | None:
        if name is not None and name not in PRESETS:
            raise self.error(f"base names an unknown preset {name!r}.", nearest(str(name), list(PRESETS)))
        return None if name is None else str(name)

    def flat(self, part: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield dotted names and values; refuse names that are unknown or that this part may not have."""
        for name, value in values.items():
            if name in OPTIONS:
                for option, inner in self.mapping(f"{name} of {part}", value).items():
                    yield f"{name}.{option}", inner
            else:
                self.check_name(part, str(name))
                yield str(name), value

    def check_name(self, part: str, name: str) -> None:
        first, dot, option = name.partition(".")
        if name in OWNED:
            raise self.error(f"{part} sets {name!r}, which the sweep sets itself.", OWNED[name])
        if first not in TrainConfig.model_fields or (dot and (first not in OPTIONS or not option)):
            known = [field for field in TrainConfig.model_fields if field not in OWNED]
            raise self.error(f"{part} has an unknown field {name!r}.", nearest(first, known))
        if part != "base" and first in NOT_RESULT - {"steps"}:
            raise self.error(f"{part} changes {name!r}, which changes no result.", "Write it under base.")

    def changes(self, values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield what each point changes of the base."""
        if "grid" in values:
            yield from self.grid(values["grid"])
        if "vary" in values or not {"grid", "points"} & set(values):
            yield {}
        for name, entries in self.axes("vary", values.get("vary", {})):
            yield from ({name: entry} for entry in entries)
        yield from self.points(values.get("points"))

    def grid(self, value: Any) -> Iterator[Mapping[str, Any]]:
        axes = list(self.axes("grid", value))
        for combination in product(*(entries for _, entries in axes)):
            yield dict(zip((name for name, _ in axes), combination, strict=True))

    def axes(self, part: str, value: Any) -> Iterator[tuple[str, list[Any]]]:
        for name, entries in self.flat(part, self.mapping(part, value)):
            if not isinstance(entries, list):
                raise self.error(f"{part} gives {name} as {entries!r} instead of a list.", f"Write [{entries}].")
            if not entries:
                raise self.error(f"the list of {name} in {part} is empty.", "Give a value or remove the line.")
            yield name, entries

    def points(self, value: Any) -> Iterator[Mapping[str, Any]]:
        if value is None:
            return
        if not isinstance(value, list) or not value:
            raise self.error("points is not a list with at least one mapping of names to values.")
        for number, point in enumerate(value):
            part = f"points[{number}]"
            yield dict(self.flat(part, self.mapping(part, point)))

    def seeds(self, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or not value:
            raise self.error(f"seeds is {value!r} instead of a list of whole numbers.", "Write seeds: [0, 1, 2].")
        for seed in value:
            if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
                raise self.error(f"{seed!r} is no seed.", "Seeds are whole numbers from 0.")
        return tuple(dict.fromkeys(value))
