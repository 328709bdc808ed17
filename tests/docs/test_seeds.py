"""docs/seeds.md: every word of the vendors' pages has a row, and every test that a row names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT.parent / "shared" / "reference" / "seeds"
HELD_BY = re.compile(r"`(?P<file>(?:tests|examples)/[\w/]+\.py)(?:::(?P<name>\w+))?`|(?:planned|not done): \S.*")
FILES = {
    "ToAPIs, gpt-5-4-mini-official": "000",
    "ToAPIs, gpt-5-4-nano-official": "001",
    "ByteSpike, gpt-5-4-mini": "002",
    "ModelStream, gpt-4o-mini": "003",
    "Runware, openai:gpt@5.4-mini": "004",
}
LATER = {
    "planned: retrieval with an index",
    "planned: a tool that runs commands in a sandbox",
    "planned: an example with `agent.as_tool()`",
}


def rows() -> dict[str, list[tuple[str, str, str]]]:
    """The rows of each page."""
    pages: dict[str, list[tuple[str, str, str]]] = {}
    for line in (ROOT / "docs" / "seeds.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            pages[line[3:]] = []
        elif line.startswith("| ") and not line.startswith("| on the page"):
            what, says, held = line.strip("| ").split(" | ")
            pages[[*pages][-1]].append((what.strip(), says.strip(), held.strip()))
    return pages


def functions(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_page_has_rows() -> None:
    assert {page: bool(found) for page, found in rows().items()} == dict.fromkeys(FILES, True)


@pytest.mark.parametrize("page", FILES)
def test_every_row_ends_with_tests_that_exist_or_with_a_reason(page: str) -> None:
    problems: list[str] = []
    for what, _, held in rows()[page]:
        for part in held.split("<br>"):
            found = HELD_BY.fullmatch(part)
            if found is None:
                problems.append(f"{what}: {part!r} is no test, no plan and no reason")
            elif found["file"] is not None and not (ROOT / found["file"]).is_file():
                problems.append(f"{what}: there is no file {found['file']}")
            elif found["name"] is not None and found["name"] not in functions(ROOT / found["file"]):
                problems.append(f"{what}: {found['file']} has no {found['name']}")
    assert problems == []


def test_only_what_later_issues_bring_is_still_planned() -> None:
    planned = {part for found in rows().values() for _, _, held in found for part in held.split("<br>")}

    assert {part for part in planned if part.startswith("planned: ")} == LATER


def words_of(page: str, text: str) -> list[str]:
    """The parameters that a page lists, each in the page's own notation."""
    if page.startswith("ToAPIs"):
        return re.findall(r"^ +• (\w+) \| ", text, re.MULTILINE)
    if page.startswith("ByteSpike"):
        return re.findall(
            r"^(model|messages|max_tokens|tools|response_format|stream)(?:string|array|integer|object|bool)", text, re.M
        )
    if page.startswith("ModelStream"):
        request = text.partition("request example.")[2].partition("id?string")[0]
        return re.findall(r"([a-z_]+)[?*](?:string|number|array|boolean)", request)
    return re.findall(r"^([a-z]\w+)\n\n(?:string|integer|boolean|float|array|object)\b", text, re.MULTILINE)


@pytest.mark.skipif(not PAGES.is_dir(), reason="the vendors' pages are not part of this checkout")
@pytest.mark.parametrize("page", FILES)
def test_no_parameter_of_a_page_is_missing(page: str) -> None:
    (file,) = PAGES.glob(f"{FILES[page]}_*.txt")
    words = words_of(page, file.read_text(encoding="utf-8"))
    told = " ".join(re.findall(r"`([^`]+)`", " ".join(what for what, _, _ in rows()[page])))

    assert len(words) >= 6
    assert [word for word in words if not re.search(rf"\b{word}\b", told)] == []
