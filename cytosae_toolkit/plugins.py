"""Plugins: what is installed, in which state, and how to make backbones, SAEs and aggregators of it.

Nothing here imports torch before a part is created. The work is done by ``_plugin_loading`` (discovery and
isolation), ``_plugin_registry`` (names), ``_plugin_options`` (validation), ``_plugin_creation`` (factories).
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cytosae_toolkit._plugin_creation import build_aggregator, build_backbone, build_sae
from cytosae_toolkit._plugin_loading import (
    Plugin,
    disabled_names,
    installed_sources,
    is_disabled,
    strict_plugins,
)
from cytosae_toolkit._plugin_parts import Part
from cytosae_toolkit._plugin_registry import KINDS, PluginNote, PluginWarning, Registry
from cytosae_toolkit.training.events import TrainingEvent

if TYPE_CHECKING:
    from cytosae_toolkit.interfaces.aggregator import Aggregator
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder

__all__ = [
    "KINDS",
    "Part",
    "Plugin",
    "PluginNote",
    "PluginWarning",
    "Registry",
    "build_aggregator",
    "build_backbone",
    "build_sae",
    "create_aggregator",
    "create_backbone",
    "create_sae",
    "registry",
    "reset_registry",
    "training_event",
]


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Return the installed plugins; loaded once, broken ones reported as `PluginWarning`."""
    sources, blocked = list(installed_sources()), disabled_names()
    for name in blocked:
        if not any(is_disabled(source, [name]) for source in sources):
            warnings.warn(f"CYTOSAE_DISABLE_PLUGINS names {name!r}, which is no plugin.", PluginWarning, stacklevel=2)
    found = Registry.from_sources(sources, blocked=blocked, strict=strict_plugins())
    found.report_problems()
    return found


def reset_registry() -> None:
    """Forget the loaded plugins; the next `registry()` looks again."""
    registry.cache_clear()


def create_backbone(name: str, /, *, device: str = "auto", offline: bool = False, **options: Any) -> Backbone:
    """Make a backbone ready for use.

    Parameters
    ----------
    name : str
        Such as ``"dinobloom-b"``; ``distribution/name`` where two distributions offer it.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    offline : bool
        Forbid downloads.
    **options
        The backbone's own options, see ``cytosae-toolkit plugins show NAME``.

    Raises
    ------
    CytosaeError
        If name, options or device are wrong, or weights are missing.
    """
    part = registry().get("backbone", name)
    return build_backbone(part, part.parse_options(options), device=device, offline=offline)


def create_sae(name: str, /, d_model: int, d_sae: int, **options: Any) -> SparseAutoencoder:
    """Make an untrained sparse autoencoder.

    Parameters
    ----------
    name : str
        Variant, such as ``"relu-l1"``.
    d_model, d_sae : int
        Length of a token; number of latents.
    **options
        The variant's own options.

    Raises
    ------
    CytosaeError
        If name or options are wrong.
    """
    part = registry().get("sae", name)
    return build_sae(part, d_model, d_sae, part.parse_options(options))


def create_aggregator(name: str = "count", /, **options: Any) -> Aggregator:
    """Make an aggregator: the rule from patch activations to one value per latent.

    Parameters
    ----------
    name : str
        Such as ``"count"`` (CytoSAE, Eq. 2).
    **options
        Its own options.

    Raises
    ------
    CytosaeError
        If name or options are wrong.
    """
    part = registry().get("aggregator", name)
    return build_aggregator(part, part.parse_options(options))


def training_event(event: TrainingEvent) -> None:
    """Tell the installed loggers how training goes; see `Registry.training_event`."""
    registry().training_event(event)
