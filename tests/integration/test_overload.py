"""Ten times more clients than slots, for a while, against a real server process (class 24)."""

import asyncio
import time
from collections import Counter

import httpx
import numpy as np
import pytest
from asking import MODEL, SOUND
from refusals import clip
from server_process import KEYS, running_server
from sound_files import encoded

NUM_SLOTS = 2
MAX_GROWTH_MIB = 50
REQUEST = {
    "model": MODEL,
    "messages": clip(encoded("WAV")),
    "stream": True,
    "max_tokens": 24,
    "temperature": 0,
    **SOUND,
}


class Load:
    """Clients in a closed loop: each asks, reads to the end and asks again; who is refused waits as told."""

    def __init__(self, url):
        self.statuses = Counter()
        self.first_audio_s = []
        self.waits_s = []
        self._url = f"{url}/v1/chat/completions"

    async def run(self, num_clients, duration_s):
        end_s = time.monotonic() + duration_s
        limits = httpx.Limits(max_connections=num_clients)
        headers = {"authorization": f"Bearer {KEYS[0]}"}
        async with httpx.AsyncClient(timeout=60, limits=limits, headers=headers) as client:
            await asyncio.gather(*(self._client(client, end_s) for _ in range(num_clients)))
        return self

    async def _client(self, client, end_s):
        while time.monotonic() < end_s:
            start_s = time.monotonic()
            async with client.stream("POST", self._url, json=REQUEST) as response:
                self.statuses[response.status_code] += 1
                if response.status_code == 200:
                    await self._read(response, start_s)
                    continue
                error = (await response.aread(), response.json())[1]["error"]
                assert error["code"] in ("overloaded", "rate_limit_exceeded")
                self.waits_s.append(int(response.headers["retry-after"]))
            await asyncio.sleep(self.waits_s[-1])

    async def _read(self, response, start_s):
        has_sound, last = False, ""
        async for line in response.aiter_lines():
            if not has_sound and '"data":"' in line:
                has_sound = True
                self.first_audio_s.append(time.monotonic() - start_s)
            last = line or last
        assert last == "data: [DONE]"


def p95(values):
    return float(np.percentile(values, 95))


@pytest.mark.parametrize(
    ("duration_s", "most_times_slower"),
    [(5, 4.0), pytest.param(60, 2.0, marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
def test_class_24_ten_times_more_clients_than_slots(tiny_build, duration_s, most_times_slower):
    """The short one has few answers to tell a 95th percentile by, hence its wider bound."""
    with running_server(tiny_build, num_slots=NUM_SLOTS, queue_limit=0) as server:
        alone = asyncio.run(Load(server.url).run(1, duration_s / 3))
        assert set(alone.statuses) == {200}
        asyncio.run(Load(server.url).run(10 * NUM_SLOTS, duration_s / 5))
        before_mib = server.rss_mib()
        load = asyncio.run(Load(server.url).run(10 * NUM_SLOTS, duration_s))
        after_mib = server.rss_mib()
        figures = {
            "statuses": dict(load.statuses),
            "first audio alone, p95, ms": round(1000 * p95(alone.first_audio_s)),
            "under load": round(1000 * p95(load.first_audio_s)),
            "RSS, MiB": (round(before_mib), round(after_mib)),
        }
        print(figures)
        assert set(load.statuses) == {200, 503}, figures
        assert load.statuses[503] > 10 * NUM_SLOTS, figures
        assert min(load.waits_s) >= 1
        assert after_mib - before_mib < MAX_GROWTH_MIB, figures
        assert p95(load.first_audio_s) < most_times_slower * p95(alone.first_audio_s), figures
        assert set(asyncio.run(Load(server.url).run(1, 0.5)).statuses) == {200}
