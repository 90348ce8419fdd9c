"""What may stand for IMAGES, and every way in which it may be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import read_images


def paint(file: Path, value: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 6, 3), value, np.uint8)).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "cells"
    for number, name in enumerate(["b/2.png", "b/sub/1.JPG", "a/3.tiff", "a/.hidden.png", ".git/x.png"]):
        paint(root / name, number)
    (root / "notes.txt").write_text("no image")
    return root


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_class_folders_in_posix_order(folder: Path) -> None:
    images = read_images(folder)
    assert images.frame["path"].tolist() == ["a/3.tiff", "b/2.png", "b/sub/1.JPG"]
    assert images.frame["label"].tolist() == ["a", "b", "b"]
    assert images.n_ignored == 1 and "ignored: 1" in images.describe()


def test_flat_and_wrapped_folders(folder: Path, tmp_path: Path) -> None:
    assert "label" not in read_images(folder / "b" / "sub").frame.columns
    (tmp_path / "set").mkdir()
    folder.rename(tmp_path / "set" / "images")
    paint(tmp_path / "set" / "masks" / "a" / "3.png", 200)
    images = read_images(tmp_path / "set")
    assert images.frame["label"].tolist() == ["a", "b", "b"] and images.n_ignored == 2


def test_one_content_is_one_image(folder: Path) -> None:
    (folder / "c").mkdir()
    (folder / "c" / "again.png").write_bytes((folder / "b" / "2.png").read_bytes())
    images = read_images(folder)
    assert len(images) == 3
    assert images.skipped[0].path == "c/again.png"
    assert images.skipped[0].reason == "it has the same content as b/2.png, but is labelled c instead of b"
    with pytest.raises(CytosaeError, match="same content"):
        read_images(folder, strict=True)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_delimiters_and_byte_order_marks(folder: Path, mark: str, bom: str) -> None:
    text = bom + "path,label,id,extra\nb/2.png,x,1,e\na/3.tiff,y,2,f\n".replace(",", mark)
    images = read_images(table(folder, text))
    assert images.frame["path"].tolist() == ["b/2.png", "a/3.tiff"]
    assert images.ids.tolist() == ["1", "2"] and images.frame["extra"].tolist() == ["e", "f"]


def test_parquet_and_mapped_columns(folder: Path) -> None:
    frame = pd.DataFrame({"file": ["b/2.png", "a/3.tiff"], "patient": [7.0, None], "path": ["-", "-"]})
    frame.to_parquet(folder / "t.parquet")
    images = read_images(folder / "t.parquet", map={"path": "file"})
    assert images.frame["patient"].tolist() == ["7", None]
    with pytest.raises(CytosaeError, match=r"no column `fiel`.*Did you mean file"):
        read_images(folder / "t.parquet", map={"path": "fiel"})
    with pytest.raises(CytosaeError, match=r"unknown column `pth`.*Did you mean path"):
        read_images(folder / "t.parquet", map={"pth": "file"})
    with pytest.raises(CytosaeError, match="--map"):
        read_images(folder, map={"path": "file"})


def test_absolute_and_windows_paths(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    text = f"path\n{folder}/b/2.png\n"
    assert read_images(table(tmp_path / "other", text)).path(0) == folder / "b" / "2.png"
    assert read_images(table(folder, "path\nb\\sub\\1.JPG\n")).path(0).is_file()


def test_paths_that_leave_the_folder(folder: Path, tmp_path: Path) -> None:
    paint(tmp_path / "secret.png", 9)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "linked").symlink_to(tmp_path)
    for path in ("../secret.png", "b/../../secret.png", "link.png", "linked/secret.png"):
        file = table(folder, f"path\nb/2.png\n{path}\n")
        with pytest.raises(CytosaeError, match=r"data row 2, which leaves"):
            read_images(file)
        assert len(read_images(file, allow_outside=True)) == 2
    assert len(read_images(table(folder, "path\nb/../a/3.tiff\n"))) == 1
    with pytest.raises(CytosaeError, match="leaves its folder"):
        read_images(folder)
    assert "link.png" in read_images(folder, allow_outside=True).frame["path"].tolist()


BAD_TABLES = {
    "file,label\nb/2.png,x\n": r"no column `path`.*file, label.*--map",
    "path\n": "has no rows",
    "": "is empty",
    "path,label\nb/2.png,x\n,y\n ,z\n": "empty `path` in data rows 2, 3",
    "path\nb/2.png\nno.png\nnot.png\n": r"names 2 of 3 files that do not exist \(no.png, not.png; data",
    "path,id\nb/2.png,1\na/3.tiff,1\n": r"1 duplicate ids \(1\)",
    "path,id\nb/2.png,\n": "empty `id`",
    "path,x0,y0\nb/2.png,1,2\n": "x0, y0 only",
    "path,x0,y0,x1,y1\nb/2.png,1,2,3,\n": "incomplete box in data row 1",
    "path,x0,y0,x1,y1\nb/2.png,1,2,3.5,4\n": "x1 = '3.5' in data row 1",
    "path,x0,y0,x1,y1\nb/2.png,1,2,nan,4\n": "x1 = 'nan'",
    "path,x0,y0,x1,y1\nb/2.png,1,2,inf,4\n": "x1 = 'inf'",
    "path,x0,y0,x1,y1\nb/2.png,0,0,7,6\n": r"data row 1, 2.png: the box 0 0 7 6 leaves the image of 6 x 6",
    "path,x0,y0,x1,y1\nb/2.png,3,0,3,6\n": "is empty",
    "path,mask\nb/2.png,none.png\n": "do not exist",
    'path,label\n"b/2.png,x\n': "damaged",
}


@pytest.mark.parametrize("text", BAD_TABLES)
def test_bad_tables_are_a_sentence(folder: Path, text: str) -> None:
    with pytest.raises(CytosaeError, match=BAD_TABLES[text]) as raised:
        read_images(table(folder, text))
    assert "t.csv" in str(raised.value)


def test_files_that_are_no_tables(folder: Path) -> None:
    (folder / "t.csv").write_bytes(b"path\n\xff\xfe\xff.png\n")
    (folder / "t.parquet").write_bytes(b"PAR1 or not")
    for name, reason in {"t.csv": "UTF-8", "t.parquet": "Parquet"}.items():
        with pytest.raises(CytosaeError, match=reason):
            read_images(folder / name)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(CytosaeError, match="does not exist"):
        read_images(tmp_path / "absent")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(CytosaeError, match=r"contains no images \(1 other files"):
        read_images(tmp_path)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(4)))
def test_ids_do_not_depend_on_the_order(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    root = tmp_path_factory.mktemp("ids")
    for number in range(4):
        paint(root / f"{number}.png", number)
    ids = dict(zip(range(4), read_images(root).ids, strict=True))
    rows = "".join(f"{number}.png\n" for number in order)
    assert read_images(table(root, "path\n" + rows)).ids.tolist() == [ids[number] for number in order]
