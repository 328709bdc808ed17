"""What the package hands out, and what each tool declares of itself."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import agentkit_tools
from agentkit import Tool
from agentkit_tools import calculator, files, http, search, sql


@pytest.fixture
def tools(tmp_path: Path) -> list[Tool[..., object]]:
    """Every tool there is."""
    with closing(sqlite3.connect(tmp_path / "shop.db")):
        toolsets = [
            files(tmp_path, write=True),
            http(timeout=20),
            search(tmp_path),
            sql(tmp_path / "shop.db", timeout=5),
        ]
    return [calculator, *(tool for toolset in toolsets for tool in toolset.tools)]


def test_the_names_of_the_package() -> None:
    assert agentkit_tools.__all__ == [
        "Column",
        "FileListing",
        "Passage",
        "Rows",
        "Table",
        "WebPage",
        "calculator",
        "files",
        "http",
        "search",
        "sql",
    ]
    assert all(hasattr(agentkit_tools, name) for name in agentkit_tools.__all__)


def test_each_tool_declares_its_effect_its_trust_and_its_time(tools: list[Tool[..., object]]) -> None:
    declared = [(tool.name, tool.options.effect, tool.options.trust, tool.options.timeout) for tool in tools]
    assert declared == [
        ("calculator", "read", "tool", 10),
        ("list_files", "read", "tool", 30),
        ("read_file", "read", "tool", 30),
        ("write_file", "write", "tool", 30),
        ("http_fetch", "read", "web", 30),
        ("search", "read", "tool", 30),
        ("sql_schema", "read", "tool", 15),
        ("sql_query", "read", "tool", 15),
    ]


def test_the_model_is_told_what_each_tool_and_each_parameter_is_for(tools: list[Tool[..., object]]) -> None:
    for tool in tools:
        properties = tool.definition.parameters.get("properties", {})
        assert tool.description.endswith("."), tool.name
        assert all(described["description"].endswith(".") for described in properties.values()), tool.name


def test_what_the_model_sees_of_a_tool_is_its_signature_and_docstring(tools: list[Tool[..., object]]) -> None:
    read_file = next(tool for tool in tools if tool.name == "read_file")
    assert (read_file.description, read_file.definition.parameters) == (
        "Read a text file, or a range of its lines.",
        {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "The file, as list_files names it."},
                "start_line": {
                    "type": "integer",
                    "default": 1,
                    "description": "The first line to read, counted from 1.",
                },
                "max_lines": {"type": "integer", "default": 1000, "description": "The most lines to read."},
            },
            "required": ["path"],
            "additionalProperties": False,
        },
    )
