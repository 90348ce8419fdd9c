"""Cells of a table: text stays text, boxes are whole numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cytosae_toolkit.images.tablefile import cells, read_table, row_boxes, rows_phrase


def test_text_is_stripped_and_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('path , patient,label\n"a;b.png",007, NA \nc.png,,None\n')
    frame = read_table(tmp_path / "t.csv")
    assert cells(frame, "path") == ["a;b.png", "c.png"]
    assert cells(frame, "patient") == ["007", None] and cells(frame, "label") == ["NA", "None"]


def test_boxes_of_csv_and_parquet_agree(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"path": ["a", "b"], "x0": [1.0, None], "y0": [2.0, None], "x1": [3.0, None], "y1": [4.0, None]}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert row_boxes(read_table(tmp_path / name)) == [(1, 2, 3, 4), None]


def test_rows_are_counted_from_one() -> None:
    assert rows_phrase([0]) == "data row 1"
    assert rows_phrase(list(range(7))) == "data rows 1, 2, 3, 4, 5 and 2 more"
