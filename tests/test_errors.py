"""The error tree."""

import re

import pytest

from agentkit import (
    AgentkitError,
    GatewayError,
    History,
    InvalidOutput,
    LimitExceeded,
    MissingKey,
    RateLimited,
    Refused,
    RunEnded,
    StreamTruncated,
    ToolFailed,
    errors,
)
from agentkit.messages import AssistantMessage, UserMessage
from agentkit.usage import Usage


def _classes() -> list[type[Exception]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]


def _printed(error: type[BaseException], depth: int = 0) -> list[tuple[int, str]]:
    below = [line for child in error.__subclasses__() for line in _printed(child, depth + 1)]
    return [(depth, error.__name__), *below]


def test_the_tree_that_the_docstring_prints_is_the_tree() -> None:
    lines = (errors.__doc__ or "").split("```")[1].strip().splitlines()
    drawn: list[tuple[int, str]] = []
    for line in lines:
        found = re.match(r"([│├└─ ]*)(\w+)", line)
        assert found is not None
        drawn.append((len(found[1]) // 4, found[2]))
    assert drawn == _printed(AgentkitError)
    assert {name for _, name in drawn} == {error.__name__ for error in _classes()}


def test_every_error_says_in_its_docstring_what_it_is() -> None:
    assert [error.__name__ for error in _classes() if not error.__doc__] == []


def test_every_error_is_exported() -> None:
    import agentkit

    assert {error.__name__ for error in _classes()} <= set(agentkit.__all__)


def test_a_gateway_error_carries_what_is_needed_to_go_on() -> None:
    partial = AssistantMessage("so f")
    error = RateLimited(
        "too fast",
        status=429,
        code="rate_limit",
        param="model",
        request_id="r1",
        retry_after=2.5,
        billed=False,
        partial=partial,
        headers={"retry-after": "2.5"},
        provider_message="slow down",
        body={"error": {}},
    )
    assert str(error) == "too fast"
    assert vars(error) == {
        "status": 429,
        "code": "rate_limit",
        "param": "model",
        "request_id": "r1",
        "retryable": True,
        "retry_after": 2.5,
        "billed": False,
        "partial": partial,
        "headers": {"retry-after": "2.5"},
        "provider_message": "slow down",
        "body": {"error": {}},
        "history": None,
        "learned": None,
    }
    assert RateLimited("", retryable=False).retryable is False
    assert GatewayError("").headers == {}


def test_which_errors_may_go_away_by_themselves() -> None:
    retryable = {
        error.__name__ for error in _classes() if issubclass(error, GatewayError) and error.retryable_by_default
    }
    assert retryable == {
        "ConnectionFailed",
        "GatewayTimeout",
        "Overloaded",
        "RateLimited",
        "ServerError",
        "StreamTruncated",
    }
    assert StreamTruncated("").retryable


def test_a_run_that_ended_carries_its_history_and_usage() -> None:
    history, usage = History([UserMessage("hi")]), Usage(1, 2, 3)
    for error in (
        LimitExceeded("x", limit="turns", history=history, usage=usage, run_id="r", partial="so f"),
        Refused("x", refusal="no", history=history, usage=usage, run_id="r", partial="so f"),
        InvalidOutput("x", problems=("a",), history=history, usage=usage, run_id="r", partial="so f"),
        ToolFailed("x", error=KeyError(), history=history, usage=usage, run_id="r", partial="so f"),
    ):
        assert (error.history, error.usage, error.run_id, error.partial) == (history, usage, "r", "so f")
    bare = RunEnded("x")
    assert (bare.history, bare.usage, bare.run_id, bare.partial) == (History(), Usage(), "", None)


def test_an_error_of_a_family_is_caught_as_the_family() -> None:
    with pytest.raises(errors.UsageError) as caught:
        raise MissingKey("set TOAPIS_API_KEY", variable="TOAPIS_API_KEY")
    assert isinstance(caught.value, MissingKey)
    assert caught.value.variable == "TOAPIS_API_KEY"
