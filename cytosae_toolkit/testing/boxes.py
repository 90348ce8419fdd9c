"""Checks of a backbone's patch boxes: each token must belong to the part of the image that its box claims."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cytosae_toolkit.testing.checks import Checks, NotApplicable, require
from cytosae_toolkit.testing.subject import BackboneSubject

SHAPES = ((150, 200), (150, 200, 3), (37, 53), (1000, 300))
TOLERANCE = 1e-6
"""Of positions, relative to the image's side."""

_checks: Checks[BackboneSubject] = Checks()
BOX_CHECKS = _checks.all


def _grid(subject: BackboneSubject) -> tuple[int, int]:
    if len(subject.backbone.grid) != 2:
        raise NotApplicable("the patches do not form a plane")
    rows, columns = subject.backbone.grid
    return rows, columns


def _boxes(subject: BackboneSubject, height: int, width: int) -> NDArray[np.float64]:
    """Return boxes in units of the image's sides, [rows, columns, 4]."""
    rows, columns = _grid(subject)
    boxes = np.asarray(subject.backbone.patch_boxes((height, width)), dtype=np.float64)
    return boxes.reshape(rows, columns, 4) / (width, height, width, height)


@_checks.add("patch boxes have the promised shape and lie within the image")
def _shape(subject: BackboneSubject) -> None:
    n_patches = subject.backbone.n_patches
    for shape in SHAPES:
        boxes = subject.backbone.patch_boxes(shape)
        require(boxes.shape == (n_patches, 4), f"patch_boxes{shape} has shape {boxes.shape}, not ({n_patches}, 4)")
        require(boxes.dtype == np.float64, f"patch_boxes{shape} is {boxes.dtype}, not float64")
        require(np.isfinite(boxes).all(), f"patch_boxes{shape} is not finite")
        x0, y0, x1, y1 = (boxes / np.tile((shape[1], shape[0]), 2)).T
        require((x1 >= x0).all() and (y1 >= y0).all(), f"patch_boxes{shape} has boxes of negative size")
        require(((x1 - x0) * (y1 - y0)).sum() > 0, f"patch_boxes{shape} has boxes of no size only")
        inside = min(x0.min(), y0.min()) >= -TOLERANCE and max(x1.max(), y1.max()) <= 1 + TOLERANCE
        require(inside, f"patch_boxes{shape} has boxes outside of the image")


@_checks.add("patch boxes are row-major")
def _row_major(subject: BackboneSubject) -> None:
    for shape in ((150, 200), (200, 150)):
        x0, y0, x1, y1 = np.moveaxis(_boxes(subject, *shape), -1, 0)
        along_rows, along_columns = np.diff(x0 + x1, axis=1), np.diff(y0 + y1, axis=0)
        require(
            (along_rows >= -TOLERANCE).all() and along_rows.sum() >= 0,
            "x does not grow along a row of patches",
        )
        require((along_columns >= -TOLERANCE).all(), "y does not grow from one row of patches to the next")
        require((np.ptp(y0 + y1, axis=1) <= TOLERANCE).all(), "patches of one row lie at different heights")


@_checks.add("patch boxes tile what the backbone sees")
def _tile(subject: BackboneSubject) -> None:
    backbone = subject.backbone
    rows, columns = _grid(subject)
    prepared = backbone.preprocess(np.zeros((150, 200, 3), np.uint8))
    plain = tuple(prepared.shape[1:]) == (rows * backbone.patch_size[0], columns * backbone.patch_size[1])
    if not plain:
        raise NotApplicable("patches overlap or leave a margin")
    x0, y0, x1, y1 = np.moveaxis(_boxes(subject, 150, 200), -1, 0)
    gaps = np.abs(x1[:, :-1] - x0[:, 1:]), np.abs(y1[:-1] - y0[1:])
    abut = all((gap <= TOLERANCE).all() for gap in gaps)
    require(abut, "neighbouring patch boxes overlap or leave gaps, though the patches do not")


@_checks.add("the whole image is kept")
def _whole(subject: BackboneSubject) -> None:
    for shape in ((150, 200), (200, 150)):
        x0, y0, x1, y1 = np.moveaxis(_boxes(subject, *shape), -1, 0)
        share = float((x1.max() - x0.min()) * (y1.max() - y0.min()))
        if share < 1 - 4 * TOLERANCE:
            raise NotApplicable(f"the backbone sees {100 * share:.0f} % of a {shape[0]} x {shape[1]} image")


@_checks.add("a bright square changes the token of its patch most")
def _bright_square(subject: BackboneSubject) -> None:
    for transposed in (False, True):
        _find_bright_squares(subject, transposed)


def _find_bright_squares(subject: BackboneSubject, transposed: bool) -> None:
    rows, columns = _grid(subject)
    height, width = 9 * rows + 6, 12 * columns + 8
    if transposed:
        height, width = 12 * rows + 8, 9 * columns + 6
    grey = np.full((height, width, 3), 128, np.uint8)
    boxes = subject.backbone.patch_boxes(grey.shape)
    patches = [patch for patch in _sample(rows, columns) if _paintable(boxes[patch])]
    found = _most_changed(subject, [grey, *(_painted(grey, boxes[patch]) for patch in patches)])
    for patch, changed in zip(patches, found[1:], strict=True):
        require(
            changed == patch,
            f"a bright square painted into the box of patch {divmod(patch, columns)} of a {height} x {width} "
            f"image changes the token of patch {divmod(changed, columns)} most",
        )


def _most_changed(subject: BackboneSubject, images: list[NDArray[np.uint8]]) -> list[int]:
    """Return for each image the patch whose token of layer 0 differs most from the median over the images.

    Attention tells every token of a flat image that there is a square somewhere; that part of the change is the
    same wherever the square is, and the median over its places takes it away.
    """
    tokens = torch.cat([subject.tokens(image) for image in images])[:, subject.backbone.prefix_tokens :]
    change = (tokens - tokens.quantile(0.5, dim=0)).norm(dim=-1)
    return [int(patch) for patch in change.argmax(dim=-1)]


def _sample(rows: int, columns: int) -> list[int]:
    """Return patches in the corners, at edges and inside, none of them symmetric to all others."""
    wanted = {
        (0, 0),
        (0, columns - 1),
        (rows - 1, 0),
        (rows - 1, columns - 1),
        (rows // 3, (2 * columns) // 3),
        (rows // 2, columns // 4),
        (min(1, rows - 1), max(columns - 3, 0)),
        (max(rows - 2, 0), columns // 2),
    }
    return sorted(row * columns + column for row, column in wanted)


def _pixels(box: NDArray[np.float64]) -> tuple[slice, slice]:
    """Return the whole pixels within a box, rows first."""
    x0, y0 = np.ceil(box[:2] - TOLERANCE).astype(int)
    x1, y1 = np.floor(box[2:] + TOLERANCE).astype(int)
    return slice(y0, y1), slice(x0, x1)


def _paintable(box: NDArray[np.float64]) -> bool:
    rows, columns = _pixels(box)
    return bool(rows.stop - rows.start >= 3 and columns.stop - columns.start >= 3)


def _painted(image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    painted = image.copy()
    painted[_pixels(box)] = 255
    return painted
