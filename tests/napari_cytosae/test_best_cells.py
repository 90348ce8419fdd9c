"""The best cells of the chosen concept."""

from __future__ import annotations

import pytest

from napari_cytosae._best_cells import N_BEST, BestCells
from napari_cytosae._widget import WIDTH
from tests.napari_cytosae.test_cells import common


@pytest.fixture
def best(session, qtbot):
    best = BestCells(session)
    qtbot.addWidget(best)
    best.show()
    return best


def rows(best):
    return [cell.row for cell in best.grid.cells.cells]


def test_the_best_cells_of_the_chosen_concept_are_shown_with_its_patches(best, session, atlas, qtbot):
    assert best.grid.isHidden()
    latent = common(atlas)
    session.choose(latent)
    wanted = [reference.row for reference in atlas.references(latent)][:N_BEST]
    qtbot.waitUntil(lambda: rows(best) == wanted)
    assert best.grid.isVisible() and best.grid.cells._latent == latent
    session.choose(0)  # fires nowhere
    qtbot.waitUntil(lambda: best.grid.isHidden())


def test_all_of_them_are_seen_in_the_least_width_of_the_dock(best, session, atlas, qtbot):
    best.resize(WIDTH - 40, 200)
    session.choose(int(atlas.statistics["n_images"].argmax()))
    qtbot.waitUntil(lambda: len(rows(best)) == N_BEST)
    qtbot.wait(1)
    places = [best.grid.visualRect(best.grid.cells.index(i)) for i in range(N_BEST)]
    assert all(best.grid.viewport().rect().contains(place) for place in places)


def test_the_second_concept_changes_nothing_and_another_atlas_empties_it(best, session, atlas, qtbot):
    session.choose(common(atlas))
    qtbot.waitUntil(lambda: bool(rows(best)))
    before = rows(best)
    session.choose(0, 1)
    assert rows(best) == before
    session.set_source(None, None)
    assert rows(best) == []
