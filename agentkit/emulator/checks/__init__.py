"""The strict reading of a Chat Completions request: the first thing wrong with it, or nothing.

As strict as the strictest server that we know of, so that what passes here passes anywhere. Pure: no sockets, no state;
a `Dialect` says what differs between gateways.
"""

from agentkit.emulator.checks.request import check

__all__ = ["check"]
