"""The five published image sets, as they lie on disk after unpacking.

Each layout says which columns a file gets from the names of its folders. Only the innermost folders are read,
so the archive's own top folders (``data/data``, ``PKG - …``) may be there or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from cytosae_toolkit.errors import CytosaeError, nearest

Columns = dict[str, str]
"""Column name to value, of one image."""


@dataclass(frozen=True)
class Layout:
    """How a published image set lies on disk.

    Attributes
    ----------
    name : str
        What stands before the colon in ``name:folder``.
    title : str
        The set, as its authors call it.
    expected : str
        The shape of its tree, for messages.
    columns : callable
        Relative path of an image to its columns, or ``None`` where the path does not have this shape.
    labels : frozenset of str
        The labels that may come out; empty where folders are not fixed. A tree without any is another set.
    """

    name: str
    title: str
    expected: str
    columns: Callable[[PurePosixPath], Columns | None]
    labels: frozenset[str] = frozenset()


def _class_folder(path: PurePosixPath) -> Columns | None:
    """Label = the folder that holds the file; augmented copies are not part of the set."""
    if len(path.parts) < 2 or "augmented" in path.parts[:-1]:
        return None
    return {"label": path.parts[-2]}


_ACEVEDO_PREFIXES = {
    ("ig", "MMY"): "metamyelocyte",
    ("ig", "MY"): "myelocyte",
    ("ig", "PMY"): "promyelocyte",
    ("neutrophil", "BNE"): "neutrophil_band",
    ("neutrophil", "SNE"): "neutrophil_segmented",
}


def _acevedo(path: PurePosixPath) -> Columns | None:
    """Label = class by file prefix within `ig` and `neutrophil`, else the folder."""
    if len(path.parts) < 2:
        return None
    folder = path.parts[-2]
    prefix = path.name.partition("_")[0].upper()
    return {"label": _ACEVEDO_PREFIXES.get((folder, prefix), folder)}


_RANGE = re.compile(r"\d+-\d+")


def _bmc(path: PurePosixPath) -> Columns | None:
    """Label = the class folder, above sub-folders such as ``0001-1000``."""
    folders = [part for part in path.parts[:-1] if not _RANGE.fullmatch(part)]
    return {"label": folders[-1]} if folders else None


def _aml_hehr(path: PurePosixPath) -> Columns | None:
    """Disease and patient = the two folders above ``image_*``; single cells carry no label."""
    if len(path.parts) < 3 or not path.name.lower().startswith("image_"):
        return None
    return {"disease": path.parts[-3], "patient": path.parts[-2]}


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            "mll23",
            "MLL23, peripheral blood",
            "<class>/*.TIF in 18 class folders (basophil, eosinophil, … smudge_cell)",
            _class_folder,
            _names(
                "basophil eosinophil hairy_cell lymphocyte lymphocyte_large_granular lymphocyte_neoplastic "
                "lymphocyte_reactive metamyelocyte monocyte myeloblast myelocyte neutrophil_band "
                "neutrophil_segmented normoblast plasma_cell promyelocyte promyelocyte_atypical "
                "smudge_cell"
            ),
        ),
        Layout(
            "acevedo",
            "PBC_dataset_normal_DIB (Acevedo et al. 2020)",
            "<class>/<PREFIX>_*.jpg in 8 class folders (basophil, eosinophil, erythroblast, ig, …)",
            _acevedo,
            _names(
                "basophil eosinophil erythroblast ig lymphocyte metamyelocyte monocyte myelocyte neutrophil "
                "neutrophil_band neutrophil_segmented platelet promyelocyte"
            ),
        ),
        Layout(
            "matek19",
            "AML-Cytomorphology_LMU (Matek et al. 2019)",
            "<class>/*.tiff in 15 class folders (BAS, EBO, … PMO)",
            _class_folder,
            _names("BAS EBO EOS KSC LYA LYT MMZ MOB MON MYB MYO NGB NGS PMB PMO"),
        ),
        Layout(
            "bmc",
            "Bone-Marrow-Cytomorphology (Matek et al. 2021)",
            "<class>/<range>/*.jpg in 21 class folders (ABE, ART, … PMO) with sub-folders such as 0001-1000",
            _bmc,
            _names("ABE ART BAS BLA EBO EOS FGC HAC KSC LYI LYT MMZ MON MYB NGB NGS NIF OTH PEB PLM PMO"),
        ),
        Layout(
            "aml-hehr",
            "AML-Cytomorphology_MLL_Helmholtz (Hehr et al. 2023)",
            "<disease>/<patient>/image_*.tif",
            _aml_hehr,
        ),
    )
}
"""The layouts by name."""


def get_layout(name: str) -> Layout:
    """Return a layout by name.

    Raises
    ------
    CytosaeError
        There is none of this name; the nearest are offered.
    """
    if name not in LAYOUTS:
        raise CytosaeError(f"There is no image layout {name!r}.", nearest(name.lower(), tuple(LAYOUTS)))
    return LAYOUTS[name]


def apply_layout(layout: Layout, paths: list[PurePosixPath], folder: str) -> list[Columns | None]:
    """Return the columns of every image, ``None`` for those that lie elsewhere.

    Parameters
    ----------
    layout : Layout
        The shape to read.
    paths : list of PurePosixPath
        Image files relative to the folder.
    folder : str
        The folder, for the message.

    Raises
    ------
    CytosaeError
        Nothing in the folder has this shape.
    """
    columns = [layout.columns(path) for path in paths]
    labels = {found["label"] for found in columns if found and "label" in found}
    if not any(columns) or (layout.labels and not labels & layout.labels):
        raise CytosaeError(
            f"The folder {folder} does not look like {layout.name}, {layout.title}.",
            f"Expected {layout.expected}; without `{layout.name}:` the folder is taken as class folders.",
        )
    return [None if found is None else {**found, "dataset": layout.name} for found in columns]
