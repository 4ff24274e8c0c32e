"""Figures of live replies side by side: how many are in real time, and the memory that one more takes."""

import torch
from tqdm import tqdm

from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.definitions import make_count
from omni_audio.evaluation.latency import REQUEST_S
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.streams import (
    FRAME_MS,
    StreamFigures,
    drawn_request,
    measure_streams,
    raise_streams,
    speak_without_end,
    stream_line,
)
from omni_audio.model.kv_store import KVFormat

MAX_STREAMS = 256
CACHES = {"stream_cache_mib": KVFormat.float32, "stream_cache_int8_mib": KVFormat.int8}


def add_cache_memory(results: Results, subject: AssistantSubject) -> None:
    """What one more slot takes, by the formats that the server keeps it in."""
    model = subject.assistant.model
    for name, kv_format in CACHES.items():
        one, two = (model.empty_cache(num, kv_format).num_bytes for num in (1, 2))
        results.add(make_count(name, (two - one) / 2**20))


def add_streams(
    results: Results, subject: AssistantSubject, num_steps: int, seed: int, max_streams: int = MAX_STREAMS
) -> None:
    """How many replies are in real time, by networks of the build's shape with random weights.

    Args:
        results: gets the figures.
        subject: the build.
        num_steps: timed at each number of streams; 0 leaves the figures out.
        seed: of the weights and of what was heard.
        max_streams: where the search ends at the latest.
    """
    if num_steps == 0:
        for name in ("real_time_streams", "stream_marginal_mib"):
            results.leave_out(name, "num_stream_steps is 0")
        return
    control = subject.untrained(seed).assistant
    model, tokenizer, text = speak_without_end(control.model.eval()), control.tokenizer, control.text
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prompt = drawn_request(model, text, round(REQUEST_S * 1000 / FRAME_MS))
    with tqdm(desc="live replies", unit="level") as bar:

        def measure_one(num_streams: int) -> StreamFigures:
            bar.set_postfix_str(f"{num_streams} at once")
            found = measure_streams(model, tokenizer, text, num_streams, prompt, num_steps, 1)
            bar.update()
            return found

        found, reached_limit = raise_streams(measure_one, max_streams)
    line = stream_line(found, reached_limit)
    note = "" if reached_limit else f"The search ended at {max_streams} streams, still in real time."
    results.add(make_count("real_time_streams", line["streams"], num_steps, note))
    marginal = "stream_marginal_mib"
    if marginal_mib := line.get("marginal_mib_per_stream"):
        note = f"Between {found[0].num_streams} and {found[-1].num_streams} replies."
        results.add(make_count(marginal, marginal_mib, found[-1].num_streams, note))
    else:
        results.leave_out(
            marginal, "only one number of replies was in real time, or this system has no /proc"
        )
    results.tables["live_replies"] = [
        {"streams": one.num_streams, "p95_step_ms": line["p95_step_ms"][str(one.num_streams)]}
        for one in found
    ]
