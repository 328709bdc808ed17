"""When a failed attempt is repeated, and after how long."""

import random
from dataclasses import dataclass

from agentkit.errors import GatewayError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a provider model repeats failed attempts; the only layer that does.

    `retries` attempts follow the first at most, after `waits` seconds each (the last one again for more retries) plus
    up to `jitter` of it; what the server asks to wait is the floor. A wait of more than `longest_wait` seconds is not
    begun. `after_output` repeats even when deltas have reached the caller: the stream then says which of them are void.
    A repeat after a 200 may be billed twice.
    """

    retries: int = 3
    waits: tuple[float, ...] = (1.0, 2.0, 4.0)
    jitter: float = 0.25
    longest_wait: float = 120.0
    after_output: bool = False

    def wait(self, retry: int, error: GatewayError) -> float | None:
        """Seconds to wait before retry number `retry` (from 1); None when there is to be none."""
        if not error.retryable or retry > self.retries:
            return None
        planned = self.waits[min(retry, len(self.waits)) - 1] if self.waits else 0.0
        wait = max(planned * (1 + self.jitter * random.random()), error.retry_after or 0.0)
        return wait if wait <= self.longest_wait else None
