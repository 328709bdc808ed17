"""Histories that come from outside: valid to send, or repaired. What a run has made is known to be valid."""

from collections.abc import Iterable

from agentkit.messages import History, Message, repaired


def sound(given: Iterable[Message] | None) -> tuple[History, tuple[str, ...]]:
    """A history that is valid to send, and what had to be changed for that, in sentences.

    One that was found valid once, or that a run has made, is not looked through again.
    """
    history = given if isinstance(given, History) else History(given or ())
    if history.is_sound:
        return history, ()
    repair = repaired(history)
    if repair.changes:
        history = History(repair.messages)
    history.mark_sound()
    return history, tuple(f"the history was repaired: {change}" for change in repair.changes)
