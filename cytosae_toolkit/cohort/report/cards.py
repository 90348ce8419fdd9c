"""One latent at a time: its values over patients, and cells that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from cytosae_toolkit.cohort.report.document import CellPicture, CellRow, Name, Note, Part, Text
from cytosae_toolkit.cohort.report.formats import number
from cytosae_toolkit.cohort.report.pictures import CellPictures, Shown

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.cohort import Cohort
    from cytosae_toolkit.cohort.report.sources import Sheet

CELLS = 5
"""Of each kind, at most."""


def latents_of(cohort: Cohort, column: int) -> tuple[int, ...]:
    """Return the latent of a column of the barcodes, or the latents of a named concept."""
    latent = cohort.latent_of(column)
    if latent is not None:
        return (latent,)
    return tuple(int(s) for s in str(cohort.latents["latents"].iloc[column]).split())


def title_of(row: Mapping[str, Any]) -> Text:
    """Return how a latent is called: its number, its name or the label of the cells on which it is strongest.

    Parameters
    ----------
    row : mapping
        With `latent`, `name` and `dominant_label`, `""` where unknown.
    """
    latent, name, label = (_text(row.get(key)) for key in ("latent", "name", "dominant_label"))
    if not latent:
        return [Name(name)]
    parts: list[Part] = [Name(f"latent {latent}")]
    if name:
        parts += [": ", Name(name)]
    elif label:
        parts += [", mostly on ", Name(label.replace("_", " "))]
    return parts


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def cell_table(cells: Sequence[Shown], kinds: Sequence[str], pictures: CellPictures, column: str) -> pd.DataFrame:
    """Return one line per cell shown.

    Parameters
    ----------
    cells : sequence of Shown
        In the order shown.
    kinds : sequence of str
        Of each: whose it is.
    pictures : CellPictures
        With their heat maps.
    column : str
        Of the atlas's images, whose value stands beside the patient.

    Returns
    -------
    pandas.DataFrame
        ``key of place atlas_row id patient group label set m_i patch_row patch_column``.
    """
    images = pictures.atlas.images
    lines, places = [], dict[tuple[str, str], int]()
    for cell, kind in zip(cells, kinds, strict=True):
        place = places[cell.key, kind] = places.get((cell.key, kind), 0) + 1
        own = {"id": "id", "patient": "patient", "group": column, "label": "label", "set": "set"}
        facts = {name: _known(images, source, cell.row) for name, source in own.items()}
        row, col = pictures.peak(cell)
        lines.append({
            "key": cell.key, "of": kind, "place": place, "atlas_row": cell.row, **facts, "m_i": cell.value,
            "patch_row": row, "patch_column": col,
        })  # fmt: skip
    names = ["key", "of", "place", "atlas_row", "id", "patient", "group", "label", "set", "m_i", "patch_row",
             "patch_column"]  # fmt: skip
    return pd.DataFrame(lines, columns=names)


def _known(images: pd.DataFrame, name: str, row: int) -> str:
    value = images[name].iloc[row] if name in images.columns else None
    return "" if value is None or pd.isna(value) else str(value)


def cell_row(
    title: Text, lines: Sequence[int], cells: Sequence[Shown], sheet: Sheet, pictures: CellPictures, strongest: float,
    *, patients: bool, empty: str, group_column: str = "group",
) -> CellRow:  # fmt: skip
    """Return cells of one kind with their pictures.

    Parameters
    ----------
    title : Text
        Above them.
    lines : sequence of int
        Rows of the sheet.
    cells : sequence of Shown
        The same cells.
    sheet : Sheet
        From `cell_table`, or with the same columns.
    pictures : CellPictures
        Makes them.
    strongest : float
        Activation of full orange.
    patients : bool
        Whether captions name the patients.
    empty : str
        What is said where there are none.
    group_column : str
        Column of the sheet that stands below the patient, if it has it.
    """
    made = []
    for line, cell in zip(lines, cells, strict=True):
        facts = sheet.line(line)
        caption: list[Text] = []
        if _text(facts["label"]):
            caption.append([Name(_text(facts["label"]).replace("_", " "))])
        if patients and _text(facts["patient"]):
            caption.append([Name(_text(facts["patient"]))])
            group = _text(facts.get(group_column))
            if group:
                caption.append([Name(group)])
        caption.append(["mean ", sheet.value(line, "m_i", number)])
        made.append(CellPicture(pictures.plain(cell.row), pictures.lit(cell, strongest), caption))
    return CellRow(title, made, empty)


def strongest_of(pictures: CellPictures, cells: Sequence[Shown]) -> float:
    """Return the largest activation of a patch on some cells, 1 where there is none."""
    return max((float(pictures.heat(cell).max()) for cell in cells), default=0.0) or 1.0


PICTURES_HELP = Note(
    "Upper picture: the cell as the model saw it. Lower picture: the same cell in grey, with the patches on which the "
    "latent is active in orange, on one scale per latent. “mean”: mean activation over the whole picture."
)
