"""The metrics card: everything about one SAE on one image set, in one JSON-compatible document."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.card import sections
from cytosae_toolkit.atlas.card.definitions import METRICS, entry
from cytosae_toolkit.atlas.card.features import Features, Models, gather_features
from cytosae_toolkit.atlas.card.fidelity import Embedder
from cytosae_toolkit.atlas.card.masks import Structures
from cytosae_toolkit.atlas.card.opening import check_comparable, open_tokens, untrained_backbone, untrained_sae
from cytosae_toolkit.atlas.card.other_backbones import Untrained, embed_images, see_untrained
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder
    from cytosae_toolkit.tokens import LiveView, TokenView
    from cytosae_toolkit.training.run import Run

FORMAT, VERSION = "cytosae-metrics-card", 1


@dataclass(frozen=True)
class CardOptions:
    """What a card is made with.

    Parameters
    ----------
    other_run : Run, optional
        Another training on the same tokens, for stability.
    structures : Structures, optional
        What the masks of the image table mean; by default every grey value is a structure.
    embedding_backbone : Backbone, optional
        Judges in its embedding which images are alike, beside the run's own backbone.
    ablated : tuple of int
        Latents to switch off, one at a time.
    seed : int
        Of folds, halves and samples.
    """

    other_run: Run | None = None
    structures: Structures | None = None
    embedding_backbone: Backbone | None = None
    ablated: tuple[int, ...] = ()
    seed: int = 0


class CardMaker:
    """Computes the parts of a card; each once, when it is first asked for.

    Parameters
    ----------
    run : Run
        A finished run.
    view : TokenView or LiveView
        Tokens of the images.
    images : ImageTable
        The same images in the same order.
    backbone : Backbone
        The run's.
    device : str
        Resolved.
    options : CardOptions
        What is wanted.
    progress : Progress
        Where to report.
    """

    def __init__(
        self,
        run: Run,
        view: TokenView | LiveView,
        images: ImageTable,
        backbone: Backbone,
        device: str,
        options: CardOptions,
        progress: Progress = SILENT,
    ) -> None:
        self.run, self.view, self.images, self.backbone = run, view, images, backbone
        self.device, self.options, self.progress = device, options, progress

    @cached_property
    def sae(self) -> SparseAutoencoder:
        """The trained SAE on the device."""
        return self.run.sae.to(self.device)

    @cached_property
    def untrained(self) -> SparseAutoencoder:
        """The same SAE before its first step."""
        return self.untrained_from(0)

    def untrained_from(self, shift: int) -> SparseAutoencoder:
        """Return the SAE before its first step, from the run's seed plus `shift`: its own start is no chance level."""
        seed = int(self.run.config.get("seed") or 0) + shift
        return untrained_sae(self.run, self.view, seed=seed, device=self.device)

    @cached_property
    def embed(self) -> Embedder:
        """From tokens to the backbone's final embedding."""
        import torch

        first = torch.from_numpy(self.view.read([0]).astype(np.float32))
        return Embedder.of(self.backbone, self.run.layer, first)

    @cached_property
    def features(self) -> Features:
        """The pass over the tokens."""
        other = self.options.other_run
        models = Models(
            sae=self.sae,
            untrained=self.untrained,
            embed=self.embed,
            prefix_tokens=self.backbone.prefix_tokens,
            other=None if other is None else other.sae.to(self.device),
            device=self.device,
            ablated=self.options.ablated,
            seed=self.options.seed,
        )
        return gather_features(models, self.view, self.progress)

    @cached_property
    def untrained_backbone(self) -> Untrained | str:
        """What the untrained backbone makes of the images, or why there is none."""
        try:
            backbone = untrained_backbone(self.run, device=self.device)
        except CytosaeError as error:
            return error.message
        return see_untrained(self.images, backbone, self.run.layer, self.progress)

    @cached_property
    def activations(self) -> dict[str, Any]:
        """Image-level activations by kind of unit, each [n, n_units]."""
        found = dict(self.features.activations)
        if isinstance(self.untrained_backbone, Untrained):
            found["untrained backbone"] = self.untrained_backbone.activations
        return found

    @cached_property
    def labels(self) -> NDArray[np.object_]:
        """Label of each image, None where unknown."""
        if not self.images.has("label"):
            return np.full(len(self.images), None, dtype=object)
        column = self.images.frame["label"]
        return column.astype(object).where(column.notna(), None).to_numpy(dtype=object)

    def encoders(self) -> list[tuple[dict[str, Any], NDArray[np.float32]]]:
        """Return description and embeddings of each encoder that judges which images are alike."""
        own = {
            "encoder": self.run.record["plugins"]["backbone"]["name"],
            "fingerprint": self.backbone.fingerprint,
            "embedding": self.embed.description,
            "circular": True,
        }
        found = [(own, self.features.embeddings["original"])]
        other = self.options.embedding_backbone
        if other is not None:
            description, embeddings = embed_images(self.images, other, self.progress)
            name = getattr(other, "plugin", {}).get("name") or type(other).__name__
            judge = {
                "encoder": name,
                "fingerprint": other.fingerprint,
                "embedding": description,
                "circular": other.fingerprint == self.backbone.fingerprint,
            }
            found.append((judge, embeddings))
        return found

    def sections(self) -> dict[str, Any]:
        """Return all entries but the metrics."""
        return {
            "monosemanticity": sections.monosemanticity_section(self),
            "label_entropy": sections.label_entropy_section(self),
            "probes": sections.probes_section(self),
            "localisation": sections.localisation_section(self),
            "fidelity": sections.fidelity_section(self),
            "stability": sections.stability_section(self),
        }


