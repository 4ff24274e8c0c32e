"""One stream for an hour: it hears recorded speech without end, faster than real time, and answers now and then.

A step is one position of an answer, its sound included; a hearing is one encoder chunk of the user's sound, codec
included. Both are taken by their median over a minute of heard sound (in the quick form: over ten seconds).

    long_stream_step_ratio       median step of the last minute over that of the second; target: at most 1.05
    long_stream_hear_ratio       the same of a hearing
    long_stream_rss_growth_mib   most resident memory of a later minute, less the most of the first; target: below 5
    pinned_prompt_kept           keys and values of the pinned prompt are the same bits as before the first sound
    pinned_prompt_effect         largest change of the next logits where the pinned values are taken away

Without --build the network is untrained, of the size of a preset, behind the tokenizer that this repository ships:
time and memory do not depend on what the weights know. The last line is JSON.

    python benchmarks/long_stream.py --quick
    python benchmarks/long_stream.py --build runs/nano/build/omni-audio-nano-2026-11-22
"""

import argparse
import copy
import itertools
import json
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from measuring.command import benchmark_parser, load_average, parse, run_facts
from omni_audio.audio.io import load_audio
from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.evaluation.resident import rss_mib
from omni_audio.model.assistant import Assistant
from omni_audio.model.build import load_tokenizer
from omni_audio.model.conversation import Conversation
from omni_audio.model.kv_cache import KVCache
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import NO_CHUNK, NO_CODE, Mode
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.transformer import ModelConfig, OmniModel

TOKENIZER = Path("builds/omni-audio-tokenizer-nano4-2026-11-22")
SPEECH = Path("tests/data")
INSTRUCTIONS = "You are kind. The code word is heron."


@dataclass(slots=True)
class Times:
    """What was measured in each span of heard sound, by the span's number; of resident memory the most."""

    step_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    hear_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    rss_mib: dict[int, float] = field(default_factory=dict)

    def add_rss(self, span: int, resident_mib: float) -> None:
        """One sample."""
        self.rss_mib[span] = max(resident_mib, self.rss_mib.get(span, 0.0))


def untrained_assistant() -> Assistant:
    tokenizer = load_tokenizer(TOKENIZER)
    torch.manual_seed(0)
    model = OmniModel(ModelConfig(), tokenizer.config)
    model.load_codebooks(tokenizer)
    return Assistant(tokenizer, model, TextTokenizer.train([INSTRUCTIONS], 400), {"name": "untrained nano"})


def endless_speech() -> "itertools.cycle[Tensor]":
    """The recorded clips again and again, in chunks."""
    clips = [load_audio(path) for path in sorted(SPEECH.glob("*.flac"))]
    return itertools.cycle(torch.cat(clips).split(FRAME_SAMPLES))


def pinned_numbers(cache: KVCache) -> Tensor:
    """Keys and values of the pinned places, all layers."""
    return torch.stack(
        [part.numbers[:, :, :, : cache.num_pinned_places].clone() for part in (cache.keys, cache.values)]
    )


@torch.no_grad()
def pinned_effect(model: OmniModel, cache: KVCache) -> float:
    """Largest change of the next logits where the pinned values are 0; the cache stays as it is."""
    logits = []
    one = torch.full((1, 1), Special.USER, device=model.device)
    none_BTK = torch.full((1, 1, model.depth.num_codebooks), NO_CODE, device=model.device)
    for factor in (1.0, 0.0):
        own = copy.deepcopy(cache)
        own.values.numbers[:, :, :, : cache.num_pinned_places] *= factor
        chunk = torch.full_like(one, NO_CHUNK)
        slots = torch.zeros(1, dtype=torch.long, device=model.device)
        hidden = model.advance(one, none_BTK, chunk, torch.zeros_like(one, dtype=torch.bool), own, slots)
        logits.append(model.head(hidden))
    return float((logits[0] - logits[1]).abs().max())


