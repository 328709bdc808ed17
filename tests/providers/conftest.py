"""A stricter reader than the emulator: checks the bodies that these tests send by OpenAI's own schema."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCHEMA = Path(__file__).parents[3] / "shared" / "reference" / "openai-requests.schema.json"


@pytest.fixture(scope="session")
def valid_request() -> Callable[[Any], None]:
    """Fails the test when a body is not a valid Chat Completions request; skips it when the schema is not there."""
    if not SCHEMA.exists():
        pytest.skip("OpenAI's request schema is not beside this checkout")
    from jsonschema import Draft202012Validator

    document = json.loads(SCHEMA.read_bytes())

    reference = {"$ref": "#/components/schemas/CreateChatCompletionRequest"}
    validator = Draft202012Validator({**document, **reference})

    def check(body: Any) -> None:
        problems = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]
        assert problems == []

    return check
