"""A tiny atlas with real tokens and a session on it; most tests need no screen.

Tests that need a real window are marked `gui`; they use napari's `make_napari_viewer` and are run under Xvfb by
`tests/napari_cytosae/screen.py`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.napari_cytosae.screen import HERE, on_screen

if HERE not in os.environ:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as NapariImage
    from pytestqt.qtbot import QtBot

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.scene import Scene
    from napari_cytosae._concept_list import ConceptList
    from napari_cytosae._session import Session

D_SAE, GRID = 96, (4, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Send tests that need a window to a screen."""
    if HERE not in os.environ:
        on_screen(items)


@pytest.fixture(scope="session")
def cells_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 48 small pictures, 32x32 pixels, of two sets, with labels, patients, groups and diseases."""
    folder, rng, rows = tmp_path_factory.mktemp("viewed"), np.random.default_rng(3), []
    for i in range(48):
        pixels = np.full((32, 32, 3), (235, 225, 230), dtype=np.uint8)
        y, x = np.mgrid[:32, :32]
        centre, radius = rng.uniform(12, 20, 2), rng.uniform(4, 11)
        pixels[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = rng.integers(40, 180, 3)
        pixels = np.clip(pixels + rng.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
        patient = i % 8
        row = {"path": f"{i:02}.png", "label": ["blast", "lymphocyte", "monocyte"][i % 3], "patient": f"p{patient}"}
        row |= {"disease": ["aml", "control"][patient % 2], "group": f"g{i}", "dataset": "north" if i < 30 else "south"}
        rows.append(row)
    pd.DataFrame(rows).to_csv(folder / "cells.csv", index=False)
    return folder / "cells.csv"


@pytest.fixture(scope="session")
def run_folder(cells_csv: Path, tiny_backbone: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: 4x4 patches an image, 96 latents."""
    from cytosae_toolkit.plugins import reset_registry
    from cytosae_toolkit.training import TrainConfig, train

    out = tmp_path_factory.mktemp("viewed_run") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYTOSAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("CYTOSAE_DISABLE_PLUGINS", "cytosae-tensorboard")
        patch.setattr("cytosae_toolkit.training.plan.seconds_per_call", lambda function, seconds=0.0: 1e-3)
        reset_registry()
        train(
            TrainConfig(
                images=str(cells_csv),
                out=out,
                backbone="timm",
                backbone_options=tiny_backbone | {"size": "64"},
                d_sae=D_SAE,
                steps=60,
                batch_tokens=128,
                device="cpu",
            )
        )
    reset_registry()
    _make_sparse(out / "sae.safetensors")
    return out


def _make_sparse(weights: Path) -> None:
    """Let latent 0 fire nowhere and the last ones nearly everywhere."""
    from safetensors.numpy import load_file, save_file

    values = load_file(weights)
    values["b_enc"] -= np.linspace(0.9, 0, D_SAE, dtype=np.float32)
    values["b_enc"][0] = -1e4
    save_file(values, weights)


@pytest.fixture(scope="session")
def atlas_path(run_folder: Path, cells_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The atlas of these pictures. Ask for `atlas` if you write to it."""
    from cytosae_toolkit.atlas.building import build_atlas
    from cytosae_toolkit.images import read_images
    from cytosae_toolkit.training import load_run

    out = tmp_path_factory.mktemp("viewed_atlas") / "a.atlas.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYTOSAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return build_atlas(load_run(run_folder), read_images(cells_csv), out, top=4).path


@pytest.fixture
def atlas(atlas_path: Path, tmp_path: Path) -> Atlas:
    """A copy of the atlas, to write names into."""
    from cytosae_toolkit.atlas.reading import open_atlas

    return open_atlas(shutil.copytree(atlas_path, tmp_path / "copy" / "a.atlas.zarr"))


@pytest.fixture
def explorer(atlas: Atlas) -> Explorer:
    """An explorer of the atlas."""
    from cytosae_toolkit.explore import Explorer

    return Explorer(atlas, device="cpu")


@pytest.fixture
def session(explorer: Explorer, atlas: Atlas) -> Session:
    """A session that shows the atlas, no picture yet."""
    from napari_cytosae._session import Session

    session = Session()
    session.author = "A. Author"
    session.set_source(explorer, atlas)
    return session


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """An asymmetric picture, uint8 [90, 130, 3], with three dark cells."""
    rng = np.random.default_rng(7)
    pixels = np.full((90, 130, 3), (235, 225, 230), dtype=np.uint8)
    y, x = np.mgrid[:90, :130]
    for cy, cx, radius in ((25, 30, 12), (60, 100, 16), (70, 20, 9)):
        pixels[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = (95, 55, 140)
    return np.clip(pixels + rng.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)


BOXES = [(10, 5, 50, 45), (75, 35, 130, 85), (0, 50, 40, 90), (40, 20, 80, 60)]
"""Boxes in the picture, ``x0, y0, x1, y1``; the first and the last overlap, the second and the last too."""


@pytest.fixture
def scene(explorer: Explorer, picture: np.ndarray) -> Scene:
    """The picture read by four boxes, two of which overlap."""
    from cytosae_toolkit.explore.analysing import MemoryField, analyse

    return analyse(explorer, MemoryField(picture), "boxes", boxes=BOXES)


@pytest.fixture
def cell_scene(explorer: Explorer, picture: np.ndarray) -> Scene:
    """The picture read as one cell."""
    from cytosae_toolkit.explore.analysing import MemoryField, analyse

    return analyse(explorer, MemoryField(picture), "cell")


@pytest.fixture
def window_scene(explorer: Explorer, picture: np.ndarray) -> Scene:
    """The picture read by windows of 40 pixels that overlap by half."""
    from cytosae_toolkit.explore.analysing import MemoryField, analyse

    return analyse(explorer, MemoryField(picture), "windows", window=40)


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def layer(viewer: ViewerModel, picture: np.ndarray) -> NapariImage:
    """The picture as a layer, with pixels that are no squares, away from the origin."""
    return viewer.add_image(picture, name="smear", scale=(0.5, 0.25), translate=(10, -20))


@pytest.fixture
def micrometres(viewer: ViewerModel, picture: np.ndarray) -> NapariImage:
    """The picture as a layer of known scale."""
    return viewer.add_image(picture, name="smear", rgb=True, scale=(0.2, 0.2), units=("um", "um"))


@pytest.fixture
def concept_list(qtbot: QtBot, session: Session) -> ConceptList:
    """A list of three concepts on the screen."""
    from napari_cytosae import _rows
    from napari_cytosae._concept_list import ConceptList

    columns = (_rows.CONCEPT, _rows.strength_column("there"), _rows.FREQUENCY, _rows.LABEL)
    listed = ConceptList(session, columns, empty="Nothing.")
    qtbot.addWidget(listed)
    listed.resize(400, 200)
    listed.show()
    listed.show_rows([50, 7, 90], [2.0, 1.0, 0.5])
    return listed
