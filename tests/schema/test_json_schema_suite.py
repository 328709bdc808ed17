"""The official JSON Schema test suite: `for_json_schema` gives its verdicts.

Left out: schemas in other documents, which are never fetched, and patterns with `\\p{...}`, which Python does not
know and which are therefore refused when the schema is taken.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkit.errors import OutputTypeError
from agentkit.schema import InvalidValue, for_json_schema

SUITE = Path(__file__).parents[3] / "shared" / "reference" / "json-schema-test-suite" / "tests"
DRAFTS = {"draft2020-12": None, "draft7": "http://json-schema.org/draft-07/schema#"}
REMOTE = "http://localhost:1234/"


def cases() -> Iterator[Any]:
    for draft, dialect in DRAFTS.items():
        for file in sorted((SUITE / draft).glob("*.json")):
            for group in json.loads(file.read_text(encoding="utf-8")):
                text = json.dumps(group["schema"])
                if REMOTE in text or r"\\p{" in text:
                    continue
                yield pytest.param(dialect, group, id=f"{draft}-{file.stem}-{group['description']}")


@pytest.mark.skipif(not SUITE.exists(), reason="the JSON Schema test suite is not in this checkout")
@pytest.mark.parametrize(("dialect", "group"), list(cases()))
def test_the_verdicts_are_those_of_the_suite(dialect: str | None, group: dict[str, Any]) -> None:
    schema = group["schema"] if isinstance(group["schema"], dict) else {"allOf": [group["schema"]]}
    if dialect is not None:
        schema = {"$schema": dialect, **schema}
    validator = for_json_schema(schema)
    verdicts = {}
    for test in group["tests"]:
        try:
            validator.validate(test["data"])
        except InvalidValue:
            verdicts[test["description"]] = False
        else:
            verdicts[test["description"]] = True
    assert verdicts == {test["description"]: test["valid"] for test in group["tests"]}


@pytest.mark.parametrize("schema", [{"pattern": r"^\p{L}+$"}, {"patternProperties": {r"^\p{L}+$": True}}])
def test_a_pattern_that_python_does_not_know_is_refused_and_not_misread(schema: dict[str, Any]) -> None:
    with pytest.raises(OutputTypeError, match="is not a 'regex'"):
        for_json_schema(schema)
