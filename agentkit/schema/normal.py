"""Types as users write them, brought to the form that pydantic reads."""

import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import Field

from agentkit.schema.expressible import NotExpressible, type_name

_OPAQUE = (Literal, typing_extensions.Literal, Callable)
"""Generics whose arguments are no types to look into."""


def normal(tp: Any, names: Mapping[str, Any], within: tuple[Any, ...] = ()) -> Any:
    """The same type with `Annotated[T, "text"]` as a field description and, before Python 3.12, `typing.TypedDict` as
    `typing_extensions.TypedDict`, the only one that pydantic takes there.

    `names` resolves forward references of TypedDicts; `within` holds the TypedDicts around this type.

    Raises:
        NotExpressible: a `typing.TypedDict` that contains itself, before Python 3.12.
    """
    origin = get_origin(tp)
    if origin is None:
        return _modern(tp, names, within) if _is_dated(tp) else tp
    if origin in _OPAQUE:
        return tp
    if origin is Annotated:
        metadata = [Field(description=item) if isinstance(item, str) else item for item in tp.__metadata__]
        return Annotated[(normal(tp.__origin__, names, within), *metadata)]
    args = get_args(tp)
    changed = tuple(normal(arg, names, within) for arg in args)
    if all(new is old for new, old in zip(changed, args, strict=True)):
        return tp
    return _rebuilt(origin, changed)


def _rebuilt(origin: Any, args: tuple[Any, ...]) -> Any:
    if origin is types.UnionType:
        return Union[args]  # noqa: UP007  the members are only known here
    return origin[args[0] if len(args) == 1 else args]


def _is_dated(tp: Any) -> bool:
    """A `typing.TypedDict` on a Python where typing_extensions has its own."""
    return typing.is_typeddict(tp) and typing_extensions.TypedDict is not typing.TypedDict and not _is_modern(tp)


def _is_modern(tp: Any) -> bool:
    return type(tp).__module__ == typing_extensions.__name__


def _modern(tp: Any, names: Mapping[str, Any], within: tuple[Any, ...]) -> Any:
    if tp in within:
        raise NotExpressible(
            f"the TypedDict {type_name(tp)} contains itself: import TypedDict from typing_extensions, not from typing"
        )
    try:
        hints = get_type_hints(tp, localns=dict(names), include_extras=True)
    except NameError as error:
        raise NotExpressible(
            f"the type {type_name(tp)} names {error.name!r}, which is not defined: define it before it is used here"
        ) from error
    fields: dict[str, Any] = {}
    for name, hint in hints.items():
        field = normal(hint, names, (*within, tp))
        if get_origin(hint) not in (Required, NotRequired):
            field = Required[field] if name in tp.__required_keys__ else NotRequired[field]
        fields[name] = field
    make: Any = typing_extensions.TypedDict
    modern = make(tp.__name__, fields)
    modern.__doc__ = tp.__doc__
    return modern
