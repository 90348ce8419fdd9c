"""Image tables: they keep what they are told, and their ids follow the content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import ImageTable, UnreadableImage, read_images


def paint(file: Path, value: int, size: int = 8) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(value).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(picture).save(file)
    return file


@pytest.fixture
def images(tmp_path: Path) -> ImageTable:
    for number, name in enumerate(["a.png", "b.png", "c.png"]):
        paint(tmp_path / "in" / name, number)
    table = tmp_path / "in" / "t.csv"
    table.write_text(
        "path,mask,x0,y0,x1,y1,label,group\na.png,b.png,1,2,5,8,neutrophil,g\nb.png,,,,,,NA,\nc.png,,,,,,,\n"
    )
    return read_images(table)


def test_columns_boxes_and_pixels(images: ImageTable) -> None:
    assert len(images) == 3
    assert images.frame["label"].tolist() == ["neutrophil", "NA", None]
    assert [images.box(i) for i in range(3)] == [(1, 2, 5, 8), None, None]
    assert images.path(0).is_absolute() and images.mask_path(0) == images.path(1)
    assert images.mask_path(1) is None
    assert images.read(0).shape == (6, 4, 3) and images.read(1).shape == (8, 8, 3)
    np.testing.assert_array_equal(images.read(0), np.asarray(Image.open(images.path(0)))[2:8, 1:5])


def test_groups_fall_back_to_ids(images: ImageTable) -> None:
    assert images.groups().tolist() == ["g", *images.ids[1:]]
    assert images.with_groups(["x", "x", "y"]).groups().tolist() == ["x", "x", "y"]
    assert images.groups()[0] == "g"
    with pytest.raises(CytosaeError, match="2 groups for 3 images"):
        images.with_groups(["x", "y"])


def test_subsets_by_number_and_by_truth(images: ImageTable) -> None:
    assert images.subset([2, 0]).ids.tolist() == [images.ids[2], images.ids[0]]
    assert images.subset(np.array([True, False, True])).ids.tolist() == [images.ids[0], images.ids[2]]
    assert images.subset([2]).content_key(0) == images.content_key(2)


def test_content_keys_know_file_and_box_but_no_name(images: ImageTable, tmp_path: Path) -> None:
    copy = tmp_path / "other name.png"
    copy.write_bytes(images.path(1).read_bytes())
    assert read_images(copy).content_key(0) == images.content_key(1) == images.ids[1]
    (tmp_path / "named.csv").write_text("path,id\nother name.png,mine\n")
    named = read_images(tmp_path / "named.csv")
    assert named.ids.tolist() == ["mine"]
    assert named.content_key(0) == images.ids[1] and named.content_keys() == [images.ids[1]]
    whole = read_images(images.path(0))
    assert whole.ids[0] != images.ids[0]  # the same file, but a box of it


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize("folder", ["in", "elsewhere", "."])
def test_a_saved_table_resolves_from_its_new_place(
    images: ImageTable, tmp_path: Path, suffix: str, folder: str
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    file = tmp_path / folder / f"saved.{suffix}"
    images.save(file)
    again = read_images(file)
    assert again.ids.tolist() == images.ids.tolist()
    assert [again.path(i) for i in range(3)] == [images.path(i) for i in range(3)]
    assert again.mask_path(0) == images.mask_path(0)
    assert [again.box(i) for i in range(3)] == [images.box(i) for i in range(3)]
    assert again.frame["label"].tolist() == images.frame["label"].tolist()
    assert Path(again.frame["path"][0]).is_absolute() == (folder == "elsewhere")


def test_saving_somewhere_impossible(images: ImageTable, tmp_path: Path) -> None:
    for file in ("t.xlsx", "absent/t.csv"):
        with pytest.raises(CytosaeError):
            images.save(tmp_path / file)


def test_description_names_what_is_there(images: ImageTable) -> None:
    text = images.describe()
    assert "3 images" in text and "label: 2 (NA 1, neutrophil 1), none for 1" in text
    assert "3 images" in repr(images)


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("text")
    with pytest.raises(UnreadableImage, match=r"x\.png"):
        read_images(tmp_path / "x.png").read(0)