def converse(
    assistant: Assistant, conversation: Conversation, heard_s: float, span_s: float, answer_every_s: float
) -> Times:
    """Hears, answers, hears; at least `heard_s` seconds of sound."""
    times, speech = Times(), endless_speech()
    chunk_frames = assistant.model.config.layout.encoder_chunk
    chunk_s = chunk_frames * FRAME_SAMPLES / SAMPLE_RATE_HZ
    num_chunks = -int(-heard_s // chunk_s)
    chunks_between = max(1, round(answer_every_s / chunk_s))
    answers = 0
    with tqdm(total=round(heard_s), unit="s", unit_scale=True, desc="heard") as bar:
        for number in range(num_chunks):
            span = min(int(number * chunk_s // span_s), int(heard_s // span_s) - 1)
            pcm_S = torch.cat(list(itertools.islice(speech, chunk_frames)))
            start = time.perf_counter()
            conversation.hear(pcm_S)
            times.hear_s[span].append(time.perf_counter() - start)
            if (number + 1) % chunks_between == 0:
                answers += 1
                request = GenerationRequest(
                    mode=Mode.REPLY_AUDIO, temperature=1.0, seed=answers, max_frames=24
                )
                start = time.perf_counter()
                for _ in conversation.answer(request):
                    times.step_s[span].append(time.perf_counter() - start)
                    start = time.perf_counter()
            resident = rss_mib()
            if resident is not None:
                times.add_rss(span, resident)
            bar.update(min(round((number + 1) * chunk_s), round(heard_s)) - bar.n)
    return times


def table(times: Times, span_s: float) -> str:
    """A row for about each twelfth of the stream."""
    spans = sorted(times.step_s)
    shown = sorted({*spans[:2], *spans[:: max(1, len(spans) // 12)], spans[-1]})
    lines = [f"{'from s':>8}{'step ms':>10}{'hear ms':>10}{'RSS MiB':>10}"]
    for span in shown:
        cells = [f"{statistics.median(t[span]) * 1000:>10.2f}" for t in (times.step_s, times.hear_s)]
        cells.append(f"{times.rss_mib[span]:>10.1f}" if span in times.rss_mib else " " * 10)
        lines.append(f"{span * span_s:>8g}{''.join(cells)}")
    return "\n".join(lines)


def figures(times: Times) -> dict[str, object]:
    """The last span over the second, and memory after the first."""
    spans = sorted(times.step_s)
    line: dict[str, object] = {}
    for name, by_span in (("step", times.step_s), ("hear", times.hear_s)):
        second, last = (statistics.median(by_span[span]) for span in (spans[1], spans[-1]))
        line[f"long_stream_{name}_ratio"] = round(last / second, 3)
    if times.rss_mib:
        later = [mib for span, mib in times.rss_mib.items() if span > 0]
        line["long_stream_rss_growth_mib"] = round(max(later) - times.rss_mib[0], 2)
    line["step_ms_median"] = round(statistics.median(itertools.chain(*times.step_s.values())) * 1000, 2)
    line["num_steps"] = sum(map(len, times.step_s.values()))
    return line


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "a minute of sound, in spans of ten seconds")
    add = parser.add_argument
    add("--build", type=Path, help="a whole build; default: an untrained network")
    add(
        "--minutes", type=float, default=60.0, help="of sound, at least 3; default: 60. --quick is one minute"
    )
    add("--answer-every-s", type=float, default=20.0, help="of sound, 1 to 60; default: 20")
    args = parse(parser, {}, {"minutes": 3, "answer_every_s": 1})
    if args.answer_every_s > 60:
        parser.error(f"answer_every_s {args.answer_every_s:g} is not allowed: expected at most 60")
    return args


def main() -> None:
    args = arguments()
    load = load_average()
    torch.set_num_threads(args.threads)
    heard_s, span_s, every_s = args.minutes * 60, 60.0, args.answer_every_s
    if args.quick:
        heard_s, span_s, every_s = 60.0, 10.0, 5.0
    assistant = untrained_assistant() if args.build is None else Assistant.load(args.build)
    conversation = Conversation(assistant, INSTRUCTIONS)
    cache = conversation.generator.cache
    pinned = pinned_numbers(cache)
    start = time.perf_counter()
    times = converse(assistant, conversation, heard_s, span_s, every_s)
    print(table(times, span_s))
    line = figures(times) | {
        "pinned_prompt_kept": torch.equal(pinned, pinned_numbers(cache)),
        "pinned_prompt_effect": round(pinned_effect(assistant.model, cache), 4),
        "heard_s": heard_s,
        "span_s": span_s,
        "computed_s": round(time.perf_counter() - start, 1),
        "num_positions": int(cache.length_S[0]),
        "build": assistant.card["name"],
        **run_facts(args, load),
    }
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
