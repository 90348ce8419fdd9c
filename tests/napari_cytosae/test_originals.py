import shutil

import numpy as np
import pytest

from napari_cytosae._originals import add_folder, box_of, count_found, find_original, known_folders, read_original


@pytest.fixture
def moved(cells_csv, tmp_path):
    """The images, elsewhere."""
    return shutil.copytree(cells_csv.parent, tmp_path / "archive" / "2024")


def test_a_copy_of_an_atlas_has_lost_its_originals_and_shows_its_own_pictures(atlas):
    assert find_original(atlas, 3) is None
    original = read_original(atlas, 3)
    assert original.path is None
    assert np.array_equal(original.pixels, atlas.picture(3))


def test_moved_files_are_found_in_a_folder_that_is_remembered(atlas, moved):
    add_folder(atlas, moved)
    assert known_folders(atlas) == [moved]
    original = read_original(atlas, 3, known_folders(atlas))
    assert original.path == moved / "03.png"
    assert original.pixels.shape == (32, 32, 3)
    assert count_found(atlas, [moved], [0, 1, 2]) == 3


def test_another_file_of_that_name_is_not_taken(atlas, moved):
    shutil.copy(moved / "04.png", moved / "03.png")
    assert find_original(atlas, 3, [moved]) is None
    assert find_original(atlas, 4, [moved]) is not None


def test_the_latest_folder_is_first_and_none_is_kept_twice(atlas, tmp_path):
    for name in ("a", "b", "a"):
        add_folder(atlas, tmp_path / name)
    assert known_folders(atlas) == [tmp_path / "a", tmp_path / "b"]


def test_boxes(atlas):
    assert box_of(atlas, 0) is None
    atlas.images[["x0", "y0", "x1", "y1"]] = [1.0, 2.0, 3.0, np.nan]
    assert box_of(atlas, 0) is None
    atlas.images["y1"] = 4.0
    assert box_of(atlas, 0) == (1, 2, 3, 4)
