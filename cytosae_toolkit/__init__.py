"""Sparse autoencoders for hematology foundation models: train, browse, name and count morphological concepts.

The public names below are imported when first used, so that ``import cytosae_toolkit`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.building import add_images, build_atlas
    from cytosae_toolkit.atlas.reading import Atlas, open_atlas
    from cytosae_toolkit.cohort.barcodes import barcodes
    from cytosae_toolkit.cohort.cohort import open_cohort, save_cohort
    from cytosae_toolkit.errors import CytosaeError
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.images import ImageTable, read_images
    from cytosae_toolkit.plugins import create_aggregator, create_backbone, create_sae
    from cytosae_toolkit.tokens import TokenStore
    from cytosae_toolkit.training import Run, TrainConfig, load_run, train

    __version__: str

__all__ = [
    "Atlas",
    "CytosaeError",
    "Explorer",
    "ImageTable",
    "Run",
    "TokenStore",
    "TrainConfig",
    "__version__",
    "add_images",
    "barcodes",
    "build_atlas",
    "create_aggregator",
    "create_backbone",
    "create_sae",
    "load_run",
    "open_atlas",
    "open_cohort",
    "read_images",
    "save_cohort",
    "train",
]

_HOMES = {
    "Atlas": "cytosae_toolkit.atlas.reading",
    "Explorer": "cytosae_toolkit.explore",
    "add_images": "cytosae_toolkit.atlas.building",
    "barcodes": "cytosae_toolkit.cohort.barcodes",
    "build_atlas": "cytosae_toolkit.atlas.building",
    "open_atlas": "cytosae_toolkit.atlas.reading",
    "open_cohort": "cytosae_toolkit.cohort.cohort",
    "save_cohort": "cytosae_toolkit.cohort.cohort",
    "CytosaeError": "cytosae_toolkit.errors",
    "ImageTable": "cytosae_toolkit.images",
    "Run": "cytosae_toolkit.training",
    "TokenStore": "cytosae_toolkit.tokens",
    "TrainConfig": "cytosae_toolkit.training",
    "create_aggregator": "cytosae_toolkit.plugins",
    "create_backbone": "cytosae_toolkit.plugins",
    "create_sae": "cytosae_toolkit.plugins",
    "load_run": "cytosae_toolkit.training",
    "read_images": "cytosae_toolkit.images",
    "train": "cytosae_toolkit.training",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("cytosae-toolkit")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
