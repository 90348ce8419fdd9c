"""Options: from text to a validated model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from cytosae_toolkit._plugin_options import describe_options, parse_options, type_name
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.specs import Options


class Sample(Options):
    threshold: float = Field(0.2, ge=0, description="τ.")
    steps: int | None = None
    checkpoint: Path | None = Field(None, description="Local weights.")
    mode: Literal["unit", "none"] | None = "unit"
    flag: bool = False
    mean: tuple[float, float] | None = None
    label: str = ""


def parse(**given: Any) -> Any:
    return parse_options(Sample, given, "the backbone 'sample'")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("threshold", "1e-3", 1e-3),
        ("steps", "12", 12),
        ("steps", "none", None),
        ("steps", "NULL", None),
        ("checkpoint", "a/b.pth", Path("a/b.pth")),
        ("checkpoint", "none", None),
        ("mode", "none", "none"),
        ("mode", "null", None),
        ("flag", "true", True),
        ("flag", "no", False),
        ("mean", "0.5,0.25", (0.5, 0.25)),
        ("mean", "[0.5, 0.25]", (0.5, 0.25)),
        ("label", "none", "none"),
        ("label", "a,b", "a,b"),
    ],
)
def test_text_becomes_the_options_type(name: str, text: str, value: Any) -> None:
    assert getattr(parse(**{name: text}), name) == value


def test_values_from_python_are_taken_as_they_are() -> None:
    assert parse(threshold=1, mean=(1.0, 2.0)).mean == (1.0, 2.0)


def test_unknown_options_are_named_with_the_nearest_and_all_valid_ones() -> None:
    with pytest.raises(CytosaeError) as caught:
        parse(treshold="1", steps=3)
    text = str(caught.value)
    assert text.startswith("The backbone 'sample' has no option 'treshold'. Did you mean threshold?")
    assert "checkpoint (Path | None, default None)" in text and "threshold (float, default 0.2)" in text


def test_all_ill_typed_options_are_named_at_once() -> None:
    with pytest.raises(CytosaeError) as caught:
        parse(threshold="lots", steps="1.5", flag="perhaps")
    text = str(caught.value)
    assert all(part in text for part in ("threshold='lots'", "steps='1.5'", "flag='perhaps'"))


def test_constraints_hold() -> None:
    with pytest.raises(CytosaeError, match="threshold='-1': input should be greater than or equal to 0"):
        parse(threshold="-1")


def test_unknown_options_are_refused_even_if_the_model_ignores_them() -> None:
    class Lax(BaseModel):
        size: int = 1

    with pytest.raises(CytosaeError, match="has no option 'colour'"):
        parse_options(Lax, {"colour": "red"}, "the sae 'lax'")


def test_a_part_without_options_says_so() -> None:
    with pytest.raises(CytosaeError, match="It takes no options"):
        parse_options(Options, {"x": 1}, "the aggregator 'max'")


def test_missing_required_options_are_named() -> None:
    class Needs(Options):
        path: Path

    with pytest.raises(CytosaeError, match="path is required"):
        parse_options(Needs, {}, "the backbone 'needs'")


def test_descriptions_carry_type_default_and_meaning() -> None:
    described = {option.name: option for option in describe_options(Sample)}
    assert described["threshold"].type == "float" and described["threshold"].default == 0.2
    assert described["checkpoint"].description == "Local weights."
    assert not any(option.required for option in described.values())


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int | None, "int | None"),
        (Literal["a", "b"], "'a' | 'b'"),
        (tuple[int, ...], "tuple[int, ...]"),
        (dict[str, list[float]], "dict[str, list[float]]"),
        (Annotated[int, Field(gt=0)], "int"),
        (Any, "Any"),
    ],
)
def test_type_names_are_short(annotation: Any, text: str) -> None:
    assert type_name(annotation) == text
