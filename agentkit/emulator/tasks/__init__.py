"""Runware's own task API: `POST /v1` with an array of tasks.

From the vendor's pages: the fields of `textInference` and their ranges, delivery as sync, async and stream, polling,
webhooks, errors beside results. Guessed, because no page says it, and easy to change: the shape of tool calls in an
answer (`tools` with id, name and input, the mirror of what a request carries, with finishReason "unknown"; in a stream
they stand in its last event), the names of the levels of thinking, most error codes, and that a refusal is a text with
finishReason "content_filter". Prices are fixed, see `bill`.
"""

from agentkit.emulator.tasks.endpoint import Tasks

__all__ = ["Tasks"]
