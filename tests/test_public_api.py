"""The public API is a list: a change to it is a change to this file and to the fixture beside it."""

import importlib
import inspect
import json
import types
from pathlib import Path
from typing import Any

import pytest

_SIGNATURES = Path(__file__).parent / "data" / "public_api.json"
_MODULES = ("agentkit", "agentkit.emulator", "agentkit.events", "agentkit.messages", "agentkit.models")


def _signature(value: Any) -> str | None:
    """How it is called, without annotations (they are the type checkers' business); None for what is not called."""
    if isinstance(value, types.UnionType) or not callable(value) or getattr(value, "__module__", "") == "typing":
        return None
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    parameters = []
    for parameter in signature.parameters.values():
        bare = parameter.replace(annotation=inspect.Parameter.empty)
        if parameter.default is not inspect.Parameter.empty and not isinstance(
            parameter.default, str | int | float | bool | tuple | None
        ):
            bare = bare.replace(default=...)
        parameters.append(bare)
    return str(inspect.Signature(parameters))


def _members(value: type) -> dict[str, str | None]:
    names = [name for name in dir(value) if not name.startswith("_") and not hasattr(Exception, name)]
    return {name: _signature(getattr(value, name, None)) for name in names}


def _described(module: str) -> dict[str, Any]:
    namespace = importlib.import_module(module)
    described: dict[str, Any] = {}
    for name in namespace.__all__:
        value = getattr(namespace, name)
        if not getattr(value, "__module__", "").startswith("agentkit"):
            described[name] = None  # an alias or a value: what it can do differs between Python versions
        elif isinstance(value, type) and not isinstance(value, types.GenericAlias):
            described[name] = {"()": _signature(value), **_members(value)}
        else:
            described[name] = _signature(value)
    return described


@pytest.mark.parametrize("module", _MODULES)
def test_all_is_sorted_and_complete(module: str) -> None:
    namespace = importlib.import_module(module)
    assert namespace.__all__ == sorted(set(namespace.__all__))
    public = {
        name
        for name, value in vars(namespace).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public == set(namespace.__all__)
    assert namespace.__doc__


@pytest.mark.parametrize("module", _MODULES)
def test_names_and_signatures_are_the_released_ones(module: str) -> None:
    pinned: dict[str, Any] = json.loads(_SIGNATURES.read_text(encoding="utf-8"))
    assert _described(module) == pinned[module]


@pytest.mark.parametrize("module", _MODULES)
def test_every_public_class_and_function_has_a_docstring(module: str) -> None:
    namespace = importlib.import_module(module)
    values = {name: getattr(namespace, name) for name in namespace.__all__}
    assert [
        name
        for name, value in values.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and not value.__doc__
    ] == []


if __name__ == "__main__":  # run this file to write the fixture anew, and look at the difference
    written = json.dumps({module: _described(module) for module in _MODULES}, indent=2, sort_keys=True)
    _SIGNATURES.write_text(written + "\n", encoding="utf-8")
