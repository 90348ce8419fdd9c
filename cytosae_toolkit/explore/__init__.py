"""One image interactively, without a screen: heat maps, top latents of a patch, contrast of regions, similar images.

==============  ====================================================================================
`explorer`      the session: load an image once, then ask
`reading`       images through the backbone and the SAE of a run
`image`         a loaded image: its tokens, its codes, its patches
`codes`         the latents of one image, kept sparse
`regions`       which latents tell one region from another
`similar`       images of an atlas that share latents with an image or a region
`windows`       heat maps over large fields, from sliding windows
`request`       what is asked of an image, checked before anything slow
`field_cells`   the cells of a field, numbered, and the one that is meant
`box_summary`   the latents of several boxes of a field, gathered
`fields`        a field explained: by the cells found in it, or by windows
`scene`         a picture as it was read, in parts: what a patch or a region holds
`heat`          heat maps over a picture, put together from those of its parts
`analysing`     reading a picture: as a cell, by its cells, by boxes, by windows
`explanation`   an explanation as tables, heat maps and figures in a folder
==============  ====================================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.explore.image import LoadedImage

__all__ = ["Explorer", "LoadedImage"]

_HOMES = {"Explorer": "explorer", "LoadedImage": "image"}


def __getattr__(name: str) -> Any:
    # a viewer's menus import this package: that must not import torch
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
