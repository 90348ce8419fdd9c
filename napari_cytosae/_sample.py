"""Sample data: a generated smear field and its atlas, made at first use and kept in the cache. No Qt at the top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.cache import cache_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_cytosae._jobs import JobProgress
    from napari_cytosae._sources import Opened

    LayerData = tuple[NDArray[np.uint8], dict[str, Any], str]

NAME = "sample smear (generated)"
FIELD_SEED, SMEARS_SEED = 4, 0
N_IMAGES, N_PATIENTS = 100, 10
TRAINING: dict[str, Any] = {"expansion": 4.0, "steps": 150, "batch_tokens": 2048, "init_tokens": 8192}
MICROMETRES_PER_PIXEL = 25 / 128
FIELD = "field.png"


def sample_folder() -> Path:
    """Return where the sample is kept; the name changes whenever its content does."""
    return cache_folder() / "viewer-sample-1"


def field() -> NDArray[np.uint8]:
    """Return the generated smear field, uint8 [480, 640, 3]; the first time takes a second."""
    import numpy as np
    from PIL import Image

    path = sample_folder() / FIELD
    if path.exists():
        with Image.open(path) as picture:
            return np.asarray(picture)
    from cytosae_toolkit.demo.fields import generate_field
    from cytosae_toolkit.files import atomic_path

    pixels = generate_field(np.random.default_rng(FIELD_SEED)).image
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
    return pixels


def field_layer() -> LayerData:
    """Return the field as layer data of napari, with its scale in micrometres."""
    kwargs = {"name": NAME, "rgb": True, "scale": (MICROMETRES_PER_PIXEL,) * 2, "units": ("um", "um")}
    return field(), kwargs, "image"


def sample_atlas(progress: JobProgress) -> Path:
    """Return the atlas of the sample; the first time generates cells and learns from them.

    Raises
    ------
    CytosaeError
        If the disk is full.
    """
    import shutil

    from cytosae_toolkit.demo.dataset import DatasetSpec, write_dataset
    from napari_cytosae._learning import TOKENS, TRIAL, Lesson, learn

    folder = sample_folder()
    smears = folder / "smears"
    if not (folder / "cells.atlas.zarr").exists() and not (smears / "images.csv").exists():
        spec = DatasetSpec(n_images=N_IMAGES, n_patients=N_PATIENTS, seed=SMEARS_SEED)
        folder.mkdir(parents=True, exist_ok=True)
        with progress.task("Generating cells", N_IMAGES, "images") as task:
            write_dataset(smears, spec, progress=lambda done, total: task.advance())
    lesson = Lesson(str(smears / "images.csv"), str(folder), TRIAL)
    path = learn(lesson, progress, **TRAINING)
    shutil.rmtree(folder / TOKENS, ignore_errors=True)
    return path


def sample(progress: JobProgress) -> tuple[LayerData, Opened]:
    """Return the field as layer data, and its atlas opened."""
    from napari_cytosae._imports import import_heavy
    from napari_cytosae._sources import open_source

    import_heavy()
    layer = field_layer()
    return layer, open_source(sample_atlas(progress), progress=progress)


def open_sample() -> list[LayerData]:
    """Return the field for File > Open Sample, and open the dock, which makes or opens the atlas beside it."""
    import napari
    from qtpy.QtCore import QTimer

    viewer = napari.current_viewer()
    if viewer is not None and hasattr(viewer, "window"):
        QTimer.singleShot(0, lambda: _dock(viewer))
    return [field_layer()]


def _dock(viewer: Any) -> None:
    from napari_cytosae._widget import dock

    dock(viewer).start_page.open_sample()
