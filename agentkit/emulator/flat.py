"""ModelStream's flat form: one prompt in place of messages, as the page of its models describes it.

Written down from the page alone; whether the real server takes it is not known. It has one prompt, a system prompt and
images, so a conversation or tools cannot be said in it and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit.emulator.dialects import Problem
from agentkit.emulator.surface import Invalid

_OWN = ("system_prompt", "prompt", "image_urls", "image_detail", "response_format")
_PASSED_ON = frozenset({"model", "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"}) | {
    "max_completion_tokens",
    "stream",
}
_FORMATS = ("text", "json_object")


def from_flat(body: Mapping[str, Any]) -> dict[str, Any]:
    """The Chat Completions request that a flat one stands for.

    Raises:
        Invalid: a field that the form does not have (messages and tools among them), or one of a wrong type.
    """
    for name in body:
        if name in ("messages", "tools", "tool_choice", "parallel_tool_calls"):
            raise Invalid(Problem(f"{name} cannot be given beside 'prompt': send messages in place of it", name))
        if name not in _OWN and name not in _PASSED_ON:
            raise Invalid(Problem(f"unknown parameter: {name!r}", name, kind="unsupported_parameter"))
    system = [{"role": "system", "content": _text(body, "system_prompt")}] if "system_prompt" in body else []
    user = {"role": "user", "content": _content(body)}
    kept = {name: value for name, value in body.items() if name in _PASSED_ON}
    return {**kept, "messages": [*system, user], **_response_format(body)}


def _content(body: Mapping[str, Any]) -> str | list[dict[str, Any]]:
    prompt, urls = _text(body, "prompt"), body.get("image_urls", [])
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise Invalid(Problem("image_urls must be an array of strings", "image_urls"))
    detail = {"detail": _text(body, "image_detail")} if "image_detail" in body else {}
    images = [{"type": "image_url", "image_url": {"url": url, **detail}} for url in urls]
    return [{"type": "text", "text": prompt}, *images] if images else prompt


def _response_format(body: Mapping[str, Any]) -> dict[str, Any]:
    if "response_format" not in body:
        return {}
    kind = body["response_format"]
    if kind not in _FORMATS:
        text = f"response_format must be one of {', '.join(_FORMATS)} beside 'prompt', not {kind!r}"
        raise Invalid(Problem(text, "response_format"))
    return {"response_format": {"type": kind}}


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or not value:
        raise Invalid(Problem(f"{name} must be a non-empty string, not {value!r}", name))
    return value
