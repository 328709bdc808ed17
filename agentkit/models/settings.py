"""How a request is to be answered: sampling, limits, and whatever else a gateway documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

ALL_EFFORTS: tuple[ReasoningEffort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From least to most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Settings of a request. None means: not sent, so the gateway's own default holds.

    `max_tokens` bounds the output and goes out under the name that the gateway takes. `stop` is one sequence or
    several. `prediction` is the text that the answer will mostly repeat. `n` other than 1 is refused: a run has one
    answer. `extra` holds fields of the request body that agentkit does not know; they are sent as they stand; its
    `tools` are those that the server brings itself (`{"type": "web_search"}`), and are sent after the request's own.
    `timeout` is the longest wait in seconds for one attempt's next bytes.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | Sequence[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    n: int | None = None
    prediction: str | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Mapping[str, float] | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    user: str | None = None
    extra: Mapping[str, Any] | None = None
    timeout: float | None = None

    def merged(self, over: "ModelSettings | None") -> "ModelSettings":
        """These settings with what `over` sets in their place."""
        if over is None:
            return self
        given = {f.name: value for f in fields(over) if (value := getattr(over, f.name)) is not None}
        return replace(self, **given) if given else self
