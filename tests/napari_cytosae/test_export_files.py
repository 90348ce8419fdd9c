from pathlib import Path

import pandas as pd
import pytest

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._export_files import concept_table, write_montage, write_table
from napari_cytosae._session import Session

DOCS = Path(__file__).parents[2] / "docs"


def test_table_of_the_picture_else_of_the_atlas(session, cell_scene, atlas):
    session.show_flagged = True
    assert len(concept_table(session)) == atlas.d_sae
    session.show_flagged = False
    assert len(concept_table(session)) < atlas.d_sae
    session.show_flagged, session.hide_everywhere = True, False
    session.set_scene(cell_scene)
    found = concept_table(session, "smear.png")
    assert sorted(found.index) == sorted(cell_scene.latents(hide_everywhere=False).index)
    assert found.columns[0] == "picture" and set(found["picture"]) == {"smear.png"}
    assert found["max"].is_monotonic_decreasing
    with pytest.raises(CytosaeError, match="no table"):
        concept_table(Session())


def test_the_headings_are_explained(session, cell_scene, atlas):
    explained = [(DOCS / name).read_text(encoding="utf-8") for name in ("viewer.md", "atlas.md")]
    whole = [name for name in concept_table(session).columns if ":" not in name]  # one more for each image set
    session.set_scene(cell_scene)
    table = concept_table(session, "smear.png")
    assert "dominant_share" in table.columns and len(whole) > 20
    assert [name for name in (table.index.name, *table.columns) if f"`{name}`" not in explained[0]] == []
    assert [name for name in whole if f"`{name}`" not in "".join(explained)] == []


def test_a_spreadsheet_runs_nothing(tmp_path):
    write_table(tmp_path / "t.csv", pd.DataFrame({"name": ["=1+1", "ok", None], "value": [-1.5, 2, 3]}))
    found = pd.read_csv(tmp_path / "t.csv", index_col=0)
    assert found["name"].tolist()[:2] == ["'=1+1", "ok"] and found["value"].tolist() == [-1.5, 2, 3]


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_montage(atlas, tmp_path, suffix):
    write_montage(tmp_path / f"m{suffix}", atlas, [int(atlas.statistics["n_images"].argmax())])
    assert (tmp_path / f"m{suffix}").stat().st_size > 1000
