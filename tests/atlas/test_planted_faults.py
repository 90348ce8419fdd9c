"""Latents that see a planted fault are flagged; those that see granules, Auer rods or nuclei are not.

The latents are ideal ones: they light up exactly where the generator put the structure or the fault.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.facts import image_facts
from cytosae_toolkit.atlas.localisation import patch_coverage
from cytosae_toolkit.atlas.pictures import picture_boxes
from cytosae_toolkit.atlas.positions import PatchTotals
from cytosae_toolkit.atlas.sampling import smallest_priorities
from cytosae_toolkit.atlas.statistics import summarise
from cytosae_toolkit.demo import DatasetSpec, Faults, read_masks, write_dataset
from cytosae_toolkit.demo.faults import _dot, _stripes
from cytosae_toolkit.images import read_images
from cytosae_toolkit.images.morphology import colour_moments

from .dense import columns_of

GRID, PATCH, SIZE = (16, 16), (8, 8), 128
STRUCTURES = ("granules", "auer_rods", "nucleus")
FAULTS = ("bright", "mark", "fibre")


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Flags of ideal latents, one row each."""
    folder = tmp_path_factory.mktemp("smears") / "set"
    faults = Faults(bright=0.3, mark=0.3, fibre=0.9)
    spec = DatasetSpec(n_images=420, n_patients=60, seed=5, rephotographed=0.2, faults=faults)
    images = read_images(write_dataset(folder, spec))
    h = np.stack([activations(images, row) for row in range(len(images))])
    frame = images.frame.assign(set=images.frame["dataset"], key=images.content_keys())
    colour = np.stack([colour_moments(images.read(row)) for row in range(len(images))])
    facts = image_facts(frame, {"colour": colour, "cell": np.full((len(images), 3), np.nan)}, sorted(set(frame["set"])))
    columns = columns_of(h, 0)
    found = summarise(columns, facts, totals(h, facts), k=10, candidates=smallest_priorities(columns, facts, 16))
    return pd.DataFrame(
        {name: values for name, values in found.var.items() if name.startswith("flag_")}, index=[*STRUCTURES, *FAULTS]
    )


def activations(images, row: int) -> np.ndarray:
    """Coverage of each patch by structures and faults, float32 [patches, 6]."""
    boxes, masks = picture_boxes(GRID, PATCH), read_masks(images.mask_path(row))
    planted = str(images.frame["planted"][row]).split("+")
    areas = {"bright": np.ones((SIZE, SIZE)), "mark": _dot(SIZE, SIZE) > 0.1, "fibre": _stripes(SIZE, SIZE) > 0.1}
    shapes = [masks[name] for name in STRUCTURES]
    shapes += [areas[name].astype(bool) & (name in planted) for name in FAULTS]
    return np.stack([patch_coverage(shape, boxes) for shape in shapes], axis=1).astype(np.float32)


def totals(h: np.ndarray, facts) -> PatchTotals:
    exact = h.astype(np.float64)
    return PatchTotals(
        position_sum=np.rint(exact * 2**30).astype(np.int64).sum(axis=0),
        shape=GRID,
        patches=np.ones(256, dtype=np.int64),
        square_sum=np.square(exact).sum(axis=(0, 1)),
        active_patches=np.stack([(h[facts.sets == s] > 0).sum(axis=(0, 1)) for s in range(len(facts.set_names))]),
        active_tokens=(h > 0).sum(axis=(0, 1)),
        n_images=np.bincount(facts.sets, minlength=len(facts.set_names)),
        prefix_tokens=0,
        grid=GRID,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_latent_of_a_fault_is_flagged(flagged, fault):
    assert flagged.loc[fault].any(), flagged


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_latent_of_a_structure_is_not(flagged, structure):
    assert not flagged.loc[structure].any(), flagged
