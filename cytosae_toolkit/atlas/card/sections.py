"""The entries of a metrics card, each from the parts that its maker computes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.card import definitions
from cytosae_toolkit.atlas.card.definitions import entry
from cytosae_toolkit.atlas.card.features import principal_components
from cytosae_toolkit.atlas.card.fidelity import cosines, probe_change
from cytosae_toolkit.atlas.card.label_entropy import label_entropy
from cytosae_toolkit.atlas.card.localising import MaskedSet, halves, localise_kinds
from cytosae_toolkit.atlas.card.masks import bits_in, rows_with_masks, structures_of
from cytosae_toolkit.atlas.card.monosemanticity import monosemanticity, without_preference
from cytosae_toolkit.atlas.card.other_backbones import Untrained
from cytosae_toolkit.atlas.card.probes import Labelled, labelled, most_frequent, probe, probe_all, probe_components
from cytosae_toolkit.atlas.card.stability import stability
from cytosae_toolkit.atlas.units import (
    MaskedImage,
    Units,
    backbone_units,
    brightness_units,
    component_units,
    dimension_units,
    latent_units,
    place_units,
)

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.card.card import CardMaker

PERCENT = (5, 25, 50, 75, 95)
MS_BINS = 240
ENTROPY_EDGES = np.round(np.linspace(0, 2.4, 25), 6)


def distribution(values: NDArray[np.float64], edges: NDArray[np.float64]) -> dict[str, Any]:
    """Summarise values, NaN where undefined: counts, mean, percentiles, histogram (values outside in its last bins)."""
    known = values[np.isfinite(values)]
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    found: dict[str, Any] = {"n_units": len(values), "n_defined": len(known)}
    if len(known):
        percentiles = np.percentile(known, PERCENT).tolist()
        found |= {
            "mean": float(known.mean()),
            "percentiles": {str(p): value for p, value in zip(PERCENT, percentiles, strict=True)},
        }
    return found | {"histogram": {"edges": edges.tolist(), "counts": counts.tolist()}}


def monosemanticity_section(maker: CardMaker) -> dict[str, Any]:
    """Return the distribution of monosemanticity per encoder and kind of unit."""
    encoders = []
    for about, embeddings in maker.encoders():
        found = {name: monosemanticity(matrix, embeddings) for name, matrix in maker.activations.items()}
        edges = _edges(list(found.values()))
        units = {name: distribution(values, edges) for name, values in found.items()}
        encoders.append(about | {"without_preference": without_preference(embeddings), "units": units})
    return entry(definitions.MONOSEMANTICITY) | {"encoders": encoders}


def _edges(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return edges of bins that hold all finite values: cosines of a backbone may differ in the third digit only."""
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    return np.linspace(low, max(high, low + 1e-6), MS_BINS + 1)


def label_entropy_section(maker: CardMaker) -> dict[str, Any]:
    """Return the distribution of label entropy per kind of unit, and under shuffled labels."""
    about = entry(definitions.LABEL_ENTROPY)
    if not maker.images.has("label"):
        return about | {"absent": "the images have no labels"}
    groups, units = maker.images.groups(), {}
    for name, matrix in maker.activations.items():
        found = label_entropy(matrix, maker.labels, groups)
        units[name] = distribution(found.entropy, ENTROPY_EDGES) | {
            "under_shuffled_labels": distribution(found.shuffled, ENTROPY_EDGES)
        }
    return about | {"units": units}


def probes_section(maker: CardMaker) -> dict[str, Any]:
    """Return the scores of probes on latents and baselines."""
    about = entry(definitions.PROBES)
    data = _labelled(maker)
    if data is None:
        return about | {"absent": "probes need two labels with two groups each"}
    tokens = maker.features.tokens
    activations = maker.features.activations
    latents = {name: activations[name] for name in ("trained SAE", "untrained SAE")}
    features = latents | {"raw dimensions": tokens["mean token"]}
    if isinstance(maker.untrained_backbone, Untrained):
        features["untrained backbone"] = maker.untrained_backbone.mean_token
    plain: dict[str, Any] = {name: tokens[name] for name in ("CLS", "mean patch token") if name in tokens}
    plain["colour moments"] = _colours(maker)
    with maker.progress.task("Probing", len(features) + len(plain) + 1, "feature sets") as task:
        scores: dict[str, Any] = {}
        for name, matrix in features.items():
            scores |= probe_all({name: matrix}, data)
            task.advance()
        scores["PCA"] = probe_components(tokens["mean token"], data)
        task.advance()
        for name, matrix in plain.items():
            scores |= probe_all({name: matrix}, data, ks=())
            task.advance()
    scores["most frequent class"] = {"dense": probe(plain["colour moments"], data, most_frequent)}
    return about | _describe(data, maker) | {"scores": _plain(scores)}


def _plain(scores: dict[str, Any]) -> dict[str, Any]:
    return {name: {kind: asdict(score) for kind, score in kinds.items()} for name, kinds in scores.items()}


