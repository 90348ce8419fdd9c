"""What lists know of latents, and how numbers are written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_cytosae._facts import Facts, facts_of, fires_everywhere, number, percent
from napari_cytosae._session import Session


@pytest.mark.parametrize(
    ("share", "written"),
    [(0.0, "0 %"), (0.00005, "< 0.01 %"), (0.0123, "1.2 %"), (0.5, "50 %"), (1.0, "100 %"), (np.nan, "–")],
)
def test_percent(share, written):
    assert percent(share) == written


def test_number():
    assert [number(value) for value in (0.0, 0.00012345, 6e-5, 12.345, 1234.5, np.nan)] == [
        "0", "0.000123", "< 0.0001", "12.3", "1,234", "–",
    ]  # fmt: skip


def test_facts_of_an_atlas(session, atlas):
    facts = facts_of(session)
    np.testing.assert_array_equal(facts.strength, atlas.statistics["mean_activation"])
    np.testing.assert_array_equal(facts.purity, atlas.statistics["dominant_share"])
    assert facts_of(session) is facts, "made once"
    session.set_source(session.explorer, None)
    assert facts_of(session) is not facts


def test_a_bare_run_is_a_list_of_unknown_latents(session):
    session.set_source(session.explorer, None)
    facts = facts_of(session)
    assert len(facts) == session.explorer.d_sae
    assert np.isnan(facts.frequency).all()
    assert not fires_everywhere(session).any()
    assert not facts.flagged().any()
    assert "–" in facts.sentence(3)


def test_nothing_open():
    assert len(facts_of(Session())) == 0


def test_published_entropy_gives_purity():
    facts = Facts.of_table(pd.DataFrame({"label_entropy": [np.nan, np.nan], "published_entropy": [0.0, np.log(2)]}))
    np.testing.assert_allclose(facts.purity, [1.0, 0.5])


def test_flags_have_badges_and_sentences():
    table = pd.DataFrame({"flag_colour": [True, False], "flag_few_cells": [True, None]})
    facts = Facts.of_table(table)
    assert facts.badges(0) == ["colour", "few cells"]
    assert facts.flagged().tolist() == [True, False]
    assert "Doubtful (flagged): follows the colour of the stain; rests on few cells." in facts.sentence(0)
    assert "Doubtful" not in facts.sentence(1)


def test_what_fires_everywhere_is_the_explorers_word(session):
    frequency = facts_of(session).frequency
    session.explorer.everywhere = 0.5
    np.testing.assert_array_equal(fires_everywhere(session), frequency >= 0.5)
    session._explorer = None
    np.testing.assert_array_equal(fires_everywhere(session), frequency >= 0.95)


def test_no_label(session):
    table = pd.DataFrame({"dominant_label": pd.Categorical(["blast", None])})
    assert Facts.of_table(table).label.tolist() == ["blast", ""]


def test_what_the_ten_best_cells_mostly_are_and_what_all_of_them_are():
    table = pd.DataFrame(
        {
            "dominant_label": ["neutrophil_segmented", "blast", None],
            "dominant_share": [0.9, np.nan, np.nan],
            "best_label": ["lymphocyte", None, None],
            "best_precision": [0.5, np.nan, np.nan],
        }
    )
    facts = Facts.of_table(table)
    assert [facts.mostly(latent) for latent in range(3)] == ["neutrophil segmented 90 %", "blast", "–"]
    assert "its ten best cells, neutrophil segmented 90 %" in facts.sentence(0)
    assert "all cells that show it, however weakly, lymphocyte 50 %." in facts.sentence(0)
    assert "Of all cells" not in facts.sentence(1)


def test_purity_without_a_label_is_shown_alone():
    facts = Facts.of_table(pd.DataFrame({"published_entropy": [np.log(2)]}))
    assert facts.mostly(0) == "50 %"
    assert "Cell-type purity 50 % (label entropy 0.693 nats)." in facts.sentence(0)
