from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cytosae_toolkit.demo import generate_field
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import read_images
from cytosae_toolkit.images.cell_folder import CropOptions, check_out, list_fields, write_cells


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fields with white cells and one without, in a folder."""
    folder = tmp_path_factory.mktemp("fields")
    for seed, n in ((0, 4), (1, 4), (3, 0)):
        image = generate_field(np.random.default_rng(seed), n_white_cells=n, scale=5.0).image
        Image.fromarray(image).save(folder / f"field{seed}.png")
    return folder


def test_the_table_is_read_by_every_command(fields: Path, tmp_path: Path) -> None:
    found = write_cells([fields], tmp_path / "cells")
    table = read_images(tmp_path / "cells" / "cells.csv")
    assert len(table) == found.n_cells >= 7
    assert sorted(path.name for path in (tmp_path / "cells").iterdir()) == ["cells.csv", "crops", "overviews"]
    assert len({table.path(i) for i in range(len(table))}) == len(table)
    assert list(table.frame["group"]) == list(table.ids)
    assert [field.path.name for field in found.fields] == ["field0.png", "field1.png", "field3.png"]


def test_crops_are_cut_from_their_fields(fields: Path, tmp_path: Path) -> None:
    write_cells([fields / "field0.png"], tmp_path / "cells")
    table = read_images(tmp_path / "cells" / "cells.csv")
    row = table.frame.iloc[0]
    field = np.asarray(Image.open(row["field"]))
    x0, y0, x1, y1 = (int(row[f"field_{name}"]) for name in ("x0", "y0", "x1", "y1"))
    np.testing.assert_array_equal(table.read(0), field[y0:y1, x0:x1])
    assert x1 - x0 == y1 - y0
    assert 0 < float(row["nuclear_area_px"]) < float(row["cell_area_px"]) < (x1 - x0) ** 2


def test_the_overview_shows_the_field_with_boxes(fields: Path, tmp_path: Path) -> None:
    write_cells([fields / "field0.png"], tmp_path / "cells")
    drawn = np.asarray(Image.open(tmp_path / "cells" / "overviews" / "field0.png"))
    plain = np.asarray(Image.open(fields / "field0.png"))
    assert drawn.shape == plain.shape
    assert 0.001 < (drawn != plain).any(axis=2).mean() < 0.2


def test_a_share_sets_one_side_for_all_crops(fields: Path, tmp_path: Path) -> None:
    write_cells([fields / "field0.png"], tmp_path / "wide", CropOptions(cell_share=0.1))
    write_cells([fields / "field0.png"], tmp_path / "narrow", CropOptions(cell_share=0.4))
    wide, narrow = (pd.read_csv(tmp_path / name / "cells.csv") for name in ("wide", "narrow"))
    sides = wide["field_x1"] - wide["field_x0"], narrow["field_x1"] - narrow["field_x0"]
    assert sides[0].nunique() == sides[1].nunique() == 1
    assert sides[0][0] == pytest.approx(2 * sides[1][0], abs=2)
    assert wide["cell_area_px"].median() / sides[0][0] ** 2 == pytest.approx(0.1, rel=0.05)


def test_margin_and_scale_change_the_result(fields: Path, tmp_path: Path) -> None:
    def sides(name: str, options: CropOptions) -> pd.Series:
        write_cells([fields / "field0.png"], tmp_path / name, options)
        table = pd.read_csv(tmp_path / name / "cells.csv")
        return table["field_x1"] - table["field_x0"]

    tight, loose = sides("tight", CropOptions(margin=0.0)), sides("loose", CropOptions(margin=1.0))
    assert (loose > 2 * tight).all()
    write_cells([fields / "field0.png"], tmp_path / "given", CropOptions(red_cell_diameter=40))
    assert set(pd.read_csv(tmp_path / "given" / "cells.csv")["red_cell_px"]) == {40.0}
    write_cells([fields / "field0.png"], tmp_path / "size", CropOptions(pixel_size=0.2))
    assert set(pd.read_csv(tmp_path / "size" / "cells.csv")["red_cell_px"]) == {37.5}


def test_cells_that_the_border_cuts_are_kept_on_request(fields: Path, tmp_path: Path) -> None:
    whole = write_cells([fields / "field0.png"], tmp_path / "whole").fields[0].cells[0]
    image = np.asarray(Image.open(fields / "field0.png"))[: int(whole.centre[1])]
    Image.fromarray(image).save(tmp_path / "cut.png")
    with pytest.raises(CytosaeError, match="the border cuts. Keep those with --keep-border"):
        write_cells([tmp_path / "cut.png"], tmp_path / "out")
    kept = write_cells([tmp_path / "cut.png"], tmp_path / "kept", CropOptions(keep_border=True))
    assert kept.n_cells >= 1 and not kept.fields[0].cut
    assert pd.read_csv(tmp_path / "kept" / "cells.csv")["touches_border"].all()


def test_fields_of_one_name_and_unreadable_ones(fields: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "field0.png").write_bytes((fields / "field0.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = write_cells([fields / "field0.png", tmp_path / "other", tmp_path / "broken.png"], tmp_path / "cells")
    assert [field.name for field in found.fields] == ["field0", "field0-2"]
    assert [Path(item.path).name for item in found.skipped] == ["broken.png"]
    assert len(read_images(tmp_path / "cells" / "cells.csv")) == found.n_cells


def test_nothing_is_written_where_nothing_is_found(fields: Path, tmp_path: Path) -> None:
    with pytest.raises(CytosaeError, match=r"No white cell was found in 1 field\..*--red-cell-diameter"):
        write_cells([fields / "field3.png"], tmp_path / "cells")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(CytosaeError, match="The field cannot be read"):
        write_cells([tmp_path / "broken.png"], tmp_path / "cells")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.png"]


def test_what_exists_is_replaced_only_if_it_is_ours_and_on_request(fields: Path, tmp_path: Path) -> None:
    source = [fields / "field0.png"]
    write_cells(source, tmp_path / "cells")
    with pytest.raises(CytosaeError, match="--force"):
        write_cells(source, tmp_path / "cells")
    assert write_cells(source, tmp_path / "cells", force=True).n_cells > 0
    (tmp_path / "cells" / "notes.txt").write_text("mine")
    with pytest.raises(CytosaeError, match="other things"):
        check_out(tmp_path / "cells", force=True)


def test_fields_are_listed_once(fields: Path, tmp_path: Path) -> None:
    assert len(list_fields([fields, fields / "field0.png"])) == 3
    with pytest.raises(CytosaeError, match="does not exist"):
        list_fields([tmp_path / "missing.png"])
