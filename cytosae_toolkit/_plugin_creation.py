"""From a part and its options to a backbone, an SAE or an aggregator that keeps its contract's names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from cytosae_toolkit._plugin_parts import Part, describe_error
from cytosae_toolkit.devices import resolve_device
from cytosae_toolkit.errors import CytosaeError, PluginError, is_out_of_memory

if TYPE_CHECKING:
    from cytosae_toolkit.interfaces.aggregator import Aggregator
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder


def build_backbone(part: Part, options: BaseModel, *, device: str = "auto", offline: bool = False) -> Backbone:
    """Call a backbone's factory on a resolved device and check what it returns.

    Raises
    ------
    CytosaeError
        If the device does not exist, weights are missing, or the plugin breaks its contract.
    """
    from cytosae_toolkit.interfaces.backbone import Backbone

    resolved = resolve_device(device)
    backbone: Backbone = _call(part, lambda: part.factory()(options, device=resolved, offline=offline))
    _check_names(part, backbone, Backbone)
    _stamp(part, options, backbone)
    return backbone


def build_sae(part: Part, d_model: int, d_sae: int, options: BaseModel) -> SparseAutoencoder:
    """Call an SAE variant's factory and check what it returns.

    Raises
    ------
    CytosaeError
        If the sizes are not positive, or the plugin breaks its contract.
    """
    from torch import nn

    from cytosae_toolkit.interfaces.sae import SparseAutoencoder

    if d_model < 1 or d_sae < 1:
        raise CytosaeError(f"An SAE needs positive sizes, not d_model {d_model} and d_sae {d_sae}.")
    sae: SparseAutoencoder = _call(part, lambda: part.factory()(d_model, d_sae, options))
    _check_names(part, sae, SparseAutoencoder)
    if not isinstance(sae, nn.Module):
        raise _broken(part, f"returns a {type(sae).__name__}, which is no torch.nn.Module")
    if (sae.d_model, sae.d_sae) != (d_model, d_sae):
        raise _broken(part, f"was asked for {d_model} x {d_sae} and made {sae.d_model} x {sae.d_sae}")
    _stamp(part, options, sae)
    return sae


def build_aggregator(part: Part, options: BaseModel) -> Aggregator:
    """Call an aggregator's factory and check what it returns.

    Raises
    ------
    CytosaeError
        If the plugin breaks its contract.
    """
    from cytosae_toolkit.interfaces.aggregator import Aggregator

    aggregator: Aggregator = _call(part, lambda: part.factory()(options))
    _check_names(part, aggregator, Aggregator)
    _stamp(part, options, aggregator)
    return aggregator


def _call(part: Part, factory: Callable[[], Any]) -> Any:
    """Call a factory; its own mistakes become a `PluginError`, what the user can solve passes."""
    try:
        return factory()
    except (CytosaeError, OSError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise _broken(part, f"fails with {describe_error(error)}") from error


def _broken(part: Part, what: str) -> PluginError:
    return PluginError(
        f"The factory of {part.title} of {part.distribution} {part.version} {what}.",
        f"Update {part.distribution}, or tell its authors.",
    )


def _check_names(part: Part, made: object, contract: type) -> None:
    """Refuse an object that lacks a public name of its contract, whether or not it inherits from it."""
    promised = {*vars(contract), *contract.__annotations__}
    public = {name for name in promised if not name.startswith("_")}
    missing = sorted(name for name in public if not (hasattr(type(made), name) or hasattr(made, name)))
    if missing:
        raise _broken(part, f"returns a {type(made).__name__} without {', '.join(missing)}")


def _stamp(part: Part, options: BaseModel, made: Any) -> None:
    """Let an object remember what made it, as `plugin`; objects with slots forget."""
    with contextlib.suppress(AttributeError, TypeError):
        made.plugin = part.record(options)
