"""Options of plugins: from ``-B key=value`` or Python to a validated model, and back to text for listings."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from cytosae_toolkit.errors import CytosaeError, nearest


@dataclass(frozen=True)
class OptionDescription:
    """One option, as `plugins show` prints it.

    Parameters
    ----------
    name : str
        Name that users type.
    type : str
        Its type in Python's notation, such as ``float`` or ``'unit' | 'free'``.
    default
        Its default; None if it is required.
    required : bool
        Whether it must be given.
    description : str
        What it does.
    """

    name: str
    type: str
    default: Any
    required: bool
    description: str


def describe_options(model: type[BaseModel]) -> list[OptionDescription]:
    """Return all options of a model in the order of their definition."""
    return [_describe(name, field) for name, field in model.model_fields.items()]


def _describe(name: str, field: FieldInfo) -> OptionDescription:
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return OptionDescription(
        name=name,
        type=type_name(field.annotation),
        default=default,
        required=field.is_required(),
        description=field.description or "",
    )


def type_name(annotation: Any) -> str:
    """Return a type in short Python notation: ``int | None``, ``'a' | 'b'``, ``tuple[int, ...]``."""
    if annotation is None or annotation is types.NoneType:
        return "None"
    if annotation is Ellipsis:
        return "..."
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(repr(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(type_name(argument) for argument in arguments)
    if hasattr(annotation, "__metadata__"):  # Annotated[int, ...]: the constraint is not part of the name
        return type_name(arguments[0])
    if origin is not None:
        return f"{origin.__name__}[{', '.join(type_name(argument) for argument in arguments)}]"
    return str(getattr(annotation, "__name__", annotation))


def parse_options(model: type[BaseModel], given: Mapping[str, Any], owner: str) -> BaseModel:
    """Validate options before anything slow happens.

    Parameters
    ----------
    model : type of pydantic.BaseModel
        The options model of a spec.
    given : mapping
        Names and values. Strings, as they come from ``-B key=value``, are converted to the option's type:
        ``true``, ``1e-3``, ``1,2`` or ``[1, 2]``, and ``none`` or ``null`` where None is allowed.
    owner : str
        Such as ``the backbone 'timm'``, for messages.

    Returns
    -------
    pydantic.BaseModel
        An instance of `model`.

    Raises
    ------
    CytosaeError
        If options are unknown, missing or ill-typed; it names each and the valid ones with their types.
    """
    unknown = [name for name in given if name not in model.model_fields]
    if unknown:
        raise _unknown_options(model, unknown, owner)
    values = {name: _converted(value, model.model_fields[name].annotation) for name, value in given.items()}
    try:
        return model(**values)
    except ValidationError as error:
        problems = "; ".join(_problem(detail, given) for detail in error.errors())
        message = f"{owner[0].upper()}{owner[1:]} cannot take these options: {problems}."
        raise CytosaeError(message, _valid_options(model)) from error


def _converted(value: Any, annotation: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lower() in ("none", "null") and _allows(annotation, None) and not _allows(annotation, value):
        return None
    if value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value.split(",") if _is_list(annotation) else value


def _is_list(annotation: Any) -> bool:
    """Say whether a type is a list or tuple, or one of those and None."""
    alternatives = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else [annotation]
    others = [alternative for alternative in alternatives if alternative is not types.NoneType]
    return all((get_origin(other) or other) in (list, tuple) for other in others)


def _allows(annotation: Any, value: Any) -> bool:
    """Say whether a type names a literal value (None included) as one of its alternatives."""
    if annotation is types.NoneType or annotation is None:
        return value is None
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return any(_allows(argument, value) for argument in get_args(annotation))
    return False


def _unknown_options(model: type[BaseModel], unknown: list[str], owner: str) -> CytosaeError:
    names = " and ".join(repr(name) for name in unknown)
    message = f"{owner[0].upper()}{owner[1:]} has no option {names}."
    suggestion = nearest(unknown[0], list(model.model_fields))
    close = f"{suggestion} " if suggestion.startswith("Did you mean") else ""
    return CytosaeError(message, close + _valid_options(model))


def _problem(detail: Any, given: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    text = str(detail["msg"])
    text = text[:1].lower() + text[1:]
    if detail["type"] == "missing":
        return f"{name} is required"
    if not detail["loc"]:
        return text
    return f"{name}={given.get(str(detail['loc'][0]))!r}: {text}"


def _valid_options(model: type[BaseModel]) -> str:
    options = describe_options(model)
    if not options:
        return "It takes no options."
    return f"Its options: {', '.join(_signature(option) for option in options)}."


def _signature(option: OptionDescription) -> str:
    default = "required" if option.required else f"default {option.default}"
    return f"{option.name} ({option.type}, {default})"
