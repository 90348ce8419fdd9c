"""Checks of a backbone's attributes, input and tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import prod

import numpy as np
import torch
from torch import Tensor

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.testing.checks import Checks, ConformanceError, NotApplicable, require
from cytosae_toolkit.testing.subject import BackboneSubject, photograph, relative_difference

RELATIVE_TOLERANCE = 1e-4
"""How far an image's tokens may differ between batches, relative to their norm."""

ODD_SHAPES = ((37, 53), (1, 1), (512, 300), (64, 64))

_checks: Checks[BackboneSubject] = Checks()
TOKEN_CHECKS = _checks.all


def _require_close(a: Tensor, b: Tensor, what: str, tolerance: float = RELATIVE_TOLERANCE) -> None:
    difference = relative_difference(a, b)
    require(difference <= tolerance, f"{what} differ by {difference:.2g} relative, allowed is {tolerance:g}")


@_checks.add("sizes are positive whole numbers")
def _attributes(subject: BackboneSubject) -> None:
    backbone = subject.backbone
    for name in ("d_model", "layers"):
        value = getattr(backbone, name)
        require(isinstance(value, int) and value > 0, f"{name} is {value!r}, not a positive int")
    prefix = backbone.prefix_tokens
    require(isinstance(prefix, int) and prefix >= 0, f"prefix_tokens is {prefix!r}, not an int from 0")
    for name in ("grid", "patch_size"):
        value = getattr(backbone, name)
        ok = isinstance(value, tuple) and value and all(isinstance(n, int) and n > 0 for n in value)
        require(ok, f"{name} is {value!r}, not a tuple of positive ints")
    require(len(backbone.grid) == len(backbone.patch_size), "grid and patch_size have different lengths")
    require(backbone.n_patches == prod(backbone.grid), "n_patches is not the product of grid")
    require(backbone.n_tokens == prefix + backbone.n_patches, "n_tokens is not prefix_tokens + n_patches")


@_checks.add("preprocess takes RGB images of any size")
def _preprocess(subject: BackboneSubject) -> None:
    shapes = set()
    for height, width in ODD_SHAPES:
        prepared = subject.backbone.preprocess(photograph(height, width))
        require(isinstance(prepared, Tensor), f"preprocess() returns a {type(prepared).__name__}, not a tensor")
        require(prepared.dtype == torch.float32, f"preprocess() returns {prepared.dtype}, not float32")
        require(prepared.device.type == "cpu", f"preprocess() returns a tensor on {prepared.device}, not the CPU")
        finite = bool(torch.isfinite(prepared).all())
        require(finite, f"preprocess() of a {height} x {width} image is not finite")
        shapes.add(tuple(prepared.shape))
    require(len(shapes) == 1, f"preprocess() returns shapes that depend on the image: {sorted(shapes)}")
    (shape,) = shapes
    require(len(shape) == 3 and shape[0] == 3, f"preprocess() returns shape {shape}, not [3, h, w]")


@_checks.add("preprocess accepts views and leaves the image as it is")
def _views(subject: BackboneSubject) -> None:
    image = photograph(64, 80)
    view = image[::2, ::-2]
    copy = np.ascontiguousarray(view)
    expected = subject.backbone.preprocess(copy)
    view.flags.writeable = False
    require(torch.equal(subject.backbone.preprocess(view), expected), "preprocess() of a view differs from a copy")
    require(np.array_equal(image, photograph(64, 80)), "preprocess() changes the image that it was given")


@_checks.add("preprocess is safe in several threads")
def _threads(subject: BackboneSubject) -> None:
    images = [photograph(40 + 7 * seed, 60, seed) for seed in range(8)]
    expected = [subject.backbone.preprocess(image).clone() for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(subject.backbone.preprocess, images * 3))
    same = all(torch.equal(a, b) for a, b in zip(found, expected * 3, strict=True))
    require(same, "preprocess() gives other results in threads")


