"""`metrics.csv`: one row per logged step, whole at any moment, cut back when training resumes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from cytosae_toolkit.files import write_text

BEFORE_TERMS = ("step", "tokens", "loss")
AFTER_TERMS = ("fvu", "l0", "dead_share", "lr", "tokens_per_second")
"""Columns of every row; the loss terms of the SAE variant stand between them."""


def term_column(name: str) -> str:
    """Return the column of a loss term: its name, unless that is taken."""
    return f"loss_{name}" if name in (*BEFORE_TERMS, *AFTER_TERMS) else name


class MetricsLog:
    """The table of metrics of a run.

    Parameters
    ----------
    path : Path
        The CSV file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float | str]] = []

    def restore(self, step: int) -> None:
        """Read the rows up to a step; later ones were written by work that was lost."""
        self.rows = []
        if self.path.is_file():
            with self.path.open(encoding="utf-8", newline="") as handle:
                self.rows = [dict(row) for row in csv.DictReader(handle) if int(row["step"]) <= step]

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row and write the file anew; loss terms that come up later get their own column."""
        self.rows.append(dict(row))
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, buffer.getvalue())
