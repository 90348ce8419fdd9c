import numpy as np
import pytest

from napari_cytosae._cells import (
    EVERYWHERE,
    KINDS,
    Cell,
    Scope,
    describe_cells,
    find_cells,
    patient_cells,
    patient_names,
    similar_cells,
    texts,
)


def common(atlas):
    """A latent that is active on about half of the images."""
    n = atlas.statistics["n_images"].to_numpy()
    return int(np.argmin(np.abs(n - atlas.n_images / 2)))


def test_top_cells_are_the_atlas_references(atlas):
    latent = common(atlas)
    found = find_cells(atlas, latent, "top")
    assert [cell.row for cell in found] == [reference.row for reference in atlas.references(latent)]
    assert found[0].value == atlas.references(latent)[0].value > 0


def test_weak_cells_are_the_weakest_quarter_of_the_typical_ones(atlas):
    latent = common(atlas)
    weakest = {reference.row for reference in atlas.references(latent, kind="typical") if reference.quartile == 0}
    assert {cell.row for cell in find_cells(atlas, latent, "weak")} == weakest
    typical = find_cells(atlas, latent, "typical")
    for kind, descending in (("typical", True), ("weak", False)):
        values = [cell.value for cell in find_cells(atlas, latent, kind)]
        assert len(values) > 2 and values == sorted(values, reverse=descending)
    assert "strongest quarter" in typical[0].tooltip


@pytest.mark.parametrize("scope", [Scope("set", "north"), Scope("patient", "p3")])
@pytest.mark.parametrize("kind", KINDS)
def test_a_scope_shows_only_its_own_cells(atlas, kind, scope):
    latent = common(atlas)
    found = find_cells(atlas, latent, kind, scope)
    assert found
    assert {getattr(cell, scope.kind) for cell in found} == {scope.name}
    silent = [cell.value == 0 for cell in found]
    assert all(silent) if kind == "not" else not any(silent)


def test_top_of_a_patient_is_strongest_first_and_agrees_with_the_column(atlas):
    latent = common(atlas)
    rows, values = atlas.column(latent)
    found = find_cells(atlas, latent, "top", Scope("patient", "p3"))
    own = atlas.images["patient"].to_numpy()[rows] == "p3"
    assert [cell.value for cell in found] == sorted(values[own].astype(float), reverse=True)


def test_a_patient_shows_all_cells_silent_ones_last(atlas):
    found = patient_cells(atlas, common(atlas), "p3")
    assert len(found) == int((atlas.images["patient"] == "p3").sum())
    assert [cell.value for cell in found] == sorted((cell.value for cell in found), reverse=True)
    assert [cell.row for cell in patient_cells(atlas, None, "p3")] == sorted(cell.row for cell in found)
    assert all(cell.value == 0 for cell in patient_cells(atlas, 0, "p3"))


def test_limit(atlas):
    assert len(find_cells(atlas, common(atlas), "top", Scope("set", "south"), n=2)) == 2


def test_captions_say_label_and_value():
    assert Cell(0, "x", "band_neutrophil", value=0.01234).caption == ("band neutrophil", "0.0123")
    assert Cell(0, "x", value=0.0).caption == ("x", "absent")
    assert Cell(0, "x", "blast", similarity=0.5).caption == ("blast", "50 % alike")
    tooltip = Cell(0, "x", "blast", "p1", "north", 0.5).tooltip
    assert all(text in tooltip for text in ("image x", "blast", "p1", "north", "0.5"))


def test_patients_and_missing_columns(atlas):
    assert patient_names(atlas) == [f"p{i}" for i in range(8)]
    assert texts(atlas.images, "no such").tolist() == [""] * atlas.n_images
    assert describe_cells(atlas.images, np.array([3]), [1.0])[0].patient == "p3"


def test_similar_cells(explorer, atlas):
    table = explorer.similar_images(3, image=explorer.read(atlas.picture(0)))
    found = similar_cells(table)
    assert [cell.row for cell in found] == table.index.tolist()
    assert "shares concepts" in found[0].tooltip


@pytest.mark.parametrize("scope", [EVERYWHERE, Scope("set", "north"), Scope("patient", "p3")])
def test_where_every_cell_shows_it_the_weakest_stand_for_those_that_do_not(atlas, scope):
    wide = int(atlas.statistics["n_images"].argmax())
    assert atlas.statistics["frequency"][wide] == 1
    found = find_cells(atlas, wide, "not", scope, n=5)
    rows, values = atlas.column(wide)
    inside = np.ones(len(rows), dtype=bool)
    if scope.kind != "everywhere":
        inside = atlas.images[scope.kind].to_numpy()[rows] == scope.name
    least = np.sort(values[inside].astype(float))
    assert [cell.value for cell in found] == least[: len(found)].tolist()
    assert found
