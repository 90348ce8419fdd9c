"""What the network learns from: generated scenes, each in two stains and in the reference stain."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch

from cytosae_toolkit.demo.canvas import View
from cytosae_toolkit.demo.cell_classes import CELL_CLASSES
from cytosae_toolkit.demo.cells import FIELD_OF_VIEW, Scene, paint, sample_cell_scene
from cytosae_toolkit.demo.fields import sample_field_scene
from cytosae_toolkit.demo.laboratories import LABORATORIES, Laboratory, jitter
from cytosae_toolkit.demo.photograph import expose

POOL_SIZE = 160
"""Width and height of a pool picture in pixels."""

REFERENCE = Laboratory("reference", (0.85, 0.9, 1.0, 0.95), (0.0, 0.0, 0.0), (245, 245, 245), 1.0, 0.06, 0.0, 0.0)
"""Even light, no noise, sharp: the stain in which the network has to picture what it sees."""

_STAINS = 2


def make_pool(n_scenes: int, seed: int, *, size: int = POOL_SIZE, workers: int = 1) -> torch.Tensor:
    """Generate the pool.

    Parameters
    ----------
    n_scenes : int
        How many scenes: four of five are a single cell in 25 µm, the fifth is a piece of a field in 40 µm.
    seed : int
        Same seed, same pool, whatever the number of workers.
    size : int
        Width and height of the pictures in pixels.
    workers : int
        Processes that paint.

    Returns
    -------
    uint8 tensor [n_scenes, 3, 3, size, size]
        Per scene the pictures in two random stains and, last, in the reference stain; RGB.
    """
    one = partial(_scene_pictures, seed=seed, size=size)
    if workers <= 1:
        return torch.from_numpy(np.stack([one(i) for i in range(n_scenes)]))
    pool = torch.empty((n_scenes, _STAINS + 1, 3, size, size), dtype=torch.uint8)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        for i, pictures in enumerate(executor.map(one, range(n_scenes), chunksize=32)):
            pool[i] = torch.from_numpy(pictures)
    return pool


def _scene_pictures(number: int, *, seed: int, size: int) -> np.typing.NDArray[np.uint8]:
    """Return one scene in all its stains: uint8 [3, 3, size, size]."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    scene, view = _sample_scene(number, rng, size)
    canvas = paint(scene, view)
    labs = [list(LABORATORIES.values())[i] for i in rng.permutation(len(LABORATORIES))[:_STAINS]]
    pictures = [expose(canvas, jitter(lab, rng, amount=1.5), rng) for lab in labs]
    pictures.append(expose(canvas, REFERENCE, rng))
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))


def _sample_scene(number: int, rng: np.random.Generator, size: int) -> tuple[Scene, View]:
    if number % 5 == 4:
        scene = sample_field_scene(rng, (FIELD_OF_VIEW, FIELD_OF_VIEW), 4)
        x, y = rng.uniform(-5, 5, 2)
        return scene, View(size, size, size / (1.6 * FIELD_OF_VIEW), float(x), float(y))
    label = CELL_CLASSES[int(rng.integers(len(CELL_CLASSES)))]
    return sample_cell_scene(label, rng), View(size, size, size / FIELD_OF_VIEW)
