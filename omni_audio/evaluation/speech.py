"""Scores of the sound the model makes, as an independent judge hears it, and of its speed and size."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from omni_audio.audio.io import load_audio
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require, require_file
from omni_audio.evaluation.bootstrap import quantile_interval, ratio_interval
from omni_audio.evaluation.definitions import make_count, make_figure
from omni_audio.evaluation.items import EvalItem
from omni_audio.evaluation.judge import Judge
from omni_audio.evaluation.latency import ReplyTiming, time_calls, time_replies
from omni_audio.evaluation.memory import WeightBytes, saving_percent
from omni_audio.evaluation.results import Results, Sample
from omni_audio.evaluation.subject import EncodedAudio, Subject
from omni_audio.evaluation.wer import ErrorCounts, corpus_rate_percent, count_words

PCM16_KBPS = SAMPLE_RATE_HZ * 16 / 1000
JUDGED = {
    "say": "speech_wer_percent",
    "say_once": "one_take_speech_wer_percent",
    "say_unseen": "unseen_speech_wer_percent",
    "reply": "reply_speech_wer_percent",
    "resynthesis": "resynthesis_wer_percent",
    "source": "source_wer_percent",
    "request_resynthesis": "request_resynthesis_wer_percent",
    "request_source": "request_source_wer_percent",
}


@dataclass(slots=True)
class Spoken:
    """Sounds of one kind, one an item, each with the text it should carry; `pcms` may hold empty clips.

    `inputs`: the sounds they were made from; empty where they were made from text, or are recordings.
    """

    items: Sequence[EvalItem]
    texts: list[str]
    pcms: list[Tensor]
    inputs: list[Tensor] = field(default_factory=list)


def make_speech(
    subject: Subject, items: Sequence[EvalItem], takes: int, kinds: Sequence[str] = tuple(JUDGED)
) -> dict[str, Spoken]:
    """Sounds that the judge hears, for these items.

    Args:
        subject: speaks.
        items: whose requests are answered, and whose answers are spoken.
        takes: of each given text; at 1 the kind `say_once` is left out.
        kinds: of `JUDGED`, those that are made.
    """
    answers, asked = [item.answer for item in items], [item.request for item in items]

    def say(texts: list[str], label: str, times: int) -> Spoken:
        return Spoken(items, texts, subject.say(tqdm(texts, desc=label, unit="text"), times))

    def reply() -> Spoken:
        requests = [item.pcm() for item in items]
        replies = subject.answer_speech(tqdm(requests, desc="reply", unit="request"))
        texts, pcms = [reply.text for reply in replies], [reply.pcm_S for reply in replies]
        return Spoken(items, texts, pcms, requests)

    def coded(texts: list[str], clips: list[Tensor]) -> Spoken:
        bar = tqdm(clips, desc="code", unit="clip")
        return Spoken(items, texts, [subject.decode(subject.encode(pcm_S)) for pcm_S in bar], clips)

    makers: dict[str, Callable[[], Spoken]] = {
        "say": lambda: say(answers, "say", takes),
        "say_once": lambda: say(answers, "say once", 1),
        "say_unseen": lambda: say(asked, "say unseen", takes),
        "reply": reply,
        "resynthesis": lambda: coded(answers, [item.answer_pcm() for item in items]),
        "source": lambda: Spoken(items, answers, [item.answer_pcm() for item in items]),
        "request_resynthesis": lambda: coded(asked, [item.pcm() for item in items]),
        "request_source": lambda: Spoken(items, asked, [item.pcm() for item in items]),
    }
    return {kind: makers[kind]() for kind in kinds if kind != "say_once" or takes > 1}


def add_judged(results: Results, judge: Judge, made: dict[str, Spoken], answers_seen: int, seed: int) -> None:
    """WER of each kind of sound by the judge, samples of each.

    Args:
        results: gets the figures.
        judge: hears every clip.
        made: kind -> sounds, from `make_speech`.
        answers_seen: how many of the answer texts also stand in training.
        seed: of the bootstrap.
    """
    for kind, spoken in made.items():
        name = JUDGED[kind]
        hearing = judge.transcribe(spoken.pcms)
        heard = list(tqdm(hearing, desc=f"judge {kind}", unit="clip", total=len(spoken.pcms)))
        counts = [count_words(text, words) for text, words in zip(spoken.texts, heard, strict=True)]
        if sum(count.num_units for count in counts) == 0:
            results.leave_out(name, "the model's own transcripts hold no words")
            continue
        note = f"Judge: {judge.name}."
        if kind in ("say", "say_once", "resynthesis", "source"):
            note += f" {answers_seen} of {len(spoken.texts)} answer texts also occur in training."
        num_silent = sum(pcm_S.numel() == 0 for pcm_S in spoken.pcms)
        if num_silent:
            note += f" {num_silent} clips were empty and count as all words deleted."
        results.add(make_figure(name, corpus_rate_percent(counts, seed), len(counts), note))
        _keep_samples(results, kind, spoken, heard, counts)


def _keep_samples(
    results: Results, kind: str, spoken: Spoken, heard: list[str], counts: list[ErrorCounts]
) -> None:
    for item, text, words, count in zip(spoken.items, spoken.texts, heard, counts, strict=True):
        results.samples.append(
            Sample(kind=kind, item_id=item.cut.id, voice=item.voice, wanted=text, got=words, score=count.rate)
        )


def add_codec(results: Results, subject: Subject, items: Sequence[EvalItem], seed: int) -> None:
    """Bit rate from the codes as emitted, and the tokenizer's real-time factors."""
    clips = [item.pcm() for item in items]
    encoded: list[EncodedAudio] = [subject.encode(pcm_S) for pcm_S in clips]
    seconds = [pcm_S.numel() / SAMPLE_RATE_HZ for pcm_S in clips]
    bits = [code.num_bits for code in encoded]
    results.add(make_figure("kbps", ratio_interval(bits, seconds, 0.001, seed), len(items)))
    results.add(
        make_figure("compression_ratio", ratio_interval(seconds, bits, 1000 * PCM16_KBPS, seed), len(items))
    )
    encode_s = time_calls(subject.encode, clips)
    results.add(make_figure("encode_rtf", ratio_interval(encode_s, seconds, 1.0, seed), len(items)))
    places = iter([encoded[0], *encoded])  # the warm-up call decodes the first clip once more
    decode_s = time_calls(lambda _: subject.decode(next(places)), clips)
    results.add(make_figure("decode_rtf", ratio_interval(decode_s, seconds, 1.0, seed), len(items)))


