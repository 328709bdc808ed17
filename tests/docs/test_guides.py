"""The code of the guides to durability, history, limits and approvals runs as printed; links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"

PRINTED = {
    "durability": [
        ["sent to Acme", "the account is empty", "Done.", "Done.", "3 requests"],
        [],
        ["Ada. 4 2"],
    ],
    "history": [
        [
            "(\"messages[1]: answered the call 'c1', which had no answer, with an error\",)",
            "the history was repaired: messages[1]: answered the call 'c1', which had no answer, with an error",
        ],
        ["All is well.", "the history was compacted from 9 to 9 messages"],
    ],
    "limits": [
        [
            "I found nothing about Atlantis.",
            "limit turns: the run has had its 1 turns; the output is the answer of one last turn",
        ],
    ],
    "approvals": [["call_1 refund {'order': 'A-17', 'amount': 25} money", "Paid back."]],
}


@pytest.mark.parametrize("guide", PRINTED)
def test_the_code_of_a_guide_runs_as_printed(guide: str, tmp_path: Path) -> None:
    page = (DOCS / "guides" / f"{guide}.md").read_text(encoding="utf-8")
    assert [ran(code, tmp_path) for code in blocks(page)] == PRINTED[guide]


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    pages = (DOCS.parent / "README.md", *DOCS.rglob("*.md"))
    assert [f"{page.name}: {link}" for page in pages for link in links(page) if not (page.parent / link).exists()] == []


def links(page: Path) -> list[str]:
    """What a page links to in this repository."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link]


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def ran(code: str, directory: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()
