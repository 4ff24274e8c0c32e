"""Rate limits of each key: requests and tokens a minute, as buckets that fill up again all the time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from omni_audio.serving.errors import rate_limit_exceeded
from omni_audio.serving.settings import RateLimitConfig
from omni_audio.serving.stream import Outcome, Stream

Kind: TypeAlias = Literal["requests", "tokens"]


@dataclass(slots=True)
class _Bucket:
    """Holds a minute's worth at most; `level` may be below 0 where more was used than was there."""

    per_minute: int
    level: float
    updated_s: float

    def refill(self, now_s: float) -> None:
        gained = (now_s - self.updated_s) * self.per_minute / 60
        self.level = min(self.level + gained, float(self.per_minute))
        self.updated_s = now_s

    def wait_s(self, level: float) -> float:
        """Seconds until it holds so much."""
        return max(level - self.level, 0.0) * 60 / self.per_minute


class RateLimiter:
    """Admits requests key by key, and hears of ended streams as an observer of the engine.

    A request takes one from the bucket of requests when it comes. From the bucket of tokens it takes the positions of
    its prompt when it is queued and those that were made when its streams end: that is known only then, so that the
    bucket may go below 0, and the key waits until it is above again.

    Args:
        config: the limits; a kind without one is never limited.
        clock: monotonic time in seconds.
    """

    def __init__(self, config: RateLimitConfig, clock: Callable[[], float] = time.monotonic) -> None:
        limits: dict[Kind, int | None] = {
            "requests": config.requests_per_minute,
            "tokens": config.tokens_per_minute,
        }
        self._limits: dict[Kind, int] = {kind: limit for kind, limit in limits.items() if limit is not None}
        self._clock = clock
        self._buckets: dict[str, dict[Kind, _Bucket]] = {}
        self._lock = threading.Lock()

    def admit(self, owner: str) -> None:
        """Counts a request of the key.

        Args:
            owner: name of a key that was checked, so that there are no more of them than keys.

        Raises:
            ApiError: 429, one of the buckets holds less than one; a refused request takes nothing.
        """
        with self._lock:
            buckets = self._filled(owner)
            for kind, bucket in buckets.items():
                if bucket.level < 1:
                    wait_s = max(1, math.ceil(bucket.wait_s(1)))
                    raise rate_limit_exceeded(kind, bucket.per_minute, wait_s)
            if "requests" in buckets:
                buckets["requests"].level -= 1

    def charge(self, owner: str, num_tokens: int) -> None:
        """Takes tokens from the key's bucket, whether they are there or not."""
        with self._lock:
            buckets = self._filled(owner)
            if "tokens" in buckets:
                buckets["tokens"].level -= num_tokens

    def headers(self, owner: str) -> dict[str, str]:
        """The x-ratelimit headers as of now: the limit, what is left of it, and when all of it is there again."""
        headers: dict[str, str] = {}
        with self._lock:
            for kind, bucket in self._filled(owner).items():
                reset_s = math.ceil(bucket.wait_s(bucket.per_minute) * 1000) / 1000
                headers[f"x-ratelimit-limit-{kind}"] = str(bucket.per_minute)
                headers[f"x-ratelimit-remaining-{kind}"] = str(max(math.floor(bucket.level), 0))
                headers[f"x-ratelimit-reset-{kind}"] = f"{reset_s:.3f}s"
        return headers

    def step_ended(self, duration_s: float) -> None:
        """Steps cost nothing."""

    def stream_ended(self, stream: Stream, outcome: Outcome) -> None:
        """Charges what was made, however the stream ended."""
        self.charge(stream.owner, stream.made.total_tokens)

    def _filled(self, owner: str) -> dict[Kind, _Bucket]:
        """The key's buckets as of now; full ones for a new key."""
        now_s = self._clock()
        if owner not in self._buckets:
            self._buckets[owner] = {
                kind: _Bucket(limit, float(limit), now_s) for kind, limit in self._limits.items()
            }
        for bucket in self._buckets[owner].values():
            bucket.refill(now_s)
        return self._buckets[owner]
