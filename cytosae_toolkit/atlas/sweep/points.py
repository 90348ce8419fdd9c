"""The points of a sweep: validated configurations with names, each trained once per seed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from cytosae_toolkit.atlas.sweep.grid import OPTIONS, SweepFile
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training.config import ALTERNATIVES, NOT_RESULT, Origin, TrainConfig, merge

IMPOSSIBLE = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal", "value_error"})
"""Kinds of validation error that make one point impossible; any other is a mistake in the file."""
_NAME_LENGTH = 60
_PLACEHOLDERS = {"images": ("images",), "out": "out"}


@dataclass(frozen=True)
class Point:
    """One configuration of a sweep, whatever its seed.

    Parameters
    ----------
    name : str
        Readable, unique, the same for the same configuration: of letters, digits, ``. - _``.
    label : str
        What it changes of the base, for people.
    fields : mapping
        Values of all fields that the sweep changes anywhere, dotted names; None follows the data or a default.
    values : mapping
        What the file sets, as `merge` takes it.
    preset : str or None
        Preset below these values.
    tokens : str
        Names the tokens that it reads; points with the same share a token store.
    problem : str or None
        Why it cannot be trained, a sentence.
    """

    name: str
    label: str
    fields: Mapping[str, Any]
    values: Mapping[str, Any]
    preset: str | None
    tokens: str
    problem: str | None = None

    def configure(self, **more: Any) -> tuple[TrainConfig, dict[str, Origin]]:
        """Return the configuration of a run and where its fields came from; `more` sets `images`, `out`, `seed` ….

        Raises
        ------
        CytosaeError
            If the point is impossible.
        """
        if self.problem is not None:
            raise CytosaeError(self.problem)
        given = {name: value for name, value in more.items() if value is not None and value is not False}
        return merge({**self.values, **given}, preset=self.preset)


@dataclass(frozen=True)
class SweepRun:
    """A point with a seed."""

    point: Point
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.point.name}-seed{self.seed}"


def runs_of(points: Sequence[Point], seeds: Sequence[int]) -> list[SweepRun]:
    """Return all runs in the order in which shards count them: seeds of the first point, of the second, …."""
    return [SweepRun(point, seed) for point in points for seed in seeds]


def expand(file: SweepFile) -> list[Point]:
    """Return the different points of a sweep in the order of its file.

    A point that names another variant (`sae`) or backbone than the base starts from that one's default options.
    Values out of range make a point impossible; it is kept, to be reported beside the others.

    Raises
    ------
    CytosaeError
        If a plugin or an option is unknown or a value is of a wrong type; nothing has been trained then.
    """
    axes = list(dict.fromkeys(name for change in file.changes for name in change))
    found: dict[str, Point] = {}
    for change in file.changes:
        point = _Resolver(file, change).point(axes)
        found.setdefault(point.name.rpartition("-")[2], point)
    return list(found.values())


class _Resolver:
    """Makes one point of a file."""

    def __init__(self, file: SweepFile, change: Mapping[str, Any]) -> None:
        self.file, self.change = file, change
        self.values = _nested(_combined(file.base, change))

    def point(self, axes: Sequence[str]) -> Point:
        try:
            config, _ = merge({**self.values, **_PLACEHOLDERS}, preset=self.file.preset)
            resolved = _resolve(config)
        except CytosaeError as error:
            if not _is_impossible(error):
                raise CytosaeError(
                    f"In the sweep {self.file.name}, the point {self._say(self.change)}: {error.message}", error.hint
                ) from error
            return self._make({name: self.change.get(name) for name in axes}, self.values, "none", error.message)
        shown = {name: resolved.value(name) for name in axes}
        return self._make(shown, resolved.identity, resolved.tokens, None)

    def _make(self, fields: Mapping[str, Any], identity: Any, tokens: str, problem: str | None) -> Point:
        changed = {name: fields[name] for name in self.change}
        digest = hashlib.blake2b(json.dumps(identity, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()
        stem = "_".join(f"{_short(name)}-{_text(value)}" for name, value in changed.items()) or "base"
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", stem.replace("--", "-minus-"))[:_NAME_LENGTH].strip("-._")
        return Point(
            f"{safe}-{digest}", self._say(changed), fields, self.values, self.file.preset, tokens, problem
        )  # fmt: skip

    @staticmethod
    def _say(changed: Mapping[str, Any]) -> str:
        return ", ".join(f"{name.rpartition('.')[2]} = {_text(value)}" for name, value in changed.items()) or "base"


@dataclass(frozen=True)
class _Resolved:
    config: TrainConfig
    sae: BaseModel
    backbone: BaseModel

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the result, apart from images and seed; defaults left out."""
        left_out = {*NOT_RESULT, "seed", *OPTIONS} - {"steps"}
        return {
            **self.config.model_dump(mode="json", exclude_defaults=True, exclude=left_out),
            "sae_options": self.sae.model_dump(mode="json", exclude_defaults=True),
            "backbone_options": self.backbone.model_dump(mode="json", exclude_defaults=True),
        }

    @property
    def tokens(self) -> str:
        """Name of the tokens that it reads."""
        c = self.config
        options = self.backbone.model_dump(mode="json", exclude_defaults=True)
        text = json.dumps([options, c.precision], sort_keys=True, default=str)
        digest = hashlib.blake2b(text.encode(), digest_size=3).hexdigest()
        return f"{c.backbone.replace('/', '-')}-layer{c.layer}-{c.token_dtype}-{digest}"

    def value(self, name: str) -> Any:
        """Return what a field or a dotted option amounts to."""
        first, dot, option = name.partition(".")
        if not dot:
            return self.config.model_dump(mode="json")[first]
        model = self.sae if first == "sae_options" else self.backbone
        return model.model_dump(mode="json").get(option)


def _resolve(config: TrainConfig) -> _Resolved:
    """Find the plugins and validate their options."""
    from cytosae_toolkit.training.parts import choose_parts

    backbone, sae = choose_parts(config)
    return _Resolved(config, sae.options, backbone.options)


def _is_impossible(error: CytosaeError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ValidationError) and all(item["type"] in IMPOSSIBLE for item in cause.errors())


def _combined(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Put a change over the base: of two ways of saying one thing that of the change stays."""
    dropped = {other for pair in ALTERNATIVES for name, other in (pair, pair[::-1]) if change.get(name) is not None}
    foreign = tuple(f"{part}_options." for part in ("backbone", "sae") if _is_other(part, base, change))
    kept = {name: value for name, value in base.items() if name not in dropped and not name.startswith(foreign)}
    return {**kept, **change}


def _is_other(part: str, base: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    """Say whether a change names another plugin than the base; then the base's options are not meant for it."""
    before = base.get(part, TrainConfig.model_fields[part].default)
    return bool(change.get(part, before) != before)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        first, dot, option = name.partition(".")
        if dot:
            nested.setdefault(first, {})[option] = value
        else:
            nested[name] = value
    return nested


def _short(name: str) -> str:
    return name.rpartition(".")[2].replace("_", "-")


def _text(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}".replace("e+", "e") if isinstance(value, float) else str(value)
