"""Where the names in a function's annotations are looked up."""

import builtins
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import currentframe
from types import SimpleNamespace
from typing import Annotated, Any, ForwardRef, Literal, Self, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Scope:
    """The module of a function, and the names of the functions and classes around it."""

    module: dict[str, Any]
    around: Mapping[str, Any]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Self:
        """The scope of a function that is being decorated: what stands around it is running now."""
        module: dict[str, Any] = getattr(function, "__globals__", {})
        around: dict[str, Any] = {}
        if "." in (name := getattr(function, "__qualname__", "")):
            for names in _enclosing(name, module):
                around = {**names, **around}
        around |= {param.__name__: param for param in getattr(function, "__type_params__", ())}
        return cls(module, around | _captured(function))

    def resolve(self, annotation: Any) -> Any:
        """The type that an annotation means, the strings in it replaced.

        Raises:
            NameError: a name in it is not defined; `.name` is that name.
            SyntaxError, TypeError, AttributeError: it says no type.
        """
        if not _has_names(annotation):
            return annotation
        if isinstance(annotation, str) and isinstance(known := self._named(annotation), type):
            return known  # most annotations are one name: no need to compile them
        holder: Any = SimpleNamespace(__annotations__={"it": annotation})
        return get_type_hints(holder, self.module, dict(self.around), include_extras=True)["it"]

    def _named(self, name: str) -> Any:
        for names in (self.around, self.module, vars(builtins)):
            if name in names:
                return names[name]
        return None


def _enclosing(name: str, module: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The names of the running functions and class bodies in which the function was written, innermost first."""
    frame = currentframe()
    while frame is not None:
        if frame.f_globals is module and name.startswith(f"{frame.f_code.co_qualname}."):
            yield frame.f_locals
        frame = frame.f_back


def _captured(function: Callable[..., Any]) -> dict[str, Any]:
    """What the function's closure holds; an empty cell belongs to a name that is assigned later."""
    captured: dict[str, Any] = {}
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=True):
        try:
            captured[name] = cell.cell_contents
        except ValueError:
            continue
    return captured


def _has_names(annotation: Any) -> bool:
    if isinstance(annotation, str | ForwardRef):
        return True
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return False
    origin = get_origin(annotation)
    if origin is Literal:
        return False
    args = get_args(annotation)
    return any(map(_has_names, args[:1] if origin is Annotated else args))
