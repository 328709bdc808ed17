"""The `tools` of a request as bytes. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from agentkit import _json
from agentkit.models import ModelRequest, Profile, ToolDefinition
from agentkit.providers.checks import vendor_tools


class ToolList:
    """Encodes the tools of requests, each with `encode`; keeps the last ones, which rarely change."""

    def __init__(self, encode: Callable[[ToolDefinition, Profile], Mapping[str, Any]], profile: Profile) -> None:
        self._encode = encode
        self._profile = profile
        self._known: tuple[tuple[ToolDefinition, ...], bytes] = ((), b"")

    def field(self, request: ModelRequest) -> bytes:
        """`,"tools":[...]`: the request's own, then those of `settings.extra`; nothing where there are none."""
        own, others = self._own(request.tools), vendor_tools(request.settings)
        if not others:
            return b',"tools":[' + own + b"]" if own else b""
        pieces = [own] if own else []
        pieces += [_json.dumps(each) for each in others]
        return b',"tools":[' + b",".join(pieces) + b"]"

    def _own(self, tools: tuple[ToolDefinition, ...]) -> bytes:
        if tools is not self._known[0]:
            encoded = [_json.dumps(self._encode(tool, self._profile)) for tool in tools]
            self._known = (tools, b",".join(encoded))
        return self._known[1]
