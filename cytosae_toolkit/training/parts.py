"""The parts that a configuration names: a backbone and a variant of SAE, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.config import TrainConfig
from cytosae_toolkit.training.sizes import Sizes

if TYPE_CHECKING:
    from cytosae_toolkit._plugin_parts import Part


@dataclass(frozen=True)
class Chosen:
    """A plugin's part with validated options.

    Parameters
    ----------
    part : Part
        What was chosen.
    options : pydantic.BaseModel
        Its options.
    """

    part: Part
    options: BaseModel

    @property
    def record(self) -> dict[str, Any]:
        """Provenance for `config.json`."""
        return self.part.record(self.options)


def choose_parts(config: TrainConfig) -> tuple[Chosen, Chosen]:
    """Find backbone and SAE variant and validate their options, before anything slow happens.

    Options of the variant that the backbone was tuned for apply unless the user gave others.
    """
    from cytosae_toolkit.plugins import registry

    backbone = registry().get("backbone", config.backbone)
    sae = registry().get("sae", config.sae)
    return (
        Chosen(backbone, backbone.parse_options(config.backbone_options)),
        Chosen(sae, sae.parse_options({**tuned_options(backbone, sae), **config.sae_options})),
    )


def tuned_options(backbone: Part, sae: Part) -> Mapping[str, Any]:
    """Return the options of an SAE variant that a backbone was tuned for."""
    tuned: Mapping[str, Any] = getattr(backbone.spec, "sae_defaults", {}).get(sae.name, {})
    return tuned


def create_sae(choice: Chosen, sizes: Sizes) -> SparseAutoencoder:
    """Create an SAE of a chosen variant, its parameters not yet initialised."""
    from cytosae_toolkit.plugins import build_sae

    return build_sae(choice.part, sizes.d_model, sizes.d_sae, choice.options)
