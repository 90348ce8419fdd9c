"""One configuration of a training run: defaults < preset < file < options, all recorded with where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cytosae_toolkit.errors import CytosaeError, nearest

Origin = Literal["default", "preset", "file", "option", "backbone", "sae", "data"]
"""Where a value came from; the last three fill in what the user left open."""

PAPER: dict[str, Any] = {
    "layer": -2,
    "expansion": 64.0,
    "steps": 15_625,
    "batch_images": 64,
    "batch_tokens": None,
    "lr": 4e-4,
    "warmup_steps": 500,
    "lr_decay": 0.0,
}
"""The published settings (CytoSAE, section 3): 1,000,000 images in batches of 64 whole images."""

PRESETS: dict[str, dict[str, Any]] = {"paper": PAPER}

PAIRS = ("backbone_options", "sae_options", "map")
"""Fields that are merged key by key."""

ALTERNATIVES = (("batch_tokens", "batch_images"), ("expansion", "d_sae"))
"""Two ways of saying one thing."""


class TrainConfig(BaseModel):
    """What to train, on what, and how. Values that are None follow the data; see `cytosae_toolkit.training.sizes`.

    Raises
    ------
    pydantic.ValidationError
        From Python, if a value is out of range; the command line turns it into a sentence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    images: tuple[str, ...] = Field(description="Image sources: folders, tables, single images, LAYOUT:DIR.")
    out: Path = Field(description="Run folder to write.")
    map: dict[str, str] = Field(default_factory=dict, description="Column names of tables, path=file.")
    allow_outside: bool = Field(False, description="Accept table entries that leave the table's folder.")
    strict: bool = Field(False, description="Refuse unreadable images instead of skipping them.")
    backbone: str = Field("dinobloom-b", description="Name of the backbone.")
    backbone_options: dict[str, Any] = Field(default_factory=dict, description="Its options (-B).")
    layer: int = Field(-2, description="Transformer block whose output is read; negative counts from the end.")
    sae: str = Field("relu-l1", description="Name of the SAE variant.")
    sae_options: dict[str, Any] = Field(default_factory=dict, description="Its options (-S).")
    expansion: float | None = Field(None, gt=0, description="Latents per dimension of a token; default by data.")
    d_sae: int | None = Field(None, ge=1, description="Number of latents, instead of the expansion factor.")
    steps: int | None = Field(None, ge=1, description="Training steps; default by data.")
    batch_tokens: int | None = Field(None, ge=1, description="Tokens of a batch, shuffled over images.")
    batch_images: int | None = Field(None, ge=1, description="Whole images of a batch, instead of shuffled tokens.")
    window_images: int = Field(256, ge=1, description="Images whose tokens are shuffled together.")
    lr: float | None = Field(None, gt=0, description="Learning rate of Adam; default by SAE variant.")
    warmup_steps: int | None = Field(None, ge=0, description="Steps of linear warm-up; default 500, at most 5 %.")
    lr_decay: float = Field(0.2, ge=0, le=1, description="Last share of the steps, in which the rate falls to 0.")
    init_tokens: int = Field(16_384, ge=1, description="Tokens on which the SAE is initialised.")
    held_out: float = Field(0.1, ge=0, lt=1, description="Share of the images held out, by patient or group.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    precision: str = Field("auto", description="auto, float32, tf32, bfloat16.")
    tokens: Path | None = Field(None, description="Token store; default in the cache.")
    token_store: bool = Field(True, description="Keep tokens; otherwise compute them anew in every epoch.")
    token_dtype: Literal["float16", "float32"] = Field("float16", description="Precision of tokens.")
    workers: int | None = Field(None, ge=1, description="Threads that decode images; default by machine.")
    offline: bool = Field(False, description="Forbid downloads.")
    log_every: int = Field(50, ge=1, description="Steps between rows of metrics.csv.")
    checkpoint_every: int | None = Field(None, ge=1, description="Steps between checkpoints; default two minutes.")

    @field_validator("images", mode="before")
    @classmethod
    def _one_source(cls, value: object) -> object:
        if isinstance(value, str | Path):
            return (str(value),)
        return tuple(str(item) for item in value) if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        for a, b in ALTERNATIVES:
            if getattr(self, a) is not None and getattr(self, b) is not None:
                raise ValueError(f"{a} and {b} exclude each other")
        return self


def count_latents(d_model: int, expansion: float) -> int:
    """Return the number of latents that an expansion factor stands for."""
    return max(1, round(d_model * expansion))


NOT_RESULT = frozenset(
    {
        "out", "steps", "device", "workers", "offline", "log_every", "checkpoint_every", "tokens", "token_store",
        "images", "map", "allow_outside", "strict",
    }
)  # fmt: skip
"""Fields that may change on `--resume`; the images are compared by content instead of by name."""


def read_config_file(path: Path) -> dict[str, Any]:
    """Read a YAML file of `TrainConfig` fields.

    Raises
    ------
    CytosaeError
        If the file is missing, not YAML, not a mapping, or has unknown fields.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CytosaeError(f"The configuration file {path} does not exist.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise CytosaeError(f"The configuration file {path} is not readable YAML: {reason}.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise CytosaeError(f"The configuration file {path} is not a mapping of names to values.")
    for name, value in values.items():
        if name not in TrainConfig.model_fields:
            raise CytosaeError(
                f"The configuration file {path} has an unknown field {name!r}.",
                nearest(str(name), list(TrainConfig.model_fields)),
            )
        if name in PAIRS and not isinstance(value, dict | None):
            raise CytosaeError(f"{name} in the configuration file {path} is not a mapping of names to values.")
    return values


def merge(
    options: Mapping[str, Any], *, preset: str | None = None, file: Path | None = None
) -> tuple[TrainConfig, dict[str, Origin]]:
    """Merge defaults < preset < file < options.

    Parameters
    ----------
    options : mapping
        What the user gave; entries that are None were not given. `backbone_options` and `sae_options` are merged
        key by key.
    preset : str, optional
        Name of a preset.
    file : Path, optional
        YAML file.

    Returns
    -------
    TrainConfig
        The configuration.
    dict of str to str
        Where each field came from.

    Raises
    ------
    CytosaeError
        If a name is unknown or a value out of range.
    """
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = dict.fromkeys(TrainConfig.model_fields, "default")
    layers: list[tuple[Origin, Mapping[str, Any]]] = [
        ("preset", _preset(preset, options, file)),
        ("file", read_config_file(file) if file else {}),
        ("option", {k: v for k, v in options.items() if v is not None and v != {} and v != ()}),
    ]
    for origin, layer in layers:
        for name, value in layer.items():
            values[name] = {**values.get(name, {}), **(value or {})} if name in PAIRS else value
            origins[name] = origin
        for a, b in ALTERNATIVES:
            replaced = _replaced(layer, a, b)
            if replaced is not None:
                values[replaced], origins[replaced] = None, origin
    return build_config(values), origins


def _replaced(layer: Mapping[str, Any], a: str, b: str) -> str | None:
    """Return which of two ways of saying one thing gives way to the one that a layer chooses."""
    if layer.get(a) is not None and layer.get(b) is not None:
        raise CytosaeError(f"Both {a} and {b} are given.", "Give one of them.")
    if layer.get(a) is not None:
        return b
    return a if layer.get(b) is not None else None


def _preset(name: str | None, options: Mapping[str, Any], file: Path | None) -> dict[str, Any]:
    if name is None:
        return {}
    if name not in PRESETS:
        raise CytosaeError(f"There is no preset {name!r}.", nearest(name, list(PRESETS)))
    from cytosae_toolkit.plugins import registry

    sae = options.get("sae") or (read_config_file(file).get("sae") if file else None) or "relu-l1"
    spec = registry().get("sae", str(sae)).spec
    return PRESETS[name] | {"sae_options": dict(getattr(spec, "paper_options", {}))}


def build_config(values: Mapping[str, Any]) -> TrainConfig:
    """Create a `TrainConfig`, or say in one sentence which value is wrong."""
    try:
        return TrainConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "configuration"
        raise CytosaeError(f"The value of {name!r} is wrong: {first['msg']} (given: {first['input']!r}).") from error
