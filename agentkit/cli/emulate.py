"""The embedded gateway in the foreground."""

from collections.abc import Sequence
from typing import TextIO

from agentkit.emulator import Emulator, Fault


def run_emulator(gateway: str, *, port: int, latency: float, faults: Sequence[Fault], out: TextIO) -> None:
    """Serves until Ctrl-C, after saying where, with which key and how to try it.

    Raises:
        ConfigurationError: an unknown gateway, or a port that cannot be had.
        KeyboardInterrupt: Ctrl-C; the server has stopped.
    """
    with Emulator(gateway=gateway, port=port, latency=latency, faults=faults) as server:
        lines = (
            f"URL: {server.url}",
            f"Key: {server.key}",
            f"Try: {server.curl}",
            "Answers come from a rule-based demo brain, not a language model. Ctrl-C stops it.",
        )
        print(*lines, sep="\n", file=out, flush=True)
        server.wait()
