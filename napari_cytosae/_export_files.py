"""Files that leave the viewer: tables and montages; no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas
    from napari_cytosae._session import Session

MONTAGE_IMAGES = 8


def concept_table(session: Session, picture: str = "") -> pd.DataFrame:
    """Return the concepts of the picture that was read, else of the atlas, as lists show them: without hidden ones.

    Parameters
    ----------
    session : Session
        What is looked at.
    picture : str
        How the picture is called.

    Returns
    -------
    DataFrame
        Index `latent`. Of a picture: its name in the first column, `picture`; the largest `max` first.

    Raises
    ------
    CytosaeError
        If neither a picture nor an atlas is open.
    """
    if session.scene is not None and session.explorer is not None:
        found = session.scene.latents(hide_everywhere=session.hide_everywhere)
        found = found.sort_values("max", ascending=False, kind="stable")
        table = session.visible(session.explorer.describe(found)).rename_axis("latent")
        table.insert(0, "picture", picture)
        return table
    if session.atlas is None:
        raise CytosaeError("There is no table to save.", "Open an atlas.")
    return session.visible(session.atlas.latents).rename_axis("latent")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, UTF-8, safe for spreadsheets.

    Raises
    ------
    CytosaeError
        If the folder cannot be written.
    """
    from cytosae_toolkit.atlas.names_csv import escape_cell
    from cytosae_toolkit.files import write_text

    safe = table.copy()
    for column in safe.columns:
        if safe[column].dtype.kind not in "biuf":
            safe[column] = [escape_cell(value) if isinstance(value, str) else value for value in safe[column]]
    write_text(path, safe.to_csv(float_format="%.6g"))


def write_montage(path: Path, atlas: Atlas, latents: Sequence[int]) -> None:
    """Write the reference images of latents as a figure: PNG, PDF or SVG by its suffix.

    Raises
    ------
    CytosaeError
        If the atlas has no images, or the folder cannot be written.
    """
    from cytosae_toolkit.files import atomic_path
    from napari_cytosae._montage import concept_montage

    figure = concept_montage(atlas, latents, limit=MONTAGE_IMAGES)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".").lower(), dpi=200)