@_checks.add("tokens have the promised shape, type and no gradient")
def _tokens(subject: BackboneSubject) -> None:
    backbone = subject.backbone
    batch = torch.stack([backbone.preprocess(photograph(seed=seed)) for seed in range(2)])
    for layer in {0, backbone.layers - 1, -1, -min(2, backbone.layers)}:
        found = backbone.tokens(batch.clone().requires_grad_(), layer)
        expected = (2, backbone.n_tokens, backbone.d_model)
        require(tuple(found.shape) == expected, f"layer {layer}: shape {tuple(found.shape)} instead of {expected}")
        require(found.dtype == torch.float32, f"layer {layer}: {found.dtype} instead of float32")
        require(not found.requires_grad, f"layer {layer}: tokens carry a gradient")
        require(bool(torch.isfinite(found).all()), f"layer {layer}: tokens are not finite")


@_checks.add("layers count from 0, negative ones from the end")
def _layers(subject: BackboneSubject) -> None:
    image, n = photograph(), subject.backbone.layers
    for negative in (-1, -n):
        a, b = subject.tokens(image, layer=negative), subject.tokens(image, layer=n + negative)
        _require_close(a, b, f"tokens of layers {negative} and {n + negative}")
    if n > 1:
        first, last = subject.tokens(image, layer=0), subject.tokens(image, layer=-1)
        require(relative_difference(first, last) > 1e-6, "the first and the last layer give the same tokens")


@_checks.add("a layer that does not exist is a CytosaeError")
def _layer_range(subject: BackboneSubject) -> None:
    n = subject.backbone.layers
    for layer in (n, -n - 1, 10**6):
        try:
            subject.tokens(photograph(), layer=layer)
        except CytosaeError:
            continue
        raise ConformanceError(f"tokens() accepts layer {layer} though there are {n} blocks")


@_checks.add("the same image gives the same tokens")
def _deterministic(subject: BackboneSubject) -> None:
    image = photograph()
    first = subject.tokens(image, layer=0)
    last = subject.tokens(image, layer=-1)
    _require_close(subject.tokens(image, layer=-1), last, "two readings of the last layer", 1e-6)
    _require_close(subject.tokens(image, layer=0), first, "layer 0 before and after the last layer", 1e-6)


@_checks.add("an image's tokens do not depend on its batch")
def _batches(subject: BackboneSubject) -> None:
    images = [photograph(seed=seed) for seed in range(3)]
    together = subject.tokens(*images, layer=-1)
    for index, image in enumerate(images):
        alone = subject.tokens(image, layer=-1)[0]
        _require_close(together[index], alone, f"tokens of image {index} in a batch and alone")


@_checks.add("different images give different tokens")
def _sees(subject: BackboneSubject) -> None:
    a, b = subject.tokens(photograph(seed=0), photograph(seed=1), layer=-1)
    require(relative_difference(a, b) > 1e-6, "two different images give the same tokens")


@_checks.add("the fingerprint is stable")
def _fingerprint(subject: BackboneSubject) -> None:
    fingerprint, again = subject.backbone.fingerprint, subject.create()
    hexadecimal = isinstance(fingerprint, str) and fingerprint and set(fingerprint) <= set("0123456789abcdef")
    require(hexadecimal, f"the fingerprint {fingerprint!r} is not a hexadecimal string")
    require(again.fingerprint == fingerprint, "creating the backbone again gives another fingerprint")
    batch = subject.backbone.preprocess(photograph())[None]
    a, b = again.tokens(batch, -1).cpu(), subject.backbone.tokens(batch, -1).cpu()
    _require_close(a, b, "tokens of two instances with one fingerprint")


@_checks.add("continue_from agrees between layers, or says that it cannot")
def _continue(subject: BackboneSubject) -> None:
    backbone, image = subject.backbone, photograph()
    layers = sorted({0, backbone.layers // 2, backbone.layers - 1})
    try:
        found = [backbone.continue_from(subject.tokens(image, layer=layer), layer).cpu() for layer in layers]
    except CytosaeError as error:
        raise NotApplicable(str(error)) from error
    require(
        found[0].ndim == 2 and found[0].shape[0] == 1,
        f"continue_from() returns shape {tuple(found[0].shape)}",
    )
    for layer, embedding in zip(layers, found, strict=True):
        _require_close(embedding, found[-1], f"embeddings continued from layers {layer} and {layers[-1]}")