def full_evaluation(
    run: Run,
    images: ImageTable,
    *,
    other_run: Run | None = None,
    structures: Structures | None = None,
    embedding_backbone: Backbone | None = None,
    ablated: tuple[int, ...] = (),
    seed: int = 0,
    device: str = "auto",
    token_options: dict[str, Any] | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Measure everything about a run's SAE on images: the metrics card.

    Parameters
    ----------
    run : Run
        A finished run.
    images : ImageTable
        With `label`, `group` and `mask` as far as known; entries that need more say so.
    other_run : Run, optional
        Another training on the same backbone and layer, for stability.
    structures : Structures, optional
        What grey values of masks mean, see `cytosae_toolkit.atlas.card.masks.parse_structures`.
    embedding_backbone : Backbone, optional
        Another encoder that judges which images are alike.
    ablated : tuple of int
        Latents whose removal is measured.
    seed : int
        Of folds, halves and samples.
    device : str
        Where to compute.
    token_options : dict, optional
        As for `cytosae_toolkit.training.evaluate`.
    progress : Progress
        Where to report.

    Returns
    -------
    dict
        Everything that `cytosae_toolkit.training.evaluate` returns, and `monosemanticity`, `label_entropy`, `probes`,
        `localisation`, `fidelity` and `stability`, each with `formula` and `source`, or with `absent`, the reason.

    Raises
    ------
    CytosaeError
        If runs or latents do not fit, or masks cannot be read.
    """
    from cytosae_toolkit.devices import resolve_device
    from cytosae_toolkit.training.image_fit import unlike_share
    from cytosae_toolkit.weights import show_downloads

    if other_run is not None:
        check_comparable(run, other_run)
    _check_latents(ablated, int(run.record["d_sae"]))
    resolved, choices = resolve_device(device), dict(token_options or {})
    with show_downloads(progress):
        backbone = run.backbone(device=resolved, offline=bool(choices.pop("offline", False)))
    view = open_tokens(run, images, backbone, choices, progress)
    seen = images.subset(view.table_rows)
    options = CardOptions(other_run, structures, embedding_backbone, ablated, seed)
    maker = CardMaker(run, view, seen, backbone, resolved, options, progress)
    skipped = [{"path": str(item.path), "reason": item.reason} for item in (*images.skipped, *view.skipped)]
    unlike = unlike_share(run, maker.sae, view, device=resolved, progress=progress)
    return {
        "n_images": len(view),
        "skipped": skipped,
        "unlike_share": unlike,
        **maker.features.measured.to_json(),
        **_card(maker),
    }


def _card(maker: CardMaker) -> dict[str, Any]:
    record = maker.run.record
    about = {
        "format": FORMAT,
        "version": VERSION,
        "seed": maker.options.seed,
        "n_groups": len(np.unique(maker.images.groups())),
        "d_model": record["d_model"],
        "d_sae": record["d_sae"],
        "sae": record["plugins"]["sae"]["name"],
        "backbone": record["plugins"]["backbone"]["name"],
        "backbone_fingerprint": maker.backbone.fingerprint,
        "layer": maker.run.layer,
        "untrained_backbone": maker.untrained_backbone if isinstance(maker.untrained_backbone, str) else "measured",
    }
    return {
        "card": about,
        "untrained_sae": maker.features.untrained.to_json(),
        "definitions": {name: entry(definition) for name, definition in METRICS.items()},
        **maker.sections(),
    }


def _check_latents(latents: tuple[int, ...], d_sae: int) -> None:
    for latent in latents:
        if not 0 <= latent < d_sae:
            raise CytosaeError(f"There is no latent {latent}.", f"Latents count from 0 to {d_sae - 1}.")
