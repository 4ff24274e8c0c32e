"""How many spoken replies one Generator gives in real time, and what one more of them costs.

Every stream has heard a spoken request so often that its ring is full, and answers with sound; each step gives each
stream one frame of 80 ms (its text is one id), so that a step of more than 80 ms is too slow for all. The number of
streams doubles until the 95th percentile of the step time passes 80 ms, and the interval is then halved. Weights are
drawn: time and memory do not depend on what they know. A step is the network's and the sound of every stream, made as
the server makes it: the frames of all go through the vocoder in one pass. The time to the first sound is that of a new
stream, which has heard the request once, beside the others.
"""

import dataclasses
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from omni_audio.evaluation.latency import percentile
from omni_audio.evaluation.resident import rss_mib
from omni_audio.evaluation.results import digits
from omni_audio.model.compiled import CompiledSteps
from omni_audio.model.events import AudioFrame
from omni_audio.model.generate import Generator
from omni_audio.model.kv_store import KVFormat
from omni_audio.model.piece_decoder import PieceDecoder, decode_frames
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sampling import MAX_BIAS
from omni_audio.model.sequence import Mode, SequenceBuilder, TokenSequence
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioCodes, AudioTokenizer

FRAME_MS = 80.0
NEVER = 1_000_000
WARM_UP = 2
"""Steps that are not timed, behind the first sound."""


@dataclasses.dataclass(slots=True)
class StreamFigures:
    """What was measured with this many live streams; memory is None where the system does not tell it."""

    num_streams: int
    step_ms: list[float]
    first_audio_ms: list[float]
    cache_mib: float
    rss_mib: float | None

    @property
    def p95_step_ms(self) -> float:
        """The 95th percentile of the step times."""
        return percentile(self.step_ms, 95)


def speak_without_end(model: OmniModel) -> OmniModel:
    """Changes the format of a network's replies to one text id and then frames without end; returns it."""
    layout = dataclasses.replace(model.config.layout, interleave_text_tokens=1, interleave_frames=NEVER)
    model.config = dataclasses.replace(model.config, layout=layout)  # other networks may share the config
    return model


def drawn_request(model: OmniModel, text: TextTokenizer, num_frames: int) -> TokenSequence:
    """A spoken request of drawn codes, up to the mode token."""
    tokenizer = model.tokenizer_config
    codes = AudioCodes(
        torch.randint(tokenizer.semantic.num_codes, (1, num_frames)),
        torch.randint(tokenizer.vq.codebook_size, (1, num_frames, tokenizer.vq.num_codebooks)),
        torch.randn(1, num_frames, model.state_width),
    )
    builder = SequenceBuilder(
        text, model.vocabulary, tokenizer.vq.num_codebooks, model.config.layout, model.state_width
    )
    return builder.user_audio(codes).assistant(Mode.REPLY_AUDIO).build()


def filling_request(model: OmniModel, prompt: TokenSequence) -> TokenSequence:
    """The request again and again, each answer but the last interrupted at once, until the ring is full.

    Args:
        model: whose ring it is.
        prompt: of drawn_request().

    Returns:
        At least `num_places + window` positions.
    """
    begin, turn = prompt.part(0, 1), prompt.part(1)
    ids_1, pinned_1 = torch.full_like(begin.ids_T, Special.END), torch.zeros_like(begin.pinned_T)
    end = dataclasses.replace(begin, ids_T=ids_1, pinned_T=pinned_1)
    chunks_in_turn = int(turn.chunk_T.max()) + 1
    filled, num_turns = prompt, 1
    while len(filled) < model.config.num_places + model.config.window:
        chunk_T = torch.where(turn.chunk_T >= 0, turn.chunk_T + num_turns * chunks_in_turn, turn.chunk_T)
        filled = filled.followed_by(end).followed_by(dataclasses.replace(turn, chunk_T=chunk_T))
        num_turns += 1
    return filled


def open_reply(generator: Generator, slot: int, prompt: TokenSequence) -> None:
    """Begins a reply without end in a free slot. Its one text id is given: a reply without text may end at once."""
    first = {generator.model.vocabulary.text_start: MAX_BIAS}
    request = GenerationRequest(
        mode=Mode.REPLY_AUDIO, seed=slot, max_text_tokens=2, max_frames=NEVER, bias=first
    )
    generator.open(slot, prompt, request)


def open_full(generator: Generator, prompt: TokenSequence) -> None:
    """Begins a reply in every slot of an empty generator, each with a full ring.

    One slot reads filling_request(), and the others, which have read `prompt`, get what then lies in its ring: time and
    memory are those of streams that have all read it.
    """
    open_reply(generator, 0, filling_request(generator.model, prompt))
    while generator.streams[0].unread:
        generator.step()
    for slot in range(1, generator.num_slots):
        open_reply(generator, slot, prompt)
    cache = generator.cache
    for numbers in (*cache.keys.parts, *cache.values.parts):
        numbers[:, 1:] = numbers[:, :1]
    for places in (cache.position_SL, cache.chunk_SL, cache.pinned_SL, cache.length_S, cache.origin_S):
        places[1:] = places[:1]


