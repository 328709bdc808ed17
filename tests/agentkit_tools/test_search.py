"""Text search: the passages that fit, with file and line, in the same order on each machine."""

from pathlib import Path
from typing import Any

import pytest

from agentkit import ToolRetry
from agentkit_tools import Passage, search
from agentkit_tools.jail import Jail
from agentkit_tools.passages import passages

REFUNDS = """# Refunds

A customer may return goods within 30 days.
The money is paid back in a week.

Shipping is not refunded.

## Exceptions

Software is not taken back.
"""
HOLIDAYS = """# Holidays

Everyone has 28 days of holiday a year.
"""


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "refunds.md").write_text(REFUNDS)
    (tmp_path / "holidays.md").write_text(HOLIDAYS)
    return tmp_path


def test_search_returns_the_passages_that_fit_with_file_and_line(handbook: Path, named: Any) -> None:
    assert named(search(handbook), "search")("How many days of holidays?", limit=2) == [
        Passage("holidays.md", 1, "# Holidays\n\nEveryone has 28 days of holiday a year."),
        Passage(
            "pages/refunds.md",
            1,
            "# Refunds\n\nA customer may return goods within 30 days.\nThe money is paid back in a week.",
        ),
    ]


def test_a_passage_is_found_by_the_heading_above_it(handbook: Path, named: Any) -> None:
    assert Passage("pages/refunds.md", 6, "Shipping is not refunded.", "Refunds") in named(search(handbook), "search")(
        "REFUND?"
    )


def test_search_follows_the_files_as_they_change(handbook: Path, named: Any) -> None:
    tool = named(search(handbook), "search")
    assert tool("sabbatical") == []
    (handbook / "new.txt").write_text("A sabbatical takes 6 months.")
    assert tool("sabbatical") == [Passage("new.txt", 1, "A sabbatical takes 6 months.")]


def test_equal_passages_come_in_the_order_of_file_and_line(tmp_path: Path, named: Any) -> None:
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text("tea\n\ntea\n")
    assert named(search(tmp_path), "search")("tea") == [
        Passage("a.txt", 1, "tea"),
        Passage("a.txt", 3, "tea"),
        Passage("b.txt", 1, "tea"),
        Passage("b.txt", 3, "tea"),
    ]


def test_rare_words_weigh_more_than_common_ones(tmp_path: Path, named: Any) -> None:
    (tmp_path / "a.txt").write_text("the the the the\n\nthe order\n\nthe zebra\n")
    assert named(search(tmp_path), "search")("the zebra", limit=1) == [Passage("a.txt", 5, "the zebra")]


def test_scripts_without_blanks_are_searched_by_sign(tmp_path: Path, named: Any) -> None:
    (tmp_path / "a.txt").write_text("退款政策\n\n假期\n", encoding="utf-8")
    assert named(search(tmp_path), "search")("退款") == [Passage("a.txt", 1, "退款政策")]


def test_binary_files_links_and_what_is_beyond_the_limits_are_passed_over(tmp_path: Path, named: Any) -> None:
    (tmp_path / "outside.txt").write_text("tea outside")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("tea " + "x" * 100 + "\n\ntea late")
    (root / "b.bin").write_bytes(b"tea\0tea")
    (root / "c.txt").write_text("tea third")
    (root / "d.txt").write_text("tea fourth")
    try:
        (root / "link.txt").symlink_to("../outside.txt")
    except OSError:
        pytest.skip("this user may not make links")
    tool = named(search(root, max_files=3, max_file_bytes=50), "search")
    assert [(passage.file, passage.line) for passage in tool("tea")] == [("a.txt", 1), ("c.txt", 1)]
    assert named(search(root, pattern="d.*"), "search")("tea") == [Passage("d.txt", 1, "tea fourth")]
    assert named(search(root, max_total_bytes=3), "search")("tea") == [Passage("a.txt", 1, "tea")]


def test_a_file_that_vanishes_while_searching_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: Any
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("tea")
    listed = Jail.files

    def vanishing(jail: Jail, path: str = "", *, most: int) -> list[str]:
        found = listed(jail, path, most=most)
        (tmp_path / "a.txt").unlink()
        return found

    monkeypatch.setattr(Jail, "files", vanishing)
    assert named(search(tmp_path), "search")("tea") == [Passage("b.txt", 1, "tea")]


def test_an_empty_folder_has_no_passages(tmp_path: Path, named: Any) -> None:
    assert named(search(tmp_path), "search")("anything") == []


@pytest.mark.parametrize(
    ("query", "limit", "sentence"),
    [
        ("?!", 5, "The query has no words in it."),
        ("tea", 0, "limit must be between 1 and 50."),
        ("tea", 51, "limit must be between 1 and 50."),
    ],
)
def test_a_query_that_cannot_be_answered_is_told_so(
    tmp_path: Path, named: Any, query: str, limit: int, sentence: str
) -> None:
    with pytest.raises(ToolRetry) as refusal:
        named(search(tmp_path), "search")(query, limit)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n\n", []),
        ("one\ntwo\n\n\nthree", [Passage("f", 1, "one\ntwo"), Passage("f", 5, "three")]),
        ("one\r\ntwo\r\n", [Passage("f", 1, "one\ntwo")]),
        ("# A\n# B\ntext", [Passage("f", 1, "# A"), Passage("f", 2, "# B\ntext")]),
        ("# A\n\n\ntext\n\nmore", [Passage("f", 1, "# A\n\n\ntext"), Passage("f", 6, "more", "A")]),
        ("#hashtag\n\nx", [Passage("f", 1, "#hashtag"), Passage("f", 3, "x")]),
        (
            "\n".join(map(str, range(1, 15))),
            [Passage("f", 1, "\n".join(map(str, range(1, 13)))), Passage("f", 13, "13\n14")],
        ),
        ("x" * 2000, [Passage("f", 1, "x" * 1200), Passage("f", 1, "x" * 800)]),
    ],
)
def test_a_text_is_cut_into_passages(text: str, expected: list[Passage]) -> None:
    assert passages("f", text) == expected
