"""What a task used and what it costs.

The prices are made up and do not change, so that a test can reckon with them: 0.75 dollars for a million prompt tokens,
0.075 for those that were cached, 4.50 for a million of completion. The vendor's page prints none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PROMPT, _CACHED, _COMPLETION = 0.75e-6, 0.075e-6, 4.5e-6  # dollars a token


def cost_of(usage: Mapping[str, Any]) -> float:
    """Dollars, for the usage of one result as Chat Completions has it."""
    prompt, cached, completion, _ = _counts(usage)
    return _dollars((prompt - cached) * _PROMPT + cached * _CACHED + completion * _COMPLETION)


def usage_entry(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The `usage` object of a result."""
    prompt, cached, completion, reasoning = _counts(usage)
    billable = prompt - cached
    modality = {"modality": "text", "tokens": billable, "cost": _dollars(billable * _PROMPT)}
    answered = {"billableTokens": completion, "textTokens": completion - reasoning, "reasoningTokens": reasoning}
    return {
        "promptTokens": prompt,
        "completionTokens": completion,
        "totalTokens": prompt + completion,
        "thinkingTokens": reasoning,
        "completionTokensDetails": {"reasoningTokens": reasoning},
        "costBreakdown": {
            "tokens": {
                "prompt": {"modalities": [modality], "billableTokens": billable},
                "cache": {"billableTokens": cached},
                "completion": answered,
            },
            "total": cost_of(usage),
        },
    }


def _counts(usage: Mapping[str, Any]) -> tuple[int, int, int, int]:
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return prompt, cached, completion, reasoning


def _dollars(amount: float) -> float:
    return round(amount, 10)  # to what the last token is worth, without the noise of binary fractions
