"""Clients that send speech and hear the spoken answer while it comes; in a closed loop, or at given times."""

import asyncio
import base64
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

BYTES_PER_S = 48_000
"""Of pcm16, 24 kHz mono."""

DATA = "data: "
BROKEN = "broken"
"""Stands for the status where an answer began and was not whole: an error event, or no [DONE]."""

UNREACHED = "unreached"
"""Stands for the status where none came: no connection, or not in time."""


@dataclass(slots=True)
class Heard:
    """One request and what came of it; times in seconds on one clock.

    Attributes:
        sent_s: when it was sent.
        status: of the answer, BROKEN or UNREACHED.
        first_token_s: when the first words or sound came.
        arrivals: when each piece of sound came, and its length.
        ended_s: when the answer was whole.
    """

    sent_s: float
    status: int | str = UNREACHED
    first_token_s: float | None = None
    arrivals: list[tuple[float, float]] = field(default_factory=list)
    ended_s: float | None = None

    @property
    def sound_s(self) -> float:
        """Seconds of sound that came."""
        return sum(length_s for _, length_s in self.arrivals)

    @property
    def is_whole(self) -> bool:
        """Whether the answer came to its end and holds sound."""
        return self.status == 200 and self.sound_s > 0


def spoken_body(clip: bytes, sound_format: str, max_tokens: int, seed: int) -> dict[str, Any]:
    """A chat request that asks for a streamed spoken answer to a sound file."""
    data = base64.b64encode(clip).decode()
    content = [{"type": "input_audio", "input_audio": {"data": data, "format": sound_format}}]
    return {
        "model": "omni-audio",
        "messages": [{"role": "user", "content": content}],
        "modalities": ["text", "audio"],
        "audio": {"voice": "default", "format": "pcm16"},
        "stream": True,
        "max_completion_tokens": max_tokens,
        "seed": seed,
    }


async def listen(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> Heard:
    """Sends one request and takes the answer as it comes."""
    heard = Heard(time.perf_counter())
    try:
        async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            heard.status = response.status_code
            if response.status_code == 200:
                heard.status = BROKEN
                async for line in response.aiter_lines():
                    take_line(heard, line, time.perf_counter())
    except httpx.HTTPError:
        if heard.status == 200:
            heard.status = BROKEN
    return heard


def take_line(heard: Heard, line: str, now_s: float) -> None:
    """Takes a line of server-sent events that came now."""
    if not line.startswith(DATA):
        return
    text = line.removeprefix(DATA)
    if text == "[DONE]":
        heard.status, heard.ended_s = 200, now_s
        return
    for choice in json.loads(text).get("choices", []):
        audio = choice["delta"].get("audio") or {}
        if heard.first_token_s is None and (audio.get("data") or audio.get("transcript")):
            heard.first_token_s = now_s
        if data := audio.get("data"):
            heard.arrivals.append((now_s, len(base64.b64decode(data)) / BYTES_PER_S))


async def closed_loop(
    client: httpx.AsyncClient, url: str, bodies: Sequence[dict[str, Any]], num_clients: int, limit_s: float
) -> list[Heard]:
    """So many clients at once; each sends its next request when the answer before is over.

    Args:
        client: to send by.
        url: of the server.
        bodies: all requests, in their order.
        num_clients: at least 1.
        limit_s: after which no request is sent any more.
    """
    waiting = iter(bodies)
    heard: list[Heard] = []
    start_s = time.perf_counter()

    async def one_client() -> None:
        for body in waiting:
            if time.perf_counter() - start_s > limit_s:
                return
            heard.append(await listen(client, url, body))

    await asyncio.gather(*(one_client() for _ in range(num_clients)))
    return heard


async def open_loop(
    client: httpx.AsyncClient, url: str, bodies: Sequence[dict[str, Any]], times_s: Sequence[float]
) -> list[Heard]:
    """Sends each request at its time, whatever has become of those before it.

    Args:
        client: to send by.
        url: of the server.
        bodies: all requests, in their order.
        times_s: when each is sent, from the start on.
    """
    start_s = time.perf_counter()

    async def at(time_s: float, body: dict[str, Any]) -> Heard:
        await asyncio.sleep(max(0.0, start_s + time_s - time.perf_counter()))
        return await listen(client, url, body)

    return list(await asyncio.gather(*(at(*pair) for pair in zip(times_s, bodies, strict=True))))


def arrival_times(rate_hz: float, num: int, limit_s: float, *, poisson: bool, seed: int) -> list[float]:
    """When requests are sent, from the first one on at 0.

    Args:
        rate_hz: requests a second, on average.
        num: at most so many.
        limit_s: none is later than that.
        poisson: gaps are drawn from an exponential distribution; otherwise all are equal.
        seed: of the draws.
    """
    rng = random.Random(seed)
    times_s, now_s = [], 0.0
    while len(times_s) < num and now_s <= limit_s:
        times_s.append(now_s)
        now_s += rng.expovariate(rate_hz) if poisson else 1 / rate_hz
    return times_s
