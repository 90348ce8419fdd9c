from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_toolkit.atlas.query import And, Field, Latents, Not, Or, QueryError, Words, parse, texts_of


def field(name: str, operator: str, *values: str) -> tuple[str, str, tuple[str, ...]]:
    return name, operator, values


def simplify(node):
    match node:
        case And(parts):
            return ("and", *map(simplify, parts))
        case Or(parts):
            return ("or", *map(simplify, parts))
        case Not(part):
            return ("not", simplify(part))
        case Field():
            return (node.name, node.operator, node.values)
        case Words(text):
            return text
        case Latents(numbers):
            return numbers


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ("and",)),
        ("  \n", ("and",)),
        ("auer", "auer"),
        ("auer rods", ("and", "auer", "rods")),
        ("auer AND rods", ("and", "auer", "rods")),
        ('"auer rods"', "auer rods"),
        ("a b OR c", ("or", ("and", "a", "b"), "c")),
        ("a (b OR c)", ("and", "a", ("or", "b", "c"))),
        ("NOT a -b NOT NOT c", ("and", ("not", "a"), ("not", "b"), "c")),
        ("-(a OR b)", ("not", ("or", "a", "b"))),
        ("few-cells a -b", ("and", "few-cells", "a", ("not", "b"))),
        ("or and not", ("and", "or", "and", "not")),
        ("#12", (12,)),
        ("#12,#40,77", (12, 40, 77)),
        ("(#12)", (12,)),
        ("entropy<0.5", ("entropy", "<", ("0.5",))),
        ("entropy <5", ("entropy", "<", ("5",))),
        ("Entropy <= 0.5", ("entropy", "<=", ("0.5",))),
        ("entropy≤0.5", ("entropy", "<=", ("0.5",))),
        ("log10mean>-3 n!=4", ("and", ("log10mean", ">", ("-3",)), ("n", "!=", ("4",)))),
        ('label:"band neutrophil"', ("label", ":", ("band neutrophil",))),
        ("label:a|b", ("label", ":", ("a", "b"))),
        ('label:"a|b"', ("label", ":", ("a|b",))),
        ("label:a:b", ("label", ":", ("a:b",))),
        ('verdict:""', ("verdict", ":", ("",))),
        ("-flag:colour (mean>1e-3)", ("and", ("not", ("flag", ":", ("colour",))), ("mean", ">", ("1e-3",)))),
        ("what! is", ("and", "what!", "is")),
        ("- a", ("and", "-", "a")),
    ],
)
def test_what_queries_mean(query, expected):
    assert simplify(parse(query)) == expected


@pytest.mark.parametrize(
    ("query", "position", "problem"),
    [
        ('auer "rods', 5, "quotation mark is not closed"),
        ('label:"eos', 6, "quotation mark is not closed"),
        ("(a OR b", 0, "parenthesis is not closed"),
        ("a) b", 1, "closes nothing"),
        ("a OR", 4, "the query ends where a term should be"),
        ("OR a", 0, "OR stands where a term should be"),
        ("a AND OR b", 6, "OR stands where a term should be"),
        ("a NOT", 5, "the query ends"),
        ("()", 1, ". stands where"),
        ("#", 0, "# needs the number"),
        ("a #1b", 2, "# needs the number"),
        ("entropy<", 7, "< needs a value"),
        ("<5", 0, "< needs the name of a field"),
        ("mean > )", 5, "> needs a value"),
        ("a ! b", 2, "! stands alone"),
        ("(" * 51 + "a" + ")" * 51, 50, "more than 50 parentheses"),
    ],
)
def test_errors_name_position_and_meaning(query, position, problem):
    with pytest.raises(QueryError, match=problem) as caught:
        parse(query)
    assert caught.value.position == position
    text = caught.value.message.splitlines()
    assert text[2].index("^") - 4 == min(position, 35)
    assert text[1][text[2].index("^") :][:1] == query[position : position + 1]


@given(st.text(alphabet='ab "()#-<>=:!|ORNTAD12\t'))
def test_any_text_parses_or_is_a_query_error(query):
    try:
        parse(query)
    except QueryError as error:
        assert 0 <= error.position <= len(query)


def test_long_chains_do_not_exhaust_the_stack():
    assert parse("NOT " * 100_001 + "a") == Not(Words("a"))
    assert len(parse("a " * 10_000).parts) == 10_000


def test_relevance_ignores_what_is_negated():
    assert texts_of(parse('auer (rods OR "thin needle") -pale mean>3')) == [["auer"], ["rods"], ["thin needle"]]
    assert texts_of(parse("auer rods mean>3 OR pale")) == [["auer", "rods"], ["pale"]]
