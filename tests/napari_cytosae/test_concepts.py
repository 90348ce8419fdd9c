"""The table of concepts: search, sort, filters, neighbours."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, Qt

from cytosae_toolkit.atlas.search_fields import Fields
from napari_cytosae._concepts import COLUMNS, ConceptTable, ranks
from napari_cytosae._facts import facts_of, percent

DOWN, UP = Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder
PLACE = {column.key: place for place, column in enumerate(COLUMNS)}


@pytest.fixture
def table(qtbot, session):
    """The table, shown, with nothing hidden."""
    session.show_flagged, session.hide_everywhere = True, False
    widget = ConceptTable(session)
    qtbot.addWidget(widget)
    widget.resize(460, 600)
    widget.show()
    return widget


def listed(widget):
    return widget.table.latents.tolist()


def sort(widget, key, order):
    widget.table.horizontalHeader().setSortIndicator(PLACE[key], order)


def test_all_concepts_are_listed(table, session):
    assert sorted(listed(table)) == list(range(96))
    assert table.said.text() == "96 of 96 concepts"


def test_it_finds_what_atlas_search_finds(table, session, atlas):
    for query in ("frequency>0.2", "label:blast", "#7,8", "entropy<1 -label:blast"):
        table.line.setText(query)
        assert listed(table) == atlas.search(query, limit=None, hidden=True).index.tolist()


def test_free_text_finds_names_and_notes_at_once(table, session):
    session.annotate([7], name="azure granules")
    session.annotate([9], name="vacuole", note="with granules")
    table.line.setText("granu")
    assert listed(table) == [7, 9], "a name before a note"
    session.undo_annotation()
    assert listed(table) == [7]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("entrpy<1", "At position 1, 'entrpy' is no field. Did you mean entropy"),
        ("frequency>", "At position 10, > needs a value after it."),
        ("#9999", "There is no concept 9999"),
    ],
)
def test_a_query_that_is_not_understood_says_why_and_keeps_the_list(table, query, said):
    table.line.setText("#7")
    table.line.setText(query)
    assert table.said.text().startswith(said)
    assert "\n" not in table.said.text()
    assert listed(table) == [7]


def test_nothing_found_says_what_may_be_meant(table):
    table.line.setText("label:lymphocites")
    assert listed(table) == []
    assert "lymphocyte" in table.said.text()


@pytest.mark.parametrize("key", ["strength", "frequency", "purity"])
def test_sorting_by_numbers_puts_the_unknown_last(table, session, key):
    values = getattr(facts_of(session), key)
    known = np.count_nonzero(~np.isnan(values))
    for order, sign in ((DOWN, -1), (UP, 1)):
        sort(table, key, order)
        found = sign * values[listed(table)]
        assert (np.diff(found[:known]) >= 0).all()
        assert np.isnan(found[known:]).all()


def test_sorting_by_name_and_label(table, session):
    session.annotate([7], name="b")
    session.annotate([9], name="A")
    sort(table, "concept", UP)
    assert listed(table)[:2] == [9, 7]
    sort(table, "label", UP)
    labels = facts_of(session).label[listed(table)]
    assert [label for label in labels if label] == sorted(label for label in labels if label)
    purity = facts_of(session).purity[listed(table)][labels == "blast"]
    assert (np.diff(purity[~np.isnan(purity)]) <= 0).all(), "the purest of a type first"


def test_a_sorted_list_stays_sorted_while_one_types(table, session):
    sort(table, "frequency", UP)
    table.line.setText("label:blast")
    assert (np.diff(facts_of(session).frequency[listed(table)]) >= 0).all()
    table.table.horizontalHeader().setSortIndicator(-1, UP)
    assert listed(table) == session.atlas.search("label:blast", limit=None, hidden=True).index.tolist()


def test_activation_in_the_picture_fills_a_column(qtbot, table, session, scene):
    assert table.table.rows.index(0, PLACE["value"]).data() == "–"
    session.set_scene(scene)
    expected = scene.latents(hide_everywhere=False)["max"]
    qtbot.waitUntil(lambda: not np.isnan(table._here).any())
    sort(table, "value", DOWN)
    np.testing.assert_allclose(table._here[listed(table)][: len(expected)], np.sort(expected)[::-1])
    session.set_scene(None)
    assert table.table.rows.index(0, PLACE["value"]).data() == "–"


def test_the_strongest_here_come_first_until_something_else_is_chosen(qtbot, table, session, scene):
    before = listed(table)
    session.set_scene(scene)
    qtbot.waitUntil(lambda: not np.isnan(table._here).any())
    assert listed(table) != before
    assert (np.diff(table._here[listed(table)]) <= 0).all()
    assert "strongest here first" in table.said.text()
    table.line.setText("label:blast")
    assert listed(table) == session.atlas.search("label:blast", limit=None, hidden=True).index.tolist()
    assert "here" not in table.said.text()
    table.line.setText("")
    sort(table, "frequency", DOWN)
    assert (np.diff(facts_of(session).frequency[listed(table)]) <= 0).all()
    session.set_scene(None)
    sort(table, "frequency", UP)
    table.table.horizontalHeader().setSortIndicator(-1, UP)
    assert listed(table) == before


@pytest.mark.parametrize(("key", "order"), [("value", DOWN), ("frequency", DOWN), ("purity", DOWN), ("concept", UP)])
def test_the_first_click_sorts_numbers_from_the_largest_and_names_from_a(qtbot, table, key, order):
    header, place = table.table.horizontalHeader(), PLACE[key]
    header.setSectionResizeMode(header.ResizeMode.Stretch)
    x = header.sectionViewportPosition(place) + header.sectionSize(place) // 2
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, header.height() // 2))
    assert (header.sortIndicatorSection(), header.sortIndicatorOrder()) == (place, order)


def test_a_number_finds_its_concept_although_it_is_hidden(table, session):
    session.annotate([9], name="like 7")
    session.atlas.statistics.loc[7, "flag_colour"] = True
    everywhere = int(np.flatnonzero(facts_of(session).frequency >= session.explorer.everywhere)[0])
    session.show_flagged, session.hide_everywhere = False, True
    table.line.setText("7")
    assert listed(table) == [7, 9]
    table.line.setText(str(everywhere))
    assert listed(table) == [everywhere]
    table.line.setText("9999")
    assert listed(table) == []
    assert table.said.text() == "There is no concept 9999, and no name, note or label contains it."


def test_flagged_ones_are_hidden_unless_asked_for(table, session):
    session.atlas.statistics.loc[7, "flag_colour"] = True
    table.refresh()
    assert 7 in listed(table)
    session.show_flagged = False
    assert 7 not in listed(table)
    assert "doubtful ones hidden" in table.said.text()
    table.line.setText("flag:colour")
    assert 7 in listed(table), "asked for in the query"


def test_those_that_fire_everywhere_are_hidden(table, session):
    everywhere = np.flatnonzero(facts_of(session).frequency >= session.explorer.everywhere)
    assert len(everywhere)
    session.hide_everywhere = True
    assert not set(listed(table)) & set(everywhere.tolist())
    assert f"{len(everywhere)} in nearly all cells hidden" in table.said.text()
    session.annotate([int(everywhere[0])], name="nucleus")
    assert int(everywhere[0]) in listed(table), "what somebody named is not hidden"


def test_nearest_concepts_are_found_in_a_thread(qtbot, table, session, atlas):
    session.choose(60)
    expected = atlas.similar(60, 60)["latent"].tolist()[:12]
    qtbot.waitUntil(lambda: table.nearest.list.latents.tolist() == expected, timeout=10_000)


def test_likeness_is_the_mean_of_both_cosines_in_percent(qtbot, table, session, atlas):
    session.choose(60)
    qtbot.waitUntil(lambda: len(table.nearest.list.latents) > 0, timeout=10_000)
    first = atlas.similar(60, 60).iloc[0]
    expected = (first["direction_cosine"] + first["coactivation_cosine"]) / 2
    assert table.nearest.list.rows.index(0, 1).data() == percent(expected)


def test_flagged_neighbours_are_hidden_unless_asked_for(qtbot, table, session, atlas):
    near = atlas.similar(60, 60)["latent"].tolist()
    session.atlas.statistics.loc[near[0], "flag_colour"] = True
    session.show_flagged = False
    session.choose(60)
    qtbot.waitUntil(lambda: len(table.nearest.list.latents) > 0, timeout=10_000)
    assert near[0] not in table.nearest.list.latents


def test_a_silent_concept_has_no_neighbours_and_says_so(qtbot, table, session):
    session.choose(0)
    qtbot.waitUntil(lambda: "active on no image" in table.nearest.list.empty, timeout=10_000)


def test_neighbours_of_an_earlier_choice_are_dropped(qtbot, table, session, atlas):
    session.choose(60)
    table.nearest.look()
    session.choose(70)
    table.nearest.look()
    expected = atlas.similar(70, 60)["latent"].tolist()[:12]
    qtbot.waitUntil(lambda: table.nearest.list.latents.tolist() == expected, timeout=10_000)


def test_a_bare_run_is_listed_by_number(table, session):
    session.set_source(session.explorer, None)
    assert listed(table) == list(range(96))
    table.line.setText("#12")
    assert listed(table) == [12]
    assert table.nearest.list.rows.rowCount() == 0


def test_nothing_open(qtbot):
    from napari_cytosae._session import Session

    widget = ConceptTable(Session())
    qtbot.addWidget(widget)
    widget.show()
    assert widget.said.text() == "0 of 0 concepts"


def test_closed_and_opened_again_it_is_as_before(qtbot, table, session):
    session.choose(7)
    for _ in range(20):
        table.hide()
        table.show()
    assert len(session.latent_changed) <= 6
    table.hide()
    assert len(session.latent_changed) == len(session.names_changed) == len(session.view_changed) == 0


def test_ranks():
    np.testing.assert_array_equal(ranks(np.array(["b", "", "A", "B"], dtype=object))[[0, 2, 3]], [2, 1, 2])
    assert np.isnan(ranks(np.array([""], dtype=object))[0])


def test_a_keystroke_among_49152_latents_is_quick(table, session, monkeypatch):
    n, rng = 49_152, np.random.default_rng(0)
    latents = pd.DataFrame(
        {
            "mean_activation": rng.random(n),
            "frequency": rng.random(n),
            "dominant_label": rng.choice(["blast", "monocyte"], n),
            "name": ["nucleus" if i % 9 == 0 else "" for i in range(n)],
            "flag_colour": rng.random(n) > 0.9,
        },
        index=pd.RangeIndex(n, name="latent"),
    )
    from napari_cytosae import _concepts, _facts, _rows

    facts = _facts.Facts.of_table(latents)
    for module in (_concepts, _facts, _rows):
        monkeypatch.setattr(module, "facts_of", lambda _: facts)
    table._fields, table._here = Fields(latents), np.full(n, np.nan)
    seconds = []
    for query in ("n", "nu", "nuc", "label:b", "frequency>0.5"):
        start = time.perf_counter()
        table.line.setText(query)
        seconds.append(time.perf_counter() - start)
    assert table.table.rows.rowCount() > 1000
    assert min(seconds) < 0.03
