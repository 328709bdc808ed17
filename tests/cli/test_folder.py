"""The demo's own tools over a folder of the user's: what they list, read and add up, and what they refuse."""

import sys
from pathlib import Path
from typing import Any

import pytest

from agentkit import Tool, ToolRetry
from agentkit.cli.folder import folder_tools
from agentkit.cli.handbook import handbook_tools


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "sales.csv").write_text("region,product,units\nWest,Ä-1,3\nEast,B,\nWest,B,4.5\n", encoding="utf-8-sig")
    (root / "notes.md").write_text("\n# Notes on trips\n\nTrains first.\n\nNo trips on Sundays.\n", encoding="utf-8")
    (root / "sub").mkdir()
    (root / "sub" / "plan.txt").write_text("Plan for trips\nSundays are free", encoding="utf-8")
    (root / ".hidden.md").write_text("secret", encoding="utf-8")
    (root / "photo.png").write_bytes(b"\x89PNG")
    (tmp_path / "outside.txt").write_text("secret", encoding="utf-8")
    return root


def tools(root: Path) -> dict[str, Tool[..., Any]]:
    return {tool.name: tool for tool in (*folder_tools(root), *handbook_tools(root))}


def test_files_are_listed_with_their_titles_and_columns(root: Path) -> None:
    assert tools(root)["list_files"]() == [
        {"path": "notes.md", "title": "Notes on trips"},
        {
            "path": "sales.csv",
            "columns": {"region": ["East", "West"], "product": ["B", "Ä-1"], "units": "number"},
        },
        {"path": "sub/plan.txt", "title": "Plan for trips"},
    ]


def test_odd_files_are_listed_all_the_same(root: Path) -> None:
    (root / "empty.csv").write_text("", encoding="utf-8")
    (root / "empty.txt").write_text("", encoding="utf-8")
    (root / "many.csv").write_text("id\n" + "".join(f"no {n}\n" for n in range(13)), encoding="utf-8")
    (root / "huge.csv").write_text(f"id\n{'x' * 200_000}\n", encoding="utf-8")
    listed = {entry.pop("path"): entry for entry in tools(root)["list_files"]()}
    assert listed["empty.csv"] == {"columns": {}}
    assert listed["empty.txt"] == {"title": ""}
    assert listed["many.csv"] == {"columns": {"id": "text"}}
    assert "cannot be read as CSV" in listed["huge.csv"]["problem"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_that_leads_out_of_the_folder_is_no_file_of_it(root: Path) -> None:
    (root / "link.txt").symlink_to(root.parent / "outside.txt")
    assert "link.txt" not in [entry["path"] for entry in tools(root)["list_files"]()]
    with pytest.raises(ToolRetry, match=r"There is no file 'link\.txt' in the folder"):
        tools(root)["read_text"]("link.txt")


@pytest.mark.parametrize("path", ["../outside.txt", "sub", "no.txt", "a\0b", "sub/../../outside.txt"])
def test_nothing_outside_of_the_folder_is_read(root: Path, path: str) -> None:
    with pytest.raises(ToolRetry, match=r"The files are: notes\.md, sales\.csv, sub/plan\.txt"):
        tools(root)["read_text"](path)


def test_an_absolute_path_is_refused_and_an_empty_folder_says_that_it_is(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolRetry, match="There is no file"):
        tools(root)["read_text"](str(tmp_path / "outside.txt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ToolRetry, match="The files are: none"):
        tools(tmp_path / "empty")["read_text"]("a.txt")


def test_a_column_is_added_up_in_all_and_in_groups(root: Path) -> None:
    total = tools(root)["column_total"]
    assert total("sales.csv", "units") == {"path": "sales.csv", "column": "units", "totals": {"all": 7.5}}
    assert total("sales.csv", "units", group_by="region")["totals"] == {"West": 7.5, "East": 0.0}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("sales.csv", "price"), "has no column 'price'. Its columns are: region, product, units"),
        (("sales.csv", "units", "country"), "has no column 'country'"),
        (("sales.csv", "product"), "has 'Ä-1' in column 'product' of line 2: not a number"),
        (("empty.csv", "units"), "Its columns are: none"),
    ],
)
def test_a_column_that_cannot_be_added_up_is_explained(root: Path, arguments: tuple[str, ...], problem: str) -> None:
    (root / "empty.csv").write_text("", encoding="utf-8")
    with pytest.raises(ToolRetry) as raised:
        tools(root)["column_total"](*arguments)
    assert problem in str(raised.value)


def test_passages_with_the_rarest_words_come_first(root: Path) -> None:
    search = tools(root)["search_handbook"]
    assert search("Trips on Sundays?") == [
        {"file": "notes.md", "line": 6, "text": "No trips on Sundays."},
        {"file": "sub/plan.txt", "line": 2, "text": "Sundays are free"},
        {"file": "sub/plan.txt", "line": 1, "text": "Plan for trips"},
        {"file": "notes.md", "line": 4, "text": "Trains first."},  # by its heading
    ]
    assert search("trips", limit=1) == [{"file": "notes.md", "line": 6, "text": "No trips on Sundays."}]
    assert search("elephants") == []
