"""The five published sets, as small trees in exactly their shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import LAYOUTS, read_images

TREES = {
    "mll23": {
        "basophil/19-6574.PAP.PB~E.1-1.TIF": {"label": "basophil"},
        "neutrophil_band/19-6574.PAP.PB~E.1-2.TIF": {"label": "neutrophil_band"},
        "promyelocyte_atypical/19-1.TIF": {"label": "promyelocyte_atypical"},
    },
    "acevedo": {
        "basophil/BA_47.jpg": {"label": "basophil"},
        "ig/IG_1.jpg": {"label": "ig"},
        "ig/MMY_1.jpg": {"label": "metamyelocyte"},
        "ig/MY_1.jpg": {"label": "myelocyte"},
        "ig/PMY_1.jpg": {"label": "promyelocyte"},
        "neutrophil/BNE_1.jpg": {"label": "neutrophil_band"},
        "neutrophil/NEUTROPHIL_1.jpg": {"label": "neutrophil"},
        "neutrophil/SNE_1.jpg": {"label": "neutrophil_segmented"},
        "platelet/PLATELET_1.jpg": {"label": "platelet"},
    },
    "matek19": {"BAS/BAS_0001.tiff": {"label": "BAS"}, "PMO/PMO_0001.tiff": {"label": "PMO"}},
    "bmc": {
        "ABE/ABE_00001.jpg": {"label": "ABE"},
        "ART/0001-1000/ART_00001.jpg": {"label": "ART"},
        "ART/1001-2000/ART_01001.jpg": {"label": "ART"},
    },
    "aml-hehr": {
        "NPM1/ABF/image_0.tif": {"disease": "NPM1", "patient": "ABF"},
        "NPM1/ABF/image_1.tif": {"disease": "NPM1", "patient": "ABF"},
        "control/AEC/image_0.tif": {"disease": "control", "patient": "AEC"},
    },
}


def plant(root: Path, files: list[str]) -> Path:
    for number, file in enumerate(files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(root / file)
    return root


@pytest.mark.parametrize("wrapper", ["", "data/data", "PKG - archive_v1"])
@pytest.mark.parametrize("name", TREES)
def test_published_trees(tmp_path: Path, name: str, wrapper: str) -> None:
    plant(tmp_path / wrapper, list(TREES[name]))
    (tmp_path / "annotations.dat").write_text("no image")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "x.jpg").write_text("no image")
    images = read_images(f"{name}:{tmp_path}")
    found = images.frame.set_index("path")
    assert sorted(found.index) == sorted(str(Path(wrapper) / file) for file in TREES[name])
    for file, columns in TREES[name].items():
        row = found.loc[str(Path(wrapper) / file)]
        assert {column: row[column] for column in columns} == columns
        assert row["dataset"] == name
    assert ("label" in found.columns) == (name != "aml-hehr")


def test_every_layout_is_tested() -> None:
    assert set(TREES) == set(LAYOUTS)


def test_augmented_copies_are_listed_as_skipped(tmp_path: Path) -> None:
    plant(tmp_path, ["BAS/a.tiff", "augmented/BAS/b.tiff"])
    images = read_images(f"matek19:{tmp_path}")
    assert len(images) == 1 and images.skipped[0].path == "augmented/BAS/b.tiff"
    with pytest.raises(CytosaeError, match="augmented"):
        read_images(f"matek19:{tmp_path}", strict=True)


def test_another_tree_is_refused_with_the_expected_shape(tmp_path: Path) -> None:
    plant(tmp_path, ["cats/a.png", "dogs/b.png"])
    for name, layout in LAYOUTS.items():
        with pytest.raises(CytosaeError, match="does not look like") as raised:
            read_images(f"{name}:{tmp_path}")
        assert layout.expected in str(raised.value)


def test_unknown_layouts_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(CytosaeError, match=r"mll32.*Did you mean mll23"):
        read_images(f"mll32:{tmp_path}")
    with pytest.raises(CytosaeError, match="does not exist"):
        read_images(f"mll23:{tmp_path}/absent")
    with pytest.raises(CytosaeError, match=r"C:\\cells does not exist"):
        read_images("C:\\cells")


def test_labels_match_the_published_class_lists(shared_data: Path) -> None:
    lists = {"mll23": "mll23", "matek19": "matek", "bmc": "bmc"}
    for name, stem in lists.items():
        file = shared_data / "data/cytosae_feature_data" / f"{stem}_classnames.txt"
        assert LAYOUTS[name].labels == set(file.read_text().split())
    acevedo = (shared_data / "data/cytosae_feature_data/acevedo_classnames.txt").read_text()
    assert LAYOUTS["acevedo"].labels == set(acevedo.replace("lympocyte", "lymphocyte").split())
