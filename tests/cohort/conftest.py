"""An atlas of 75 images of 12 patients whose activations are whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cytosae_toolkit.atlas.building import build_atlas
from cytosae_toolkit.atlas.reading import Atlas, open_atlas
from cytosae_toolkit.images import ImageTable, read_images
from cytosae_toolkit.training import Run, load_run

from ..atlas.conftest import WholeTokens, cell_table, whole_run, whole_run_folder

__all__ = ["atlas", "atlas_of", "cell_table", "cohort_atlas", "cohort_images", "whole_run", "whole_run_folder"]

TAU = 3.0
DISEASES = ("aml", "cll", "healthy")


@pytest.fixture(scope="session")
def cohort_images(cell_table: Path) -> ImageTable:
    """Every other image of the table; patients have a disease, all but one, an age and a sex."""
    images = read_images(cell_table)
    images = images.subset(np.arange(0, len(images), 2))
    numbers = [int(patient[1:]) for patient in images.frame["patient"]]
    images = images.with_column("disease", [None if n == 11 else DISEASES[n % 3] for n in numbers])
    images = images.with_column("age", [40.0 + n for n in numbers])
    images = images.with_column("sex", ["male" if n % 2 else "female" for n in numbers])
    return images.with_column("focus", np.arange(len(images)) / 10)


@pytest.fixture(scope="session")
def cohort_atlas(whole_run_folder: Path, cohort_images: ImageTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their atlas, with τ = 3. Leave it as it is."""
    out = tmp_path_factory.mktemp("cohort") / "a.atlas.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: WholeTokens(images))
        build_atlas(load_run(whole_run_folder), cohort_images, out, aggregator_options={"threshold": TAU})
    return out


@pytest.fixture
def atlas(cohort_atlas: Path, whole_run: Run) -> Atlas:
    """The atlas, opened; tokens are whole-numbered when they are asked for again."""
    return open_atlas(cohort_atlas)


@pytest.fixture
def atlas_of(whole_run: Run, tmp_path: Path) -> Callable[..., Atlas]:
    """Return a function that builds another atlas from images."""

    def build(images: ImageTable, **rules: object) -> Atlas:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.atlas.zarr"
        return build_atlas(whole_run, images, out, **({"aggregator_options": {"threshold": TAU}} | rules))  # type: ignore[arg-type]

    return build