def _labelled(maker: CardMaker) -> Labelled | None:
    return labelled(maker.labels, maker.images.groups(), seed=maker.options.seed)


def _describe(data: Labelled, maker: CardMaker) -> dict[str, Any]:
    names, counts = np.unique(data.labels, return_counts=True)
    return {
        "n_images": len(data.rows),
        "n_groups": len(np.unique(maker.images.groups()[data.rows])),
        "n_folds": len(data.folds),
        "classes": dict(zip(names.tolist(), counts.tolist(), strict=True)),
        "classes_left_out": list(data.left_out),
    }


def _colours(maker: CardMaker) -> NDArray[np.float32]:
    """Return mean, standard deviation and skewness of the channels of each image, float32 [n, 9]."""
    from cytosae_toolkit.images.morphology import colour_moments

    with maker.progress.task("Colours", len(maker.images), "images") as task:
        found = []
        for row in range(len(maker.images)):
            found.append(colour_moments(maker.images.read(row)))
            task.advance()
    return np.array(found, dtype=np.float32)


def localisation_section(maker: CardMaker) -> dict[str, Any]:
    """Return how the best unit of each kind lies in each structure."""
    about = entry(definitions.LOCALISATION)
    rows = rows_with_masks(maker.images)
    if not len(rows):
        return about | {"absent": "the images have no masks (column mask)"}
    groups = maker.images.groups()[rows]
    first, second = (rows[half] for half in halves(groups, maker.options.seed))
    if not len(second):
        return about | {"absent": "all images with masks are of one group"}
    structures = maker.options.structures or structures_of(maker.images, rows)
    masked = MaskedSet(maker.images, maker.view, maker.backbone, structures)

    def samples(choosing: bool) -> Iterable[MaskedImage]:
        half, description = (first, "Choosing units") if choosing else (second, "Localising units")
        return masked.samples(half, maker.progress, description)

    found = localise_kinds(_units(maker), samples, structures.names)
    counts = {"n_images_chosen_on": len(first), "n_images_reported": len(second)}
    n_bits = 0 if maker.options.structures else bits_in(structures)
    if n_bits:
        about["hint"] = f"the grey values look like {n_bits} bits, one per structure: name them with --mask-bits NAME,…"
    return about | counts | {"structures": structures.names, "units": found}


def _units(maker: CardMaker) -> dict[str, Units]:
    patches = maker.features.patches
    kinds = {
        "trained SAE": latent_units(maker.sae, maker.device),
        "untrained SAE": latent_units(maker.untrained, maker.device),
        "raw dimensions": dimension_units(patches.mean),
        "PCA": component_units(patches.mean, principal_components(patches)),
        "brightness": brightness_units,
        "distance to the centre": place_units,
    }
    untrained = maker.untrained_backbone
    if isinstance(untrained, Untrained):
        kinds["untrained backbone"] = backbone_units(
            untrained.backbone, maker.run.layer, dimension_units(untrained.center)
        )
    return kinds


def fidelity_section(maker: CardMaker) -> dict[str, Any]:
    """Return what the backbone makes of replaced tokens."""
    about = entry(definitions.FIDELITY) | {"embedding": maker.embed.description}
    if not maker.embed.continues:
        return about | {"absent": maker.embed.obstacle}
    embeddings = dict(maker.features.embeddings)
    original = embeddings.pop("original")
    replaced = {name: np.broadcast_to(vectors, original.shape) for name, vectors in embeddings.items()}
    cosine = {name: _mean_sd(cosines(original, vectors)) for name, vectors in replaced.items()}
    found = about | {"pca_components": maker.features.pca_components, "cosine": cosine}
    if maker.options.ablated:
        found["ablated"] = {
            str(latent): _mean_sd(maker.features.ablations[:, column])
            for column, latent in enumerate(maker.options.ablated)
        }
    data = _labelled(maker)
    if data is not None:
        changes = {name: probe_change(original, vectors, data) for name, vectors in replaced.items()}
        found["probe_accuracy"] = {name: asdict(c) | {"change": c.change} for name, c in changes.items()}
    return found


def _mean_sd(values: NDArray[np.float64]) -> dict[str, float]:
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0}


def stability_section(maker: CardMaker) -> dict[str, Any]:
    """Return how well the latents of another run agree with these, and those of an SAE untrained from another seed."""
    about, other = entry(definitions.STABILITY), maker.options.other_run
    features = maker.features
    if other is None or features.live_other is None:
        return about | {"absent": "no other run was given"}
    mine = maker.sae.decoder_directions.cpu().numpy()[features.live]
    theirs = other.sae.decoder_directions.cpu().numpy()[features.live_other]
    if not len(mine) or not len(theirs):
        return about | {"absent": "one of the runs has no latent that fires on these images"}
    untrained = maker.untrained_from(1).decoder_directions.cpu().numpy()
    return (
        about
        | asdict(stability(mine, theirs))
        | {"untrained": asdict(stability(mine, untrained)), "n_images": len(maker.images)}
    )
