"""The plain types (str, int, lists of them, ...) as pydantic-core and JSON schemas, without a round through pydantic.

Most parameters of most tools are plain, and pydantic's own way costs several hundred microseconds per function. What
is built here is exactly what pydantic builds for the same type (a property test compares them); every other type is
left to pydantic.
"""

import types
from collections.abc import Hashable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic_core import CoreSchema, core_schema


class Plain(NamedTuple):
    """One type: what pydantic-core validates and what the model is shown."""

    core: CoreSchema
    json: dict[str, Any]


_SCALARS: Mapping[Any, tuple[CoreSchema, str]] = {
    str: (core_schema.str_schema(), "string"),
    int: (core_schema.int_schema(), "integer"),
    float: (core_schema.float_schema(), "number"),
    bool: (core_schema.bool_schema(), "boolean"),
    type(None): (core_schema.none_schema(), "null"),
    None: (core_schema.none_schema(), "null"),
}


def plain(tp: Any) -> Plain | None:
    """The schemas of a plain type, None for a type that pydantic has to look at."""
    if isinstance(tp, Hashable) and (scalar := _SCALARS.get(tp)) is not None:
        return Plain(scalar[0], {"type": scalar[1]})
    if tp is Any:
        return Plain(core_schema.any_schema(), {})
    return _compound(get_origin(tp), get_args(tp))


def _compound(origin: Any, args: tuple[Any, ...]) -> Plain | None:
    if origin is Literal:
        return _literal(args)
    if origin is Annotated:
        return _described(args)
    if origin is list:
        return _list(args)
    if origin is dict:
        return _dict(args)
    if origin is Union or origin is types.UnionType:
        return _union(args)
    return None


def _literal(values: tuple[Any, ...]) -> Plain | None:
    if not all(type(value) is str for value in values):
        return None
    shown = {"const": values[0]} if len(values) == 1 else {"enum": list(values)}
    return Plain(core_schema.literal_schema(list(values)), {"type": "string", **shown})


def _described(args: tuple[Any, ...]) -> Plain | None:
    tp, *metadata = args
    if len(metadata) != 1 or not isinstance(metadata[0], str) or (inner := plain(tp)) is None:
        return None
    return Plain(inner.core, {**inner.json, "description": metadata[0]})


def _list(args: tuple[Any, ...]) -> Plain | None:
    if not args or (item := plain(args[0])) is None:
        return None
    return Plain(core_schema.list_schema(item.core), {"type": "array", "items": item.json})


def _dict(args: tuple[Any, ...]) -> Plain | None:
    if not args or args[0] is not str or (value := plain(args[1])) is None:
        return None
    core = core_schema.dict_schema(core_schema.str_schema(), value.core)
    return Plain(core, {"type": "object", "additionalProperties": value.json or True})


def _union(args: tuple[Any, ...]) -> Plain | None:
    choices: list[Plain] = []
    for arg in args:
        if arg is type(None):
            continue
        if get_origin(arg) is Annotated or (choice := plain(arg)) is None:
            return None
        choices.append(choice)
    core: CoreSchema = core_schema.union_schema([choice.core for choice in choices]) if choices[1:] else choices[0].core
    shown = [choice.json for choice in choices]
    if type(None) in args:
        core = core_schema.nullable_schema(core)
        shown.append({"type": "null"})
    return Plain(core, {"anyOf": shown})
