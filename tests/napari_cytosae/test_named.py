"""What somebody cared to name is shown everywhere, however doubtful or common it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from cytosae_toolkit.explore.analysing import MemoryField, analyse
from napari_cytosae._concepts import ConceptTable
from napari_cytosae._export_files import concept_table
from napari_cytosae._facts import doubtful, facts_of, fires_everywhere
from napari_cytosae._region_panel import rank
from napari_cytosae._scatter import ConceptScatter

LATENT = 93
LISTS = ("strength", "patch", "picture", "region", "exported")
WHOLE = np.array([[2.0, 2.0], [2.0, 120.0], [80.0, 120.0], [80.0, 2.0]])


@pytest.fixture
def hidden(session, picture):
    """A session with a picture; all concepts are doubtful and fire everywhere."""
    session.atlas.statistics["flag_colour"] = True
    session.atlas.statistics["frequency"] = 1.0
    session.set_scene(analyse(session.explorer, MemoryField(picture), "cell"))
    assert session.scene.heat(LATENT).values.max() > 0
    return session


def spot_of(session):
    row, column = np.unravel_index(session.scene.heat(LATENT).values.argmax(), (4, 4))
    return session.scene.locate((column + 0.5) * 130 / 4, (row + 0.5) * 90 / 4)


def shown(session):
    """Return what each of `LISTS` shows."""
    scene, spot = session.scene, spot_of(session)
    return {
        "strength": np.flatnonzero(~doubtful(session) & ~fires_everywhere(session)).tolist(),
        "patch": session.visible(scene.top_latents(spot, None)).index.tolist(),
        "picture": session.visible(scene.latents()).index.tolist(),
        "region": session.visible(rank(scene, [[WHOLE / 2]], True)).index.tolist(),
        "exported": concept_table(session).index.tolist(),
    }


def test_lists_show_named_concepts_and_no_others(hidden):
    assert shown(hidden) == {name: [] for name in LISTS}
    hidden.annotate([LATENT], name="granules")
    assert shown(hidden) == {name: [LATENT] for name in LISTS}
    hidden.undo_annotation()
    assert shown(hidden) == {name: [] for name in LISTS}


def test_a_chosen_concept_is_in_the_list_of_its_own_patch(hidden):
    table = pd.DataFrame({"activation": [2.0, 1.0]}, index=pd.Index([LATENT, 5], name="latent"))
    assert hidden.visible(table).index.tolist() == []
    hidden.choose(LATENT, 1)
    assert hidden.visible(table).index.tolist() == [LATENT]


@pytest.mark.parametrize("widget", [ConceptTable, ConceptScatter])
def test_search_and_map_show_it_as_soon_as_it_is_named(qtbot, hidden, widget):
    panel = widget(hidden)
    qtbot.addWidget(panel)
    panel.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    panel.show()

    def listed():
        return panel.cloud.latents.tolist() if widget is ConceptScatter else panel.table.latents.tolist()

    assert listed() == []
    hidden.annotate([LATENT], name="granules")
    qtbot.waitUntil(lambda: listed() == [LATENT], timeout=5000)
    assert facts_of(hidden).flagged()[LATENT]
