"""Makes completions: measures a checked Chat Completions request, commits its fault, asks the brain, counts tokens.

Above: whatever has translated a request of its own to Chat Completions. Below: brain, meter, faults. Knows nothing of
paths, headers or of how an answer is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from agentkit.emulator import faults as known
from agentkit.emulator.brain import Brain, NoReply, Raw, Reply
from agentkit.emulator.completion import Completion, limited, usage_of
from agentkit.emulator.dialects import Dialect, Problem
from agentkit.emulator.exchange import Refused
from agentkit.emulator.faults import Fault, Faults
from agentkit.emulator.meter import Meter, Prompt
from agentkit.emulator.worker import Workers

NO_RETRY = {"x-should-retry": "false"}
"""Asking again would only use up another step."""


class Completions:
    """Everything between a checked request and its completion. For the server's event loop only."""

    def __init__(self, dialect: Dialect, brain: Brain, faults: Faults) -> None:
        self._dialect = dialect
        self._brain = brain
        self._faults = faults
        self._meter = Meter()
        self._workers = Workers()
        self._made = 0

    def measured(self, chat: Mapping[str, Any]) -> Prompt:
        """The size of a request.

        Raises:
            Refused: more than the model's context.
        """
        prompt, context = self._meter.measure(chat), self._dialect.context
        if context is not None and prompt.tokens > context:
            text = f"this model takes at most {context} tokens; the messages have about {prompt.tokens}"
            raise Refused(Problem(text, "messages", kind="context_overflow"))
        return prompt

    def fault_for(self, body: object, raw: bytes, *, poll: bool = False) -> Fault | None:
        """The fault that hits this request, which is then used up; `raw` is the body's bytes.

        With `poll` the request is one that the model has no part in.
        """

        def holds(wanted: str) -> bool:
            return wanted.encode() in raw or any(wanted in text for text in _strings(body))

        return self._faults.take(holds, known.POLLS if poll else known.ANSWERS)

    async def complete(self, chat: Mapping[str, Any], prompt: Prompt, fault: Fault | None) -> Completion | Raw:
        """The brain's answer with what the server adds to it, or the bytes that the brain gave.

        Raises:
            Refused: the brain has no answer.
        """
        instead = None if fault is None else known.REPLIES.get(fault.name)
        reply = await self._asked(chat) if instead is None else instead
        if fault is not None and fault.name in known.SPOILERS:
            reply = self._spoiled(reply, fault)
        return reply if isinstance(reply, Raw) else self._completed(limited(reply, chat), chat, prompt)

    def join(self) -> None:
        """Waits a moment for brains that are still thinking; to be called when the server has stopped."""
        self._workers.join(1.0)

    async def _asked(self, chat: Mapping[str, Any]) -> Reply | Raw:
        def ask() -> object:  # not trusted to be what its type says
            return self._brain.reply(chat)

        try:
            reply = await self._workers.run(ask)
        except NoReply as error:
            raise Refused(Problem(str(error), kind="server_error"), NO_RETRY) from None
        except Exception as error:  # the brain is the user's code; its message may hold what must not travel
            problem = Problem(f"the brain raised {type(error).__name__}", kind="server_error")
            raise Refused(problem, NO_RETRY) from None
        if isinstance(reply, (Reply, Raw)):
            return reply
        text = f"a brain must answer with a Reply or a Raw, not {type(reply).__name__}"
        raise Refused(Problem(text, kind="server_error"), NO_RETRY)

    def _spoiled(self, reply: Reply | Raw, fault: Fault) -> Reply | Raw:
        spoiled = known.SPOILERS[fault.name](reply) if isinstance(reply, Reply) else None
        if spoiled is None:
            self._faults.give_back(fault)
            return reply
        return spoiled

    def _completed(self, reply: Reply, chat: Mapping[str, Any], prompt: Prompt) -> Completion:
        self._made += 1
        return Completion(
            id=f"chatcmpl-emulated-{self._made}",
            model=chat["model"],
            reply=reply,
            usage=usage_of(reply, prompt),
            created=int(time.time()),
            plain_created=self._dialect.created,
            fingerprint="fp_emulator" if self._dialect.fingerprint else None,
            # From the whole prompt, so that no two turns of a conversation share one, not even across servers.
            call_ids=tuple(c.id or f"call_{prompt.digest[:16]}_{i}" for i, c in enumerate(reply.calls)),
        )


def _strings(value: object) -> Iterator[str]:
    """Every string in a JSON value, as the sender meant it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
