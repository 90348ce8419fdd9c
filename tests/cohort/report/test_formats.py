from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_toolkit.cohort.report import formats


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        (formats.number, 39.1234, "39.1"), (formats.number, 4.408, "4.41"), (formats.number, 12345.6, "12,346"),
        (formats.number, 0.00028, "0.00028"), (formats.number, -2.5, "−2.50"), (formats.number, math.nan, "–"),
        (formats.signed, 2.5, "+2.50"), (formats.signed, -2.5, "−2.50"), (formats.signed, 0, "0.00"),
        (formats.count, "1234", "1,234"), (formats.percent, 0.1234, "12.3 %"), (formats.p_value, 1e-9, "<0.001"),
        (formats.p_value, 0.0123, "0.012"), (formats.word, "aml_m3", "aml m3"), (formats.word, None, "–"),
        (formats.blank, "colour", "colour"),
    ],
)  # fmt: skip
def test_numbers_as_they_are_read(form, value, shown):
    assert form(value) == shown
    assert formats.agrees(shown, None if value != value else value)


@given(st.floats(-1e7, 1e7), st.sampled_from([formats.number, formats.signed]))
def test_what_is_shown_agrees_with_what_it_came_from(value, form):
    assert formats.agrees(form(value), value)


@given(st.floats(0, 1))
def test_shares_and_p_values_agree(value):
    assert formats.agrees(formats.percent(value), value)
    assert formats.agrees(formats.p_value(value), value)


@pytest.mark.parametrize(
    ("shown", "value"),
    [("39.1", 39.2), ("<0.001", 0.002), ("–", 1.0), ("12.3 %", 0.2), ("−2.5", 2.5), ("aml", "cll"), ("1", None),
     ("1.00", True)],
)  # fmt: skip
def test_another_number_does_not_agree(shown, value):
    assert not formats.agrees(shown, value)


def test_what_is_missing_is_blank():
    assert formats.blank(None) == formats.blank(math.nan) == ""
