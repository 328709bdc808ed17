"""No cancel scope and no task group is open across a `yield` (PEP 789): the source is read for it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentkit

ROOT = Path(agentkit.__file__).parent
SCOPES = {
    "CancelScope",
    "create_task_group",
    "fail_after",
    "fail_at",
    "move_on_after",
    "move_on_at",
    "open_nursery",
    "TaskGroup",
    "timeout",
}


def opened(node: ast.With | ast.AsyncWith) -> set[str]:
    """The names of what a with statement calls."""
    names: set[str] = set()
    for item in node.items:
        for part in ast.walk(item.context_expr):
            if isinstance(part, ast.Call):
                function = part.func
                names.add(function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""))
    return names


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """What is in a block, without the functions that are defined in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from inside(child)


def yields_in_scopes(source: str) -> list[int]:
    """The lines of the with statements that hold a scope open across a yield."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.With, ast.AsyncWith)) and opened(node) & SCOPES
        if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in inside(node))
    ]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_scope_is_open_across_a_yield(path: Path) -> None:
    assert yields_in_scopes(path.read_text(encoding="utf-8")) == []


def test_the_reader_finds_what_it_looks_for() -> None:
    bad = """
async def a():
    async with anyio.create_task_group() as group:
        for n in x:
            yield n

def b():
    with move_on_after(3), open(path):
        yield

async def c():
    with anyio.CancelScope(shield=True):
        async def inner():
            yield 1
        await inner()
    yield
"""
    assert yields_in_scopes(bad) == [3, 8]
