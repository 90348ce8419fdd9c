import shutil

import numpy as np
import pytest

from napari_cytosae._cells import KINDS, Scope
from napari_cytosae._gallery import Gallery
from napari_cytosae._gallery_words import WORDS
from tests.napari_cytosae.test_cells import common


@pytest.fixture
def gallery(viewer, session, qtbot):
    gallery = Gallery(viewer, session)
    qtbot.addWidget(gallery)
    gallery.resize(420, 640)
    gallery.show()
    qtbot.waitUntil(lambda: gallery.scopes.tabs.count() == 4)
    return gallery


def rows(gallery):
    return [cell.row for cell in gallery.grid.cells.cells]


def show(gallery, session, qtbot, latent):
    session.choose(latent)
    qtbot.waitUntil(lambda: "cells" in gallery.message.text() and bool(rows(gallery)))


def test_the_chosen_concept_is_shown(gallery, session, atlas, qtbot):
    latent = common(atlas)
    assert "Choose a concept" in gallery.message.text()
    show(gallery, session, qtbot, latent)
    assert rows(gallery) == [reference.row for reference in atlas.references(latent)]
    assert f"candidate concept {latent}" in gallery.title.text()
    session.annotate([latent], name="a <b> name")
    assert "a &lt;b&gt; name" in gallery.title.text()


def test_kinds_and_tabs(gallery, session, atlas, qtbot):
    latent = common(atlas)
    show(gallery, session, qtbot, latent)
    assert [gallery.scopes.tabs.tabText(i) for i in range(4)] == ["Everywhere", "north", "south", "One patient"]
    gallery.kinds.button(3).click()
    qtbot.waitUntil(lambda: all(cell.value == 0 for cell in gallery.grid.cells.cells) and bool(rows(gallery)))
    gallery.kinds.button(0).click()
    gallery.scopes.tabs.setCurrentIndex(2)
    south = [reference.row for reference in atlas.references(latent, set="south")]
    qtbot.waitUntil(lambda: rows(gallery) == south)
    assert gallery.scopes.patients.isHidden()


def test_one_patient(gallery, session, atlas, qtbot):
    show(gallery, session, qtbot, common(atlas))
    gallery.scopes.only(Scope("patient", "p5"))
    qtbot.waitUntil(lambda: {cell.patient for cell in gallery.grid.cells.cells} == {"p5"})
    assert gallery.scopes.patients.isVisible() and gallery.scopes.patients.currentText() == "p5"
    gallery.scopes.only(Scope("set", "north"))
    qtbot.waitUntil(lambda: {cell.set for cell in gallery.grid.cells.cells} == {"north"})


def test_menu_of_a_cell(gallery, session, atlas, qtbot):
    show(gallery, session, qtbot, common(atlas))
    cell = gallery.grid.cells.cells[0]
    words = [action.text() for action in gallery.menu_of(cell).actions()]
    assert words == ["Open", f"Only patient {cell.patient}", f"Only image set {cell.set}", "Copy image id"]


def test_a_latent_that_never_fires(gallery, session, qtbot):
    session.choose(0)
    qtbot.waitUntil(lambda: "no cell shows it" in gallery.message.text())


def test_quick_changes_end_at_the_last_latent(gallery, session, atlas, qtbot):
    many = np.flatnonzero(atlas.statistics["n_images"].to_numpy() > 3)[:20].tolist()
    for latent in many:
        session.choose(latent)
    last = [reference.row for reference in atlas.references(many[-1])]
    qtbot.waitUntil(lambda: rows(gallery) == last)
    qtbot.wait(100)
    assert rows(gallery) == last


def test_the_way_to_cells_like_a_region_opens_with_a_picture(gallery, session, cell_scene):
    assert not gallery.alike.isEnabled()
    session.set_scene(cell_scene)
    assert gallery.alike.isEnabled()
    session.set_scene(None)
    assert not gallery.alike.isEnabled()


def test_moved_images_are_located(gallery, session, atlas, cells_csv, tmp_path, qtbot):
    show(gallery, session, qtbot, common(atlas))
    gallery.locate(shutil.copytree(cells_csv.parent, tmp_path / "moved"))
    n = len(rows(gallery))
    qtbot.waitUntil(lambda: gallery.message.text() == f"{n} of the {n} images in view were found.")


def test_closed_docks_hear_nothing_and_catch_up(gallery, session, atlas, qtbot):
    for _ in range(3):
        gallery.hide()
        gallery.show()
    assert len(session.latent_changed) == 1
    gallery.hide()
    assert not len(session.latent_changed) and not len(session.source_changed)
    session.choose(common(atlas))
    gallery.show()
    qtbot.waitUntil(lambda: bool(rows(gallery)))


def test_without_an_atlas(gallery, session):
    session.set_source(None, None)
    assert "Open an atlas" in gallery.message.text()
    assert not rows(gallery)


def test_a_line_says_what_a_kind_of_cells_is(gallery, session, atlas, qtbot):
    show(gallery, session, qtbot, common(atlas))
    for place, kind in enumerate(KINDS):
        gallery.kinds.button(place).click()
        assert gallery.what.text() == gallery.kinds.button(place).toolTip() == WORDS[kind][1]
    session.choose(int(atlas.statistics["n_images"].argmax()))
    qtbot.waitUntil(lambda: "Every cell of the atlas shows it at least weakly" in gallery.what.text())
    assert rows(gallery)
