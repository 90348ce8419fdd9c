"""What is looked at: image tables, layouts of published sets, decoding, near-duplicates, splits."""

from cytosae_toolkit.images.checking import check
from cytosae_toolkit.images.decode import MAX_PIXELS, Box, UnreadableImage, decode, image_size
from cytosae_toolkit.images.duplicates import near_duplicate_groups
from cytosae_toolkit.images.layouts import LAYOUTS, Layout
from cytosae_toolkit.images.parallel import map_threads
from cytosae_toolkit.images.pixels import RGB
from cytosae_toolkit.images.reading import read_images
from cytosae_toolkit.images.splits import Split, holdout, split_units
from cytosae_toolkit.images.table import ImageTable, Skipped

__all__ = [
    "Box",
    "ImageTable",
    "LAYOUTS",
    "Layout",
    "MAX_PIXELS",
    "RGB",
    "Skipped",
    "Split",
    "UnreadableImage",
    "check",
    "decode",
    "holdout",
    "image_size",
    "map_threads",
    "near_duplicate_groups",
    "read_images",
    "split_units",
]
