from __future__ import annotations

import pytest

from cytosae_toolkit.atlas.query_tokens import QueryError, tokenize


def pieces(query: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in tokenize(query)]


def test_a_query_is_cut_into_tokens():
    assert pieces('(auer "two rods") OR #1,2 -label≠"a b"') == [
        ("(", "("), ("word", "auer"), ("phrase", "two rods"), (")", ")"), ("OR", "OR"), ("latents", "1,2"),
        ("NOT", "-"), ("word", "label"), ("operator", "!="), ("quoted", "a b"), ("end", ""),
    ]  # fmt: skip


def test_tokens_know_where_they_start():
    assert [token.position for token in tokenize(" mean > 0.5")] == [1, 6, 8, 11]


def test_an_error_shows_the_query_and_points_at_the_trouble():
    with pytest.raises(QueryError, match="position 6: this quotation mark is not closed") as caught:
        list(tokenize('auer "rods'))
    assert (caught.value.position, caught.value.advice) == (5, 'Write another " after the text.')
    assert caught.value.message.splitlines()[1:3] == ['    auer "rods', "         ^"]