def add_latency(results: Results, subject: Subject, items: Sequence[EvalItem], seed: int) -> None:
    """Time to the first sound of spoken replies and their real-time factor, one stream."""
    requests = [item.pcm() for item in items]
    timings, num_silent = time_replies(subject.answer_alone, requests)
    if not timings:
        for name in ("first_audio_ms", "first_audio_p95_ms", "reply_rtf"):
            results.leave_out(name, f"none of {num_silent} replies had sound")
        return
    note = f"{num_silent} further replies had no sound and are not in it." if num_silent else ""
    first_s = [timing.first_audio_s for timing in timings]
    for name, quantile in (("first_audio_ms", 0.5), ("first_audio_p95_ms", 0.95)):
        results.add(make_figure(name, quantile_interval(first_s, quantile, 1000.0, seed), len(timings), note))
    results.add(make_figure("reply_rtf", _reply_rtf(timings, seed), len(timings), note))


def _reply_rtf(timings: list[ReplyTiming], seed: int):
    return ratio_interval(
        [timing.wall_s for timing in timings], [timing.audio_s for timing in timings], 1.0, seed
    )


def add_memory(results: Results, full: WeightBytes | None, nf4: WeightBytes | None) -> None:
    """Bytes of weights; each figure is absent where its build was not loaded."""
    if full is None:
        for name in ("fp16_weight_bytes", "fp32_weight_bytes"):
            results.leave_out(name, "weight_quant is nf4 or int4: the full-precision weights were not loaded")
    else:
        results.add(make_count("fp16_weight_bytes", full.fp16_bytes))
        results.add(make_count("fp32_weight_bytes", full.fp32_bytes))
    if nf4 is None:
        for name in ("nf4_weight_bytes", "nf4_loaded_bytes"):
            results.leave_out(name, "weight_quant is none or int4")
    else:
        results.add(make_count("nf4_weight_bytes", nf4.fp16_bytes))
        results.add(make_count("nf4_loaded_bytes", nf4.loaded_bytes))
    if full is None or nf4 is None:
        for name in ("memory_saving_percent", "loaded_saving_percent"):
            results.leave_out(name, "needs weight_quant: both")
    else:
        saved = saving_percent(nf4.fp16_bytes, full.fp16_bytes)
        results.add(make_count("memory_saving_percent", saved))
        saved = saving_percent(nf4.loaded_bytes, full.fp32_bytes)
        results.add(make_count("loaded_saving_percent", saved))


def add_human(results: Results, subject: Subject, folder: Path, seed: int) -> None:
    """WER on the recorded human clips of a folder.

    Raises:
        ValueError: see load_human_clips.
    """
    clips = load_human_clips(folder)
    counts: list[ErrorCounts] = []
    texts = subject.transcribe(load_audio(clip.path) for clip in tqdm(clips, desc="human clips", unit="clip"))
    for clip, heard in zip(clips, texts, strict=True):
        counts.append(count_words(clip.text, heard))
        sample = Sample(
            kind="human",
            item_id=clip.path.name,
            voice=clip.speaker,
            wanted=clip.text,
            got=heard,
            score=counts[-1].rate,
        )
        results.samples.append(sample)
    results.add(make_figure("human_wer_percent", corpus_rate_percent(counts, seed), len(counts)))


@dataclass(frozen=True, slots=True)
class HumanClip:
    """A recorded clip, its words, and who speaks."""

    path: Path
    text: str
    speaker: str


def load_human_clips(folder: Path) -> list[HumanClip]:
    """The clips that `transcripts.jsonl` of a folder lists: a line each with `file`, `text` and `speaker`.

    Raises:
        ValueError: no list, an empty one, a line without these fields, or a clip that is missing.
    """
    listing = folder / "transcripts.jsonl"
    require_file("human_folder", listing)
    clips: list[HumanClip] = []
    for line in listing.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for name in ("file", "text", "speaker"):
            require(name in row, f"{listing}: line", line, f"an object with {name}", "Complete the line.")
        clips.append(HumanClip(folder / row["file"], row["text"], row["speaker"]))
        require_file("human clip", clips[-1].path)
    require(bool(clips), str(listing), "no lines", "at least one clip", "List clips, or unset human_folder.")
    return clips
