from __future__ import annotations

from cytosae_toolkit.cohort.report.patient_cards import patient_card
from cytosae_toolkit.cohort.report.patient_tables import OWN, REFERENCE


def test_a_card_shows_own_cells_and_those_of_others_apart(alone):
    for column in alone.detailed:
        card, key = patient_card(alone, column), alone.key(column)
        kinds = [kind for kind, cell in zip(alone.kinds, alone.cells, strict=True) if cell.key == key]
        assert [len(row.cells) for row in card.cells] == [kinds.count(OWN), kinds.count(REFERENCE)]
        assert len(card.cells[0].cells) <= 1  # it has one cell


def test_a_card_says_why_it_is_there_and_shows_all_patients(alone):
    card = patient_card(alone, alone.detailed[0])
    said = "".join(part for part in card.text if isinstance(part, str))
    assert "in all others. It is here because the patient stands out (score " in said
    assert "It spoke" not in said
    assert card.plot is not None
