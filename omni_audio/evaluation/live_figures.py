"""Figures of the real server, in a process of its own: time to the first token and sound, and its memory."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import soundfile
import torch
from torch import Tensor
from tqdm import tqdm

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.evaluation.bootstrap import quantile_interval
from omni_audio.evaluation.definitions import make_count, make_figure
from omni_audio.evaluation.items import EvalItem
from omni_audio.evaluation.latency import REQUEST_S
from omni_audio.evaluation.listeners import Heard, listen, spoken_body
from omni_audio.evaluation.live_server import live_server
from omni_audio.evaluation.results import Results

MAX_TOKENS = 64
"""Of an answer; only its beginning is timed."""
NUM_WARM_UP = 2
REQUEST_TIMEOUT_S = 120.0
LATENCIES = ("first_token_p50_ms", "first_token_p95_ms", "first_audio_p50_ms", "first_audio_p95_ms")


@dataclass(slots=True)
class Served:
    """What a server gave: every timed answer, and the MiB of its processes; None where there is no /proc."""

    heard: list[Heard]
    rss_mib: float | None


def near_length(items: Sequence[EvalItem], num: int, length_s: float = REQUEST_S) -> list[EvalItem]:
    """The items whose requests are nearest to a length, the nearest first; ties by cut."""
    return sorted(items, key=lambda item: (abs(item.cut.duration - length_s), item.cut.id))[:num]


def ask_server(
    build: Path, weights: str, requests: Sequence[Tensor], device: torch.device | str, seed: int
) -> Served:
    """Starts `omni-audio serve`, sends requests (S,) one at a time, each after the answer before, and ends it.

    Args:
        build: its folder.
        weights: none, nf4 or int4.
        requests: at least one; the first ones are also sent before, untimed.
        device: where the server computes, with as many threads as this process.
        seed: of the first answer; the others follow.

    Raises:
        RuntimeError: the server did not start.
    """
    overrides = [
        f"weight_quant={weights}",
        "server.num_slots=1",
        f"runtime.device={torch.device(device).type}",
        f"runtime.num_threads={torch.get_num_threads()}",
    ]
    bodies = [
        spoken_body(_wav(pcm_S), "wav", MAX_TOKENS, seed + number) for number, pcm_S in enumerate(requests)
    ]
    with live_server(build, overrides) as server:
        heard = asyncio.run(_ask(server.url, [*bodies[:NUM_WARM_UP], *bodies]))
        return Served(heard[-len(bodies) :], server.rss_mib())


async def _ask(url: str, bodies: list[dict]) -> list[Heard]:
    async with httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, trust_env=False) as client:
        return [await listen(client, url, body) for body in tqdm(bodies, desc="server", unit="request")]


def _wav(pcm_S: Tensor) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, pcm_S.clamp(-1.0, 1.0).numpy(), SAMPLE_RATE_HZ, "PCM_16", format="WAV")
    return file.getvalue()


def add_latencies(results: Results, heard: Sequence[Heard], lengths_s: Sequence[float], seed: int) -> None:
    """Times to the first token and the first sound; answers that failed or were silent are not in, and counted."""
    whole = [one for one in heard if one.is_whole]
    if not whole:
        states = sorted({str(one.status) for one in heard})
        for name in LATENCIES:
            results.leave_out(name, f"no answer of the server was whole and had sound: {', '.join(states)}")
        return
    note = f"Requests of {min(lengths_s):.2f} to {max(lengths_s):.2f} s."
    if len(whole) < len(heard):
        note += f" {len(heard) - len(whole)} answers were broken or had no sound and are not in."
    audio_ms = [1000 * (one.arrivals[0][0] - one.sent_s) for one in whole]
    token_ms = [1000 * (one.first_token_s - one.sent_s) for one in whole if one.first_token_s is not None]
    for name, times_ms, share in zip(
        LATENCIES, (token_ms, token_ms, audio_ms, audio_ms), (0.5, 0.95, 0.5, 0.95), strict=True
    ):
        interval = quantile_interval(times_ms, share, 1.0, seed)
        results.add(make_figure(name, interval, len(times_ms), note))
    results.tables["latency"] = [
        {"first_token_ms": round(token, 2), "first_audio_ms": round(audio, 2)}
        for token, audio in zip(token_ms, audio_ms, strict=True)
    ]


def add_server_memory(results: Results, name: str, served: Served) -> None:
    """Resident memory of a server."""
    if served.rss_mib is None:
        results.leave_out(name, "this system has no /proc")
    else:
        results.add(make_count(name, served.rss_mib))
