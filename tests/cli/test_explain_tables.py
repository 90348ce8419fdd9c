from __future__ import annotations

import pandas as pd

from cytosae_toolkit.cli.explain_tables import LEGEND, footnote, print_table


def test_only_the_columns_that_are_shown_are_explained():
    assert footnote(["mean", "label"]) == f"mean: {LEGEND['mean']}"


def test_checksums_are_short_and_files_are_named(capsys):
    table = pd.DataFrame({"similarity": [0.5], "file": ["a.png"], "id": ["9b3e7b5569a3fadbb8eaf62210ddfb6b"]})
    print_table(table)
    shown = capsys.readouterr().out
    assert "a.png" in shown
    assert "9b3e7b55…" in shown
    assert "similarity: 0 to 1" in shown
