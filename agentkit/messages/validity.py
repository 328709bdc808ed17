"""What makes a history valid to send: every server takes it, whatever came before the next message. Pure.

Knows messages only, no wire. What one server has against a message that others take (an image, a file, a long id) is
the business of the adapter that talks to it.
"""

from collections.abc import Iterator, Sequence

from agentkit import _json
from agentkit.messages.message import AssistantMessage, Message, SystemMessage, ToolMessage
from agentkit.messages.parts import RefusalPart, TextPart, ToolCall


def violations(messages: Sequence[Message]) -> tuple[str, ...]:
    """Why these messages are not valid to send, in their order; empty when they are.

    Each sentence begins with the index of the message that it is about. Linear in the number of messages.
    """
    return tuple(_violations(messages))


def is_empty(message: Message) -> bool:
    """Whether a message says nothing that could be sent. A tool may well return nothing, so its answer never is."""
    match message:
        case ToolMessage():
            return False
        case SystemMessage(text):
            return not text.strip()
        case AssistantMessage(parts):
            said = (part for part in parts if isinstance(part, TextPart | RefusalPart))
            return not message.tool_calls and not any(part.text.strip() for part in said)
        case _:
            return all(isinstance(part, TextPart) and not part.text.strip() for part in message.parts)


def arguments_problem(call: ToolCall) -> str | None:
    """Why the arguments of a call cannot be sent as they are; None when they can.

    A call without a decoded object is sent with its text inside of an object, so that one can.
    """
    if call.arguments is None:
        return None
    if not call.arguments_text:
        return _unwritable(call.arguments)
    try:
        value = _json.loads(call.arguments_text)
    except ValueError as error:
        return f"the arguments are not JSON: {error}"
    return None if isinstance(value, dict) else "the arguments are JSON, and not an object"


def _violations(messages: Sequence[Message]) -> Iterator[str]:
    used: set[str] = set()
    index = 0
    while index < len(messages):
        message, end = messages[index], index + 1
        if isinstance(message, ToolMessage):
            yield f"messages[{index}]: the answer to {message.call_id!r} follows no message with calls"
            index = end
            continue
        if is_empty(message):
            yield f"messages[{index}]: the message is empty"
        calls = message.tool_calls if isinstance(message, AssistantMessage) else ()
        for call in calls:
            yield from _call_violations(call, index, used)
        while end < len(messages) and calls and isinstance(messages[end], ToolMessage):
            end += 1
        yield from _answer_violations(calls, messages, index, end)
        index = end


def _call_violations(call: ToolCall, index: int, used: set[str]) -> Iterator[str]:
    if not call.id:
        yield f"messages[{index}]: a call of {call.name!r} has no id"
    elif call.id in used:
        yield f"messages[{index}]: the id {call.id!r} belongs to an earlier call"
    used.add(call.id)
    if not call.name:
        yield f"messages[{index}]: the call {call.id!r} names no tool"
    problem = arguments_problem(call)
    if problem is not None:
        yield f"messages[{index}]: the call {call.id!r}: {problem}"


def _answer_violations(calls: Sequence[ToolCall], messages: Sequence[Message], index: int, end: int) -> Iterator[str]:
    """What is wrong with the answers between `index`, where the calls stand, and `end`."""
    asked = [call.id for call in calls]
    given = [message.call_id for message in messages[index + 1 : end] if isinstance(message, ToolMessage)]
    if asked == given:
        return
    known, seen = set(asked), set[str]()
    for place, answered in enumerate(given, index + 1):
        if answered in seen:
            yield f"messages[{place}]: the call {answered!r} is answered a second time"
        elif answered not in known:
            yield f"messages[{place}]: no call before it has the id {answered!r}"
        seen.add(answered)
    missing = [call_id for call_id in asked if call_id not in seen]
    if missing:
        yield f"messages[{index}]: no answer before the next message to: {', '.join(map(repr, missing))}"
    wanted = [call_id for call_id in dict.fromkeys(asked) if call_id in seen]
    if wanted != [call_id for call_id in dict.fromkeys(given) if call_id in known]:
        yield f"messages[{index}]: the answers are not in the order of the calls"


def _unwritable(arguments: object) -> str | None:
    try:
        _json.dumps(arguments)
    except (TypeError, ValueError) as error:
        return f"the arguments have no JSON form: {error}"
    return None
