"""The demonstration's SAE beside its baselines: which unit fits which structure, on images unseen by the choice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cytosae_toolkit.atlas.localisation import Localisation, OverlapAccumulator
from cytosae_toolkit.atlas.units import (
    MaskedImage,
    Units,
    brightness_units,
    dimension_units,
    latent_units,
    localise_units,
    masked_images,
    overlap,
)
from cytosae_toolkit.demo.masks import MASKS, read_masks
from cytosae_toolkit.demo.settings import Tour
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import ImageTable, read_images
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.tokens import LiveView, TokenView, token_source
from cytosae_toolkit.training.run import Run, create_from_record
from cytosae_toolkit.training.session import initialize

REPORTED = ("nucleus", "granules", "red_cells", "auer_rods")
"""Masks that the summary reports; the table holds all."""
GOOD_MATCH = 0.4
"""Harmonic mean of share inside and recall from which a latent is shown for a structure that is not reported."""


@dataclass(frozen=True)
class ImageSet:
    """Generated images with their tokens.

    Parameters
    ----------
    images : ImageTable
        With masks.
    tokens : TokenView or LiveView
        In the same order.
    backbone : Backbone
        Which made them.
    """

    images: ImageTable
    tokens: TokenView | LiveView
    backbone: Backbone

    @cached_property
    def samples(self) -> list[MaskedImage]:
        """All images with patch tokens and the coverage of their patches by each mask."""
        return list(masked_images(self.images, self.tokens, self.backbone, self._masks))

    def _masks(self, row: int) -> list[NDArray[np.bool_]]:
        path = self.images.mask_path(row)
        if path is None:
            raise CytosaeError(f"Image {self.images.ids[row]} has no mask.")
        masks = read_masks(path)
        return [masks[name] for name in MASKS]


class Demonstration:
    """The trained SAE beside its baselines, on the images it learned from and on fresh ones."""

    def __init__(self, tour: Tour, run: Run, progress: Progress = SILENT) -> None:
        self.tour, self.run, self.progress = tour, run, progress
        self.backbone = run.backbone()

    def _open(self, name: str) -> ImageSet:
        images = read_images(self.tour.out / name / "images.csv")
        tokens = token_source(
            images, self.backbone, self.run.layer, store=self.tour.out / "tokens", progress=self.progress
        )
        return ImageSet(images, tokens, self.backbone)

    @cached_property
    def chosen_on(self) -> ImageSet:
        """Images on which units are chosen."""
        return self._open("smears")

    @cached_property
    def fresh(self) -> ImageSet:
        """Images on which they are reported."""
        return self._open("fresh")

    @cached_property
    def untrained(self) -> SparseAutoencoder:
        """The same SAE as it was before the first step."""
        sae = create_from_record(self.run.record)
        rows = self.run_rows("train")
        initialize(sae, self.chosen_on.tokens.subset(rows), self.tour.config())
        return sae.eval()

    def run_rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of the images that the run learned from (``train``) or held out (``held-out``)."""
        table = pd.read_csv(self.run.path / "images.csv", dtype={"id": str})
        wanted = set(table["id"][table["split"] == split])
        return np.flatnonzero([name in wanted for name in self.chosen_on.images.ids])

    @cached_property
    def units(self) -> dict[str, Units]:
        """What is compared, by name."""
        sample = self.chosen_on.tokens.read(np.arange(0, len(self.chosen_on.images), 8)).astype(np.float32)
        center = sample[:, self.backbone.prefix_tokens :].reshape(-1, sample.shape[-1]).mean(axis=0)
        return {
            "trained SAE": latent_units(self.run.sae),
            "untrained SAE": latent_units(self.untrained),
            "raw dimension": dimension_units(center),
            "brightness": brightness_units,
        }

    @cached_property
    def overlap(self) -> OverlapAccumulator:
        """Overlap of the trained latents with all masks on the images where units are chosen."""
        return overlap(self.units["trained SAE"], self.chosen_on.samples)

    def localise(self) -> pd.DataFrame:
        """Choose the best unit of each kind for each mask, and measure it on fresh images."""
        rows: list[dict[str, Any]] = []
        for name, units in self.units.items():
            seen = self.overlap if name == "trained SAE" else overlap(units, self.chosen_on.samples)
            chosen = [seen.best(mask) for mask in range(len(MASKS))]
            measured = localise_units(units, chosen, self.fresh.samples)
            rows += [_table_row(mask, name, found) for mask, found in zip(MASKS, measured, strict=True)]
        return pd.DataFrame(rows).sort_values("mask", key=lambda c: c.map(list(MASKS).index), kind="stable")

    def clearest(self) -> list[tuple[int, str]]:
        """Return the latent that fits each reported structure best, and others that fit one well; none twice."""
        match = self.overlap.match()
        found: dict[int, str] = {}
        for name in (*REPORTED, *(name for name in MASKS if name not in REPORTED)):
            mask = MASKS.index(name)
            latent = self.overlap.best(mask)
            if name in REPORTED or match[latent, mask] >= GOOD_MATCH:
                found.setdefault(latent, name)
        return list(found.items())

    def references(self, latents: list[int], n: int) -> dict[int, list[tuple[int, NDArray[np.float32]]]]:
        """Return for each latent the rows and heat maps of the images with the largest mean activation.

        One image per cell: re-photographs share a group.
        """
        maps = np.stack([self._latents(row)[:, latents] for row in range(len(self.chosen_on.images))])
        groups = self.chosen_on.images.groups()
        result: dict[int, list[tuple[int, NDArray[np.float32]]]] = {}
        for column, latent in enumerate(latents):
            means = maps[:, self.backbone.prefix_tokens :, column].mean(axis=1)
            best: list[tuple[int, NDArray[np.float32]]] = []
            seen: set[str] = set()
            for row in np.argsort(-means, kind="stable"):
                if len(best) < n and means[row] > 0 and groups[row] not in seen:
                    seen.add(str(groups[row]))
                    best.append((int(row), maps[row, self.backbone.prefix_tokens :, column]))
            result[latent] = best
        return result

    @torch.no_grad()
    def _latents(self, row: int) -> NDArray[np.float32]:
        tokens = self.chosen_on.tokens.read([row])[0].astype(np.float32)
        latents: NDArray[np.float32] = self.run.sae.encode(torch.from_numpy(tokens)).numpy()
        return latents


def _table_row(mask: str, kind: str, found: Localisation) -> dict[str, Any]:
    return {"mask": mask, "kind": kind, **asdict(found)}
