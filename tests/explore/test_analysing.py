"""Reading a picture: which parts of it, what is refused, and when it can be stopped."""

from __future__ import annotations

import time

import numpy as np
import pytest

from cytosae_toolkit.demo import generate_field
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.analysing import MOST_PARTS, MemoryField, analyse, clip_boxes
from cytosae_toolkit.progress import SILENT, Stoppable, Stopped

pytestmark = pytest.mark.usefixtures("no_loggers")


def test_boxes_are_clipped_and_slivers_left_out():
    assert clip_boxes([(-5, -7, 20, 30), (70, 50, 99, 99), (78, 0, 90, 9), (100, 0, 120, 20)], (60, 80)) == [
        (0, 0, 20, 30),
        (70, 50, 80, 60),
    ]
    with pytest.raises(CytosaeError, match="no box in the picture"):
        clip_boxes([(100, 0, 120, 20)], (60, 80))


def test_cells_of_a_field_are_found_and_read(explorer):
    made = generate_field(np.random.default_rng(1), width=320, height=240, n_white_cells=2).image
    scene = analyse(explorer, MemoryField(made), "cells")
    assert scene.parts and scene.scale.diameter > 5
    for part in scene.parts:
        x0, y0, x1, y1 = part.box
        np.testing.assert_array_equal(part.image.image, made[y0:y1, x0:x1])
    with pytest.raises(CytosaeError, match="No white cell") as error:
        analyse(explorer, MemoryField(np.full((90, 90, 3), 230, np.uint8)), "cells", red_cell_diameter=20)
    assert "--" not in str(error.value)


def test_too_many_windows_are_refused_before_they_are_made(explorer):
    class Slide:
        shape, pixel_size = (300_000, 400_000, 3), None

    start = time.perf_counter()
    with pytest.raises(CytosaeError, match="are the most"):
        analyse(explorer, Slide(), "windows", window=40)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("at", [1, 2, 5, 9])
def test_looking_for_cells_can_be_stopped_between_two_pieces_and_within_one(explorer, at):
    field, asked = MemoryField(np.full((400, 400, 3), 230, np.uint8)), []
    progress = Stoppable(SILENT, lambda: asked.append(1) or len(asked) == at)
    with pytest.raises(Stopped):
        analyse(explorer, field, "cells", red_cell_diameter=12, progress=progress)
    assert len(asked) == at


def test_what_cannot_be_read_is_refused(explorer, pixels):
    with pytest.raises(CytosaeError, match="windows"):
        analyse(explorer, MemoryField(pixels), "window")
    with pytest.raises(CytosaeError, match=f"{MOST_PARTS:,} are the most"):
        analyse(explorer, MemoryField(np.zeros((900, 900, 3), np.uint8)), "windows", window=20)
    for wrong in (pixels.astype(float), pixels[..., 0], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(CytosaeError, match="A picture is RGB"):
            MemoryField(wrong)


def test_parts_let_go_of_their_tokens(explorer, pixels):
    scene = analyse(explorer, MemoryField(pixels), "windows", window=32)
    assert all(part.image.tokens.size == 0 and part.image.tokens.base is None for part in scene.parts)
