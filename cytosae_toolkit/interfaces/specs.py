"""Specs: what a plugin returns from its hooks.

A spec says what a part is called, which options it takes and where its factory is, as an import string that is
resolved on use. So listing plugins imports neither torch nor any model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

API_VERSION: tuple[int, int] = (1, 0)
"""Version of the plugin interface: another major is incompatible, a newer minor draws a warning."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IMPORT_STRING = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Options(BaseModel):
    """Base of a plugin's options: frozen, and unknown names are refused.

    Give every field a description and a default; `cytosae-toolkit plugins show NAME` prints them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every kind of part has in common.

    Parameters
    ----------
    name : str
        Kebab-case name that users type, such as ``relu-l1``.
    summary : str
        One line for listings.
    factory : str
        ``"package.module:callable"``, imported when the part is first used.
    options : type of Options
        Pydantic model of the options; importing it must not import torch.
    api : (int, int)
        The `API_VERSION` that the plugin was written for.

    Raises
    ------
    ValueError
        If a field is malformed.
    """

    kind: ClassVar[str] = "part"

    name: str
    summary: str
    factory: str
    options: type[Options] = Options
    api: tuple[int, int]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"the name {self.name!r} is not kebab-case (lower-case letters, digits, hyphens)")
        if not _IMPORT_STRING.fullmatch(self.factory):
            raise ValueError(
                f"the factory {self.factory!r} of {self.name} is not of the form 'package.module:callable'"
            )
        if not (isinstance(self.options, type) and issubclass(self.options, BaseModel)):
            raise ValueError(f"the options of {self.name} are not a pydantic model class")


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file of weights that `cytosae_toolkit.weights.fetch_weights` downloads into the cache.

    Parameters
    ----------
    name : str
        File name in the cache, such as ``DinoBloom-B.pth``.
    url : str
        Where it is published.
    checksum : str, optional
        ``"sha256:<hex>"`` or ``"md5:<hex>"``; a download that differs is refused.
    record : str, optional
        URL of the publisher's description, JSON with ``files: [{"key", "checksum"}]`` as Zenodo serves it; asked
        for the checksum where `checksum` is not known.
    size : int, optional
        Bytes, where known.

    Raises
    ------
    ValueError
        If a field is malformed.
    """

    name: str
    url: str
    checksum: str | None = None
    record: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a plain file name")
        if self.checksum is not None and not CHECKSUM.fullmatch(self.checksum):
            raise ValueError(f"the checksum of {self.name} is not of the form 'sha256:<hex>' or 'md5:<hex>'")


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Spec):
    """A backbone; its factory is ``factory(options, *, device, offline) -> Backbone``.

    Parameters
    ----------
    weights_license : str
        Licence of the weights, as an SPDX identifier or a phrase.
    citation : str
        Whom to cite for the weights.
    demonstration : bool
        True for backbones that only serve demonstrations; what they make is stamped so.
    sae_defaults : mapping of str to mapping
        Options of SAE variants tuned for this backbone's tokens, such as ``{"relu-l1": {"l1_coefficient": 1e-3}}``;
        they replace the variant's own defaults unless the user says otherwise, and are recorded.
    weights : tuple of WeightsFile
        Files that the factory downloads, for `cytosae-toolkit weights`.
    d_model, layers : int, optional
        Length of a token and number of blocks, where they do not depend on the options: so that a checkpoint of
        another size is refused before weights are at hand.
    """

    kind: ClassVar[str] = "backbone"

    weights_license: str = "unknown"
    citation: str = ""
    demonstration: bool = False
    sae_defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: tuple[WeightsFile, ...] = ()
    d_model: int | None = None
    layers: int | None = None


@dataclass(frozen=True, kw_only=True)
class SAESpec(Spec):
    """A variant of sparse autoencoder; its factory is ``factory(d_model, d_sae, options) -> SparseAutoencoder``.

    Parameters
    ----------
    paper_options : mapping
        Options that ``--preset paper`` sets for this variant.
    """

    kind: ClassVar[str] = "sae"

    paper_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AggregatorSpec(Spec):
    """A rule from patch activations to one value per latent; its factory is ``factory(options) -> Aggregator``."""

    kind: ClassVar[str] = "aggregator"
