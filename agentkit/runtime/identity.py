"""What a run is of, as hashes: two runs with one id must have the same, or one of them is a mistake. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentkit import _json
from agentkit.messages import Message
from agentkit.messages.codec import encode_message
from agentkit.runtime.run import RunSpec


@dataclass(frozen=True, slots=True)
class Identity:
    """`fingerprint` is of the agent (instructions, tools, output), `input` of prompt and history."""

    agent: str
    model: str
    fingerprint: str
    input: str


def identity(spec: RunSpec, prompt: Sequence[Message], history: Sequence[Message]) -> Identity:
    """The identity of a run."""
    asked = _hash([[encode_message(message) for message in messages] for messages in (history, prompt)])
    return Identity(spec.name, spec.model.name, fingerprint(spec), asked)


def fingerprint(spec: RunSpec) -> str:
    """Of what an agent is: its instructions (a function: its name), its tools as the model sees them, its output."""
    told: Any = spec.instructions
    if callable(told):
        told = getattr(told, "__qualname__", type(told).__qualname__)
    tools = [[tool.name, tool.definition.description, tool.definition.parameters] for tool in spec.toolset.tools]
    output = None if spec.declared is None else spec.declared.schema
    return _hash([told, tools, output])


def _hash(value: Any) -> str:
    return hashlib.sha256(_json.dumps(value)).hexdigest()
