"""Parts: what plugins provide, with its origin."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cytosae_toolkit._plugin_options import OptionDescription, describe_options, parse_options
from cytosae_toolkit.errors import PluginError
from cytosae_toolkit.interfaces.specs import Spec


@dataclass(frozen=True)
class Part:
    """A backbone, an SAE variant or an aggregator that an installed plugin provides.

    Parameters
    ----------
    spec : Spec
        What the plugin says of it.
    distribution, version : str
        The installed distribution that carries the plugin.
    plugin : str
        Name of the entry point.
    """

    spec: Spec
    distribution: str
    version: str
    plugin: str

    @property
    def kind(self) -> str:
        """``"backbone"``, ``"sae"`` or ``"aggregator"``."""
        return self.spec.kind

    @property
    def name(self) -> str:
        """The bare name that users type."""
        return self.spec.name

    @property
    def qualified_name(self) -> str:
        """The unambiguous name, ``distribution/name``."""
        return f"{self.distribution}/{self.spec.name}"

    @property
    def title(self) -> str:
        """Such as ``the backbone 'timm'``, for messages."""
        return f"the {kind_label(self.kind)} {self.spec.name!r}"

    def describe_options(self) -> list[OptionDescription]:
        """Return name, type, default and description of each option."""
        return describe_options(self.spec.options)

    def parse_options(self, given: Mapping[str, Any]) -> BaseModel:
        """Validate options; strings (from ``key=value``) are converted to the option's type.

        Raises
        ------
        CytosaeError
            If options are unknown, missing or ill-typed.
        """
        return parse_options(self.spec.options, given, self.title)

    def record(self, options: BaseModel) -> dict[str, Any]:
        """Return the provenance that artefacts store, as JSON; `Registry.from_record` reads it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "api": list(self.spec.api),
            "options": options.model_dump(mode="json"),
        }

    def factory(self) -> Callable[..., Any]:
        """Import the factory that the spec names.

        Raises
        ------
        PluginError
            If it cannot be imported; the message names the distribution and the failure.
        """
        module, _, attribute = self.spec.factory.partition(":")
        origin = f"{self.title} of {self.distribution} {self.version}"
        try:
            found = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise PluginError(
                f"The factory {self.spec.factory!r} of {origin} cannot be imported: {describe_error(error)}.",
                f"Reinstall or update {self.distribution}, or tell its authors.",
            ) from error
        if not callable(found):
            raise PluginError(f"The factory {self.spec.factory!r} of {origin} cannot be called.")
        return found  # type: ignore[no-any-return]


def kind_label(kind: str) -> str:
    """Return a kind as it reads in a sentence."""
    return {"sae": "SAE variant"}.get(kind, kind)


def describe_error(error: BaseException) -> str:
    """Return an exception as one line without a final full stop: ``ImportError: No module named 'x'``."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
