"""The folder of a comparison: numbers, tables, figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cytosae_toolkit.cohort.comparison import FORMAT, Comparison
from cytosae_toolkit.cohort.comparison_references import TopReferences, reference_table
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder, read_json, write_json

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

RECORD_FILE = "comparison.json"


def check_comparison_folder(out: Path, *, force: bool = False) -> None:
    """Refuse a folder that exists, but for a comparison that is to be replaced.

    Raises
    ------
    CytosaeError
        If it exists and `force` is not given, or it is no comparison.
    """
    if not out.exists():
        return
    record = read_json(out / RECORD_FILE) if (out / RECORD_FILE).is_file() else None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CytosaeError(f"{out} exists and is not a comparison.", "Choose another --out.")
    if not force:
        raise CytosaeError(f"The comparison {out} exists.", "Choose another --out, or replace it with --force.")


def write_comparison(
    comparison: Comparison,
    out: str | Path,
    *,
    atlas: Atlas | None = None,
    references: TopReferences | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a comparison as a folder, which appears when it is whole.

    Parameters
    ----------
    comparison : Comparison
        What was compared.
    out : str or Path
        A new folder.
    atlas : Atlas, optional
        Where the references lie.
    references : TopReferences, optional
        Of the top latents; needs `atlas`.
    force : bool
        Replace `out`, if it is a comparison.

    Returns
    -------
    list of Path
        ``comparison.json``, ``latents.csv``, ``top.csv``, ``scatter.png`` with its numbers; ``volcano.png`` with its
        numbers, if there are p-values; ``references.png`` and ``references.csv``, if there are references.

    Raises
    ------
    CytosaeError
        If the folder exists or cannot be written.
    """
    out = Path(out)
    check_comparison_folder(out, force=force)
    with atomic_folder(out, replace=force) as folder:
        record = comparison.to_dict()
        if atlas is not None and references is not None:
            record["references"] = {"atlas": str(atlas.path), "problem": references.problem}
        write_json(folder / RECORD_FILE, record)
        _write_csv(comparison.table, folder / "latents.csv")
        _write_csv(pd.concat([comparison.top(comparison.a), comparison.top(comparison.b)]), folder / "top.csv")
        _write_figures(comparison, folder, atlas, references)
        names = sorted(path.name for path in folder.iterdir())
    return [out / name for name in names]


def _write_figures(comparison: Comparison, folder: Path, atlas: Atlas | None, references: TopReferences | None) -> None:
    from cytosae_toolkit.figures.comparison import barcode_scatter, figure_numbers, reference_figure, volcano
    from cytosae_toolkit.figures.style import save_figure

    save_figure(barcode_scatter(comparison), folder / "scatter.png", figure_numbers(comparison, "scatter"), dpi=200)
    if comparison.has_p:
        save_figure(volcano(comparison), folder / "volcano.png", figure_numbers(comparison, "volcano"), dpi=200)
    if atlas is not None and references is not None:
        _write_csv(reference_table(references.latents, atlas), folder / "references.csv")
        save_figure(reference_figure(comparison, references, atlas), folder / "references.png", dpi=150)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    from cytosae_toolkit.atlas.names_csv import escape_cell

    safe = table.copy(deep=False)
    for name in safe.select_dtypes(object).columns:
        safe[name] = [escape_cell(value) if isinstance(value, str) else value for value in safe[name]]
    safe.to_csv(path, index=False, float_format="%.10g")
