"""What a patch shows."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.scene import Scene, Spot
from napari_cytosae._ask import AskPanel, place_of
from napari_cytosae._facts import Facts


@pytest.fixture
def panel(qtbot, viewer, session, picture, scene):
    """The panel over a picture that was read."""
    viewer.add_image(picture, rgb=True)
    session.show_flagged = True
    session.set_scene(scene)
    widget = AskPanel(viewer, session)
    qtbot.addWidget(widget)
    widget.resize(400, 700)
    widget.show()
    return widget


def latents(answer):
    return answer.list.latents.tolist()


def test_hovering_lists_the_concepts_of_the_patch(panel, session, scene):
    for spot in (Spot(0, 0, 0), Spot(1, 3, 2)):
        session.spot = spot
        assert latents(panel.hovered) == scene.top_latents(spot, 30).index.tolist()
    assert panel.hovered.heading.text() == "Under the cursor: box 2, row 4, column 3"


def test_what_was_hovered_last_can_be_clicked(panel, session):
    session.spot = Spot(0, 1, 1)
    before = latents(panel.hovered)
    session.spot = None
    assert before
    assert latents(panel.hovered) == before
    panel.hovered.list.selectRow(1)
    assert session.latent(0) == before[1]


def test_a_clicked_patch_is_kept(panel, session, scene):
    session.pinned = Spot(0, 1, 1)
    session.spot = Spot(1, 0, 0)
    assert latents(panel.pinned) == scene.top_latents(Spot(0, 1, 1), 30).index.tolist()
    assert "row 2, column 2" in panel.pinned.heading.text()


def test_filters_apply_at_once(panel, session, scene):
    session.spot = Spot(0, 1, 1)
    session.hide_everywhere = False
    everything = scene.top_latents(Spot(0, 1, 1), None, hide_everywhere=False)
    assert latents(panel.hovered) == everything.index.tolist()[:30]
    session.atlas.statistics.loc[everything.index[0], "flag_set"] = True
    session.show_flagged = False
    assert everything.index[0] not in latents(panel.hovered)


def test_another_picture_empties_the_lists(panel, session):
    session.spot = session.pinned = Spot(0, 1, 1)
    session.set_scene(None)
    assert latents(panel.hovered) == latents(panel.pinned) == []


def test_hidden_it_hears_nothing(panel, session):
    panel.hide()
    assert len(session.spot_changed) == len(session.pinned_changed) == len(session.scene_changed) == 0


def test_places(scene, cell_scene):
    assert place_of(cell_scene, Spot(0, 1, 2)) == "row 2, column 3"
    assert place_of(scene, Spot(2, 0, 0)) == "box 3, row 1, column 1"


def test_hovering_is_quick_among_49152_latents(panel, session, scene, monkeypatch):
    n, rng = 49_152, np.random.default_rng(0)
    codes = sparse.csr_array(sparse.random(17, n, density=0.05, format="csr", dtype=np.float32, random_state=0))
    image = replace(scene.parts[0].image, codes=ImageCodes(codes, 1, (4, 4)))
    facts = Facts.of_table(pd.DataFrame(rng.random((n, 2)), columns=["mean_activation", "frequency"]))
    monkeypatch.setattr(Scene, "top_latents", lambda _, spot, *__, **___: image.at_patch((spot.row, spot.column)))
    monkeypatch.setattr(type(session), "visible", lambda _, table: table)
    monkeypatch.setattr("napari_cytosae._rows.facts_of", lambda _: facts)
    seconds = []
    for column in range(4):
        start = time.perf_counter()
        session.spot = Spot(0, 2, column)
        seconds.append(time.perf_counter() - start)
    assert len(latents(panel.hovered)) == 30
    assert min(seconds) < 0.04
    panel.hide()


def test_what_is_empty_folds_and_the_newest_answer_has_most_room(qtbot, panel, session):
    def heights():
        return [part.height() for part in (panel.hovered, panel.pinned, panel.asked)]

    assert max(heights()[:2]) < 120 < heights()[2] / 3
    session.spot = Spot(0, 1, 1)
    assert heights()[0] > 120 and heights()[2] > heights()[0] > 1.5 * heights()[1]
    session.pinned = Spot(0, 1, 1)
    assert heights()[1] == max(heights())
    panel.asked.redrawn.emit()
    assert heights()[2] == max(heights())


def test_heights_that_somebody_chose_stay(panel, session):
    session.spot = Spot(0, 1, 1)
    panel.parts.moveSplitter(150, 1)
    panel.parts.splitterMoved.emit(150, 1)
    chosen = panel.parts.sizes()
    panel.asked.redrawn.emit()
    assert panel.parts.sizes() == chosen


def test_more_like_a_clicked_patch_takes_the_place_of_the_concepts(qtbot, panel, session, scene):
    panel.asked.alike.click()
    assert "Click a patch" in panel.asked.hint.text() and panel.parts.isVisible()
    session.pinned = Spot(0, 1, 1)
    panel.asked.alike.click()
    assert not panel.parts.isVisible()
    qtbot.waitUntil(lambda: bool(panel.alike.grid.cells.cells))
    panel.alike.back.click()
    assert panel.parts.isVisible() and panel.alike.isHidden()
    panel.look_alike()
    session.pinned = Spot(0, 2, 2)
    assert panel.parts.isVisible(), "another patch: its concepts"
    panel.look_alike()
    panel.hide()
    panel.show()
    assert panel.alike.isVisible(), "the same patch: still its cells"
    panel.show_on(None)
    assert panel.parts.isVisible() and panel._alike_to == (None, None), "no picture is held"


def test_without_cells_to_compare_with_there_is_no_more(panel, session, scene):
    assert panel.asked.alike.isEnabled()
    session.set_source(session.explorer, None)
    session.set_scene(scene)
    assert not panel.asked.alike.isEnabled()
