"""What a model is asked: one request, whatever wire it travels on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from agentkit.messages import History, Message
from agentkit.models.settings import ModelSettings

ToolChoice: TypeAlias = str
"""`"auto"`, `"required"`, `"none"`, or the name of the tool that must be called."""


@dataclass(frozen=True, slots=True)
class Screen:
    """The screen of a computer that a model works at: pixels, and what runs on it."""

    width: int
    height: int
    environment: Literal["windows", "mac", "linux", "ubuntu", "browser"]


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool as the model sees it. `parameters` is the JSON Schema of an object;

    `strict` asks the server to hold to it. A tool of the kind `computer` is known to the model already, so its name,
    description and parameters are ours alone; `screen` goes with the models that want to be told of one.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool | None = None
    kind: Literal["function", "computer"] = "function"
    screen: Screen | None = None


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """What the wire's `response_format` is to say. `schema` and `name` go with json_schema."""

    type: Literal["json_schema", "json_object"]
    name: str = "output"
    schema: Mapping[str, Any] | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True, init=False)
class ModelRequest:
    """One request to a model.

    `instructions` goes out first, as a system message. `deadline` is in seconds of `time.monotonic()`: no attempt and
    no wait between attempts goes past it.
    """

    messages: History
    tools: tuple[ToolDefinition, ...]
    tool_choice: ToolChoice | None
    instructions: str | None
    response_format: ResponseFormat | None
    settings: ModelSettings
    deadline: float | None

    def __init__(
        self,
        messages: Iterable[Message],
        *,
        tools: Sequence[ToolDefinition] = (),
        tool_choice: ToolChoice | None = None,
        instructions: str | None = None,
        response_format: ResponseFormat | None = None,
        settings: ModelSettings | None = None,
        deadline: float | None = None,
    ) -> None:
        assign = object.__setattr__
        assign(self, "messages", messages if isinstance(messages, History) else History(messages))
        assign(self, "tools", tools if isinstance(tools, tuple) else tuple(tools))
        assign(self, "tool_choice", tool_choice)
        assign(self, "instructions", instructions)
        assign(self, "response_format", response_format)
        assign(self, "settings", settings if settings is not None else _NO_SETTINGS)
        assign(self, "deadline", deadline)


_NO_SETTINGS = ModelSettings()