def frames_of_step(generator: Generator) -> list[AudioFrame]:
    """One step of the network, without sound."""
    return [event for event in generator.step() if isinstance(event, AudioFrame)]


def sound_of_frames(decoders: dict[int, PieceDecoder], frames: list[AudioFrame]) -> dict[int, Tensor | None]:
    """The samples (S,) of each frame by slot, made as the server makes them: all frames in one pass."""
    spoken = [(decoders[frame.slot], frame) for frame in frames]
    made = zip(spoken, decode_frames(spoken), strict=True)
    return {frame.slot: decoder.push(frame, frame_BS).pcm_S for (decoder, frame), frame_BS in made}


def first_audio_ms(
    generator: Generator, slot: int, prompt: TokenSequence, decoders: dict[int, PieceDecoder]
) -> float:
    """Opens a reply in a free slot beside the others and steps until its first sound."""
    start = time.perf_counter()
    open_reply(generator, slot, prompt)
    decoders[slot] = PieceDecoder(decoders[slot].tokenizer, decoders[slot].text)
    while slot not in sound_of_frames(decoders, frames_of_step(generator)):
        pass
    return (time.perf_counter() - start) * 1000


def measure_streams(
    model: OmniModel,
    tokenizer: AudioTokenizer,
    text: TextTokenizer,
    num_streams: int,
    prompt: TokenSequence,
    num_steps: int,
    num_openings: int,
    kv_format: KVFormat = KVFormat.float32,
    steps: CompiledSteps | None = None,
) -> StreamFigures:
    """A generator of as many slots, all of them answering.

    Args:
        model: of speak_without_end().
        tokenizer: makes the sound.
        text: makes the words.
        num_streams: at least 1.
        prompt: of drawn_request(); each of them has heard it until its ring is full.
        num_steps: that are timed.
        num_openings: replies to `prompt` that are opened beside the others and timed until their first sound.
        kv_format: how keys and values are kept.
        steps: compiled ones.
    """
    generator = Generator(model, num_slots=num_streams, kv_format=kv_format, steps=steps)
    decoders = {slot: PieceDecoder(tokenizer, text) for slot in range(num_streams)}
    open_full(generator, prompt)
    while len(sound_of_frames(decoders, frames_of_step(generator))) < num_streams:
        pass
    for _ in range(WARM_UP):
        sound_of_frames(decoders, frames_of_step(generator))
    step_ms = []
    for _ in range(num_steps):
        start = time.perf_counter()
        made = sound_of_frames(decoders, frames_of_step(generator))
        step_ms.append((time.perf_counter() - start) * 1000)
        assert len(made) == num_streams, "each step gives each stream a frame"
    resident = rss_mib()
    openings_ms = []
    for _ in range(num_openings):
        generator.close(num_streams - 1)
        openings_ms.append(first_audio_ms(generator, num_streams - 1, prompt, decoders))
    found = StreamFigures(num_streams, step_ms, openings_ms, generator.cache.num_bytes / 2**20, resident)
    del generator
    gc.collect()
    return found


def raise_streams(
    measure_one: Callable[[int], StreamFigures], max_streams: int, limit_ms: float = FRAME_MS
) -> tuple[list[StreamFigures], bool]:
    """Doubles the number until the p95 step time passes the limit, then halves the interval down to an eighth.

    Returns:
        What was measured, by number of streams, and whether the limit was passed.
    """
    found: dict[int, StreamFigures] = {}
    good, number, bad = 0, 1, None
    while bad is None and number <= max_streams:
        found[number] = measure_one(number)
        if found[number].p95_step_ms > limit_ms:
            bad = number
        else:
            good, number = number, min(2 * number, max(max_streams, number + 1))
    while bad is not None and bad - good > max(1, good // 8):
        middle = (good + bad) // 2
        found[middle] = measure_one(middle)
        if found[middle].p95_step_ms > limit_ms:
            bad = middle
        else:
            good = middle
    return [found[number] for number in sorted(found)], bad is not None


def stream_line(
    found: list[StreamFigures], reached_limit: bool, limit_ms: float = FRAME_MS
) -> dict[str, Any]:
    """The figures by name; memory that was not told is left out."""
    within = [one.num_streams for one in found if one.p95_step_ms <= limit_ms]
    line: dict[str, Any] = {
        "streams": max(within, default=0),
        "reached_limit": reached_limit,
        "limit_ms": limit_ms,
    }
    fewest, most = found[0], found[-1]
    more = most.num_streams - fewest.num_streams
    if more > 0 and most.rss_mib is not None and fewest.rss_mib is not None:
        line["marginal_mib_per_stream"] = digits((most.rss_mib - fewest.rss_mib) / more)
    line["cache_mib_per_stream"] = digits(most.cache_mib / most.num_streams)
    for name, value_of in (
        ("p95_step_ms", lambda one: one.p95_step_ms),
        ("median_step_ms", lambda one: statistics.median(one.step_ms)),
        ("first_audio_ms", lambda one: statistics.median(one.first_audio_ms)),
        ("rss_mib", lambda one: one.rss_mib),
    ):
        values = {str(one.num_streams): value_of(one) for one in found}
        line[name] = {number: digits(value) for number, value in values.items() if value is not None}
    return line
