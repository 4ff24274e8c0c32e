"""The engine alone, over a generator that follows a script instead of a model; sound is decoded as ever."""

import asyncio
import threading
import time
from dataclasses import dataclass

import pytest
import torch
from tiny import tiny_tokenizer_config

from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.model.events import AudioFrame, Failed, Finished, FinishReason, TextToken
from omni_audio.model.piece_decoder import PieceDecoder
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.serving.engine import Engine
from omni_audio.serving.errors import ApiError
from omni_audio.serving.stream import (
    AudioDelta,
    Outcome,
    PromptRefusedError,
    StoppedError,
    StreamEnd,
    StreamFailedError,
)
from omni_audio.tokenizer.tokenizer import AudioTokenizer

STEP_S = 0.002
FOREVER = 10**9
TOKENIZER = AudioTokenizer(tiny_tokenizer_config()).eval()
VQ = TOKENIZER.config.vq


@dataclass
class Script:
    """Stands in for prompt and request: what the stream does."""

    num_steps: int = 3
    with_audio: bool = False
    refuse: bool = False
    break_open: bool = False
    break_step_at: int = -1
    bad_token_at: int = -1
    bad_code_at: int = -1
    fail_at: int = -1

    def __len__(self):
        return 1


class ScriptedGenerator:
    made = 0

    def __init__(self, num_slots):
        type(self).made += 1
        self.num_slots = num_slots
        self.open_slots = {}
        self.most_open = 0

    def open(self, slot, prompt, request):
        assert slot not in self.open_slots
        assert 0 <= slot < self.num_slots
        if prompt.refuse:
            raise ValueError("prompt is not allowed: expected a better one. Change it.")
        if prompt.break_open:
            raise RuntimeError("out of something")
        self.open_slots[slot] = [prompt, 0]
        self.most_open = max(self.most_open, len(self.open_slots))

    def step(self, held_back=(), read_s=0.0):
        time.sleep(STEP_S)
        events = []
        for slot, state in list(self.open_slots.items()):
            if slot in held_back:
                continue
            script, done = state
            if done == script.break_step_at:
                raise RuntimeError("nan")
            if done == script.fail_at:
                self.close(slot)
                events.append(Failed(slot, ValueError("nothing may follow")))
            elif done >= script.num_steps:
                events.append(Finished(slot, FinishReason.STOP))
            elif script.with_audio and done % 2:
                code = VQ.codebook_size if done == script.bad_code_at else done % VQ.codebook_size
                events.append(AudioFrame(slot, torch.full((VQ.num_codebooks,), code)))
            else:
                events.append(TextToken(slot, -1 if done == script.bad_token_at else done))
            state[1] += 1
        return events

    def close(self, slot):
        self.open_slots.pop(slot, None)


class ScriptedText:
    def token_bytes(self, token):
        if token < 0:
            raise IndexError(token)
        return f"{token} ".encode()


def make_engine(num_slots=2, queue_limit=4, limit_events=1000, observer=None, limit_positions=None):
    ScriptedGenerator.made = 0
    engine = Engine(
        lambda: ScriptedGenerator(num_slots),
        lambda request: PieceDecoder(TOKENIZER, ScriptedText()),
        num_slots=num_slots,
        queue_limit=queue_limit,
        limit_events=limit_events,
        limit_positions=limit_positions,
        observer=observer,
    )
    engine.start()
    return engine


async def read(stream):
    events = []
    while not events or not isinstance(events[-1], StreamEnd):
        events.append(await asyncio.wait_for(stream.get(), 5))
    return events


def sound_of(events):
    return torch.cat([torch.from_numpy(event.pcm_S) for event in events if isinstance(event, AudioDelta)])


async def until(condition, timeout_s=2.0):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.005)


def submit(engine, script, mode=Mode.REPLY_AUDIO, **options):
    (stream,) = engine.submit(script, [GenerationRequest(mode=mode)], **options)
    return stream


def run(test, **options):
    async def body():
        before = set(threading.enumerate())
        engine = make_engine(**options)
        try:
            await asyncio.wait_for(test(engine), 10)
        finally:
            engine.stop()
        left = set(threading.enumerate()) - before
        assert not any(thread.name == "omni-audio-engine" for thread in left)

    asyncio.run(body())


def test_streams_share_the_batch_and_the_queue_drains():
    async def body(engine):
        streams = [submit(engine, Script(num_steps=steps)) for steps in (2, 5, 1, 4, 3)]
        for stream, steps in zip(streams, (2, 5, 1, 4, 3), strict=True):
            events = await read(stream)
            assert "".join(event.text for event in events[:-1]) == "".join(f"{i} " for i in range(steps))
            assert events[-1] == StreamEnd("stop")
            assert stream.delivered.text_tokens == steps
        assert engine._generator.most_open == 2
        assert engine.snapshot()["completed"] == 5
        assert engine.num_active == engine.num_pending == 0

    run(body)


def test_an_answer_that_is_ahead_of_its_listener_lets_a_new_one_speak_first():
    async def body(engine):
        ahead = submit(engine, Script(num_steps=FOREVER, with_audio=True))
        await until(lambda: ahead.made.audio_frames > 50)
        silent = submit(engine, Script(num_steps=40))
        await silent.get()
        num_frames = ahead.made.audio_frames
        await read(silent)
        assert ahead.made.audio_frames <= num_frames + 1
        await until(lambda: ahead.made.audio_frames > num_frames + 20)

    run(body)


def test_times_are_measured():
    async def body(engine):
        first = submit(engine, Script(num_steps=6, with_audio=True))
        second = submit(engine, Script(num_steps=2))
        await read(first)
        await read(second)
        times = first.times
        assert 0 <= times.queue_ms <= times.first_token_ms < times.first_audio_ms
        assert times.finished_s is not None
        assert first.delivered.audio_frames == 3
        assert second.times.first_audio_ms is None
        assert second.times.queue_ms > times.first_audio_ms

    run(body, num_slots=1)


def test_streams_of_one_request_take_one_place_and_no_other_request_waits_for_all_of_them():
    async def body(engine):
        many = engine.submit(Script(num_steps=40), [GenerationRequest(mode=Mode.REPLY_TEXT)] * 20)
        await until(lambda: engine.num_active == 2)
        late = submit(engine, Script(num_steps=3), owner="late")
        assert (engine.num_requests(), engine.num_requests("late"), engine.num_requests("nobody")) == (
            2,
            1,
            0,
        )
        with pytest.raises(ApiError) as caught:
            submit(engine, Script())
        assert caught.value.status == 503
        await read(late)
        assert sum(stream.outcome is Outcome.COMPLETED for stream in many) <= 2
        for stream in many:
            await read(stream)
        assert engine.num_requests() == 0

    run(body, num_slots=2, queue_limit=0)


def test_prompts_that_are_too_long_together_are_refused():
    async def body(engine):
        streams = engine.submit(Script(num_steps=FOREVER), [GenerationRequest(mode=Mode.REPLY_TEXT)] * 2)
        streams.append(submit(engine, Script(num_steps=FOREVER)))
        with pytest.raises(ApiError) as caught:
            submit(engine, Script())
        assert (caught.value.status, caught.value.code) == (503, "overloaded")
        engine.cancel(streams.pop())
        await read(submit(engine, Script()))
        for stream in streams:
            engine.cancel(stream)

    run(body, num_slots=3, limit_positions=2)


def test_an_engine_that_is_shut_ends_its_streams_by_an_error_that_says_so():
    async def body(engine):
        streams = [submit(engine, Script(num_steps=FOREVER)) for _ in range(2)]
        await until(lambda: engine.num_active == 1)
        engine.shut()
        for stream in streams:
            with pytest.raises(StoppedError):
                await read(stream)
        with pytest.raises(ApiError) as caught:
            submit(engine, Script())
        assert caught.value.status == 503

    run(body, num_slots=1)


def test_full_queue_is_refused_with_retry_after():
    async def body(engine):
        streams = [submit(engine, Script(num_steps=FOREVER)) for _ in range(3)]
        with pytest.raises(ApiError) as caught:
            submit(engine, Script())
        assert (caught.value.status, caught.value.code) == (503, "overloaded")
        assert int(caught.value.headers()["retry-after"]) >= 1
        for stream in streams:
            engine.cancel(stream)
        await until(lambda: engine.num_active == engine.num_pending == 0)
        assert await read(submit(engine, Script()))
        assert engine.snapshot()["cancelled"] == 3
        assert engine.snapshot()["rejected"] == 1

    run(body, num_slots=1, queue_limit=2)


def test_cancel_takes_effect_within_a_step_and_lets_the_next_in():
    async def body(engine):
        stream = submit(engine, Script(num_steps=FOREVER))
        waiting = submit(engine, Script(num_steps=1))
        await stream.get()
        engine.cancel(stream)
        engine.cancel(stream)
        await asyncio.wait_for(read(waiting), 0.5)

    run(body, num_slots=1)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (Script(refuse=True), PromptRefusedError),
        (Script(break_open=True), StreamFailedError),
        (Script(bad_token_at=1), StreamFailedError),
        (Script(fail_at=1), StreamFailedError),
        (Script(with_audio=True, bad_code_at=1), StreamFailedError),
    ],
)
def test_one_failing_stream_leaves_its_neighbour_alone(script, error):
    async def body(engine):
        good = submit(engine, Script(num_steps=20, with_audio=True))
        bad = submit(engine, script)
        with pytest.raises(error):
            await read(bad)
        assert sound_of(await read(good)).shape == (10 * FRAME_SAMPLES,)
        assert engine._generator.open_slots == {}
        assert ScriptedGenerator.made == 1

    run(body)


def test_the_sound_of_a_stream_is_its_own_while_others_come_fail_and_go():
    alone = []

    async def one_by_one(engine):
        for num_steps in (30, 8, 17):
            alone.append(sound_of(await read(submit(engine, Script(num_steps=num_steps, with_audio=True)))))

    async def together(engine):
        left = submit(engine, Script(num_steps=FOREVER, with_audio=True))
        submit(engine, Script(with_audio=True, num_steps=FOREVER, bad_code_at=5))
        submit(engine, Script(num_steps=12))
        streams = [submit(engine, Script(num_steps=steps, with_audio=True)) for steps in (30, 8, 17)]
        for _ in range(4):
            await left.get()
        engine.cancel(left)
        for stream, pcm_S in zip(streams, alone, strict=True):
            torch.testing.assert_close(sound_of(await read(stream)), pcm_S, atol=1e-5, rtol=0)
        await until(lambda: engine.num_active == 0)
        counters = engine.snapshot()
        assert (counters["completed"], counters["cancelled"], counters["failed"]) == (4, 1, 1)

    run(one_by_one, num_slots=1)
    run(together, num_slots=4)


def test_frames_of_a_step_go_through_the_vocoder_together(monkeypatch):
    num_rows = []
    decode_stream = TOKENIZER.decode_stream

    def counted(acoustic_BFK, state):
        num_rows.append(acoustic_BFK.shape[0])
        return decode_stream(acoustic_BFK, state)

    monkeypatch.setattr(TOKENIZER, "decode_stream", counted)

    async def body(engine):
        with engine._wake:  # all are admitted before the first step
            streams = [submit(engine, Script(num_steps=steps, with_audio=True)) for steps in (9, 9, 9, 5)]
        for stream in streams:
            await read(stream)

    run(body, num_slots=4)
    assert num_rows == [4, 4, 3, 3]


def test_after_a_broken_step_the_engine_goes_on_with_a_fresh_generator():
    async def body(engine):
        bad = submit(engine, Script(break_step_at=1))
        with pytest.raises(StreamFailedError):
            await read(bad)
        assert len(await read(submit(engine, Script(num_steps=3)))) == 4
        assert ScriptedGenerator.made == 2
        assert engine.is_ready

    run(body)


def test_reader_that_stalls_is_dropped():
    async def body(engine):
        stream = submit(engine, Script(num_steps=FOREVER))
        await until(lambda: engine.snapshot()["stalled"] == 1)
        assert engine.num_active == 0
        for _ in range(10):
            await stream.get()
        with pytest.raises(StreamFailedError, match="stalled"):
            await stream.get()

    run(body, limit_events=10)


def test_limit_on_all_tokens_ends_with_length():
    async def body(engine):
        events = await read(submit(engine, Script(num_steps=FOREVER, with_audio=True), max_total_tokens=5))
        assert len(events) == 5 + 2, "the last samples and the end come after the tokens"
        assert events[-1] == StreamEnd("length")

    run(body)


def test_open_streams_fail_when_the_engine_stops():
    async def body(engine):
        stream = submit(engine, Script(num_steps=FOREVER))
        await stream.get()
        engine.stop()
        with pytest.raises(StreamFailedError, match="stopped"):
            await read(stream)
        with pytest.raises(ApiError, match="overloaded"):
            submit(engine, Script())

    run(body)


class Listener:
    """Writes down what the engine tells."""

    def __init__(self):
        self.ended = []
        self.steps_s = []
        self.threads = set()

    def step_ended(self, duration_s):
        self.steps_s.append(duration_s)
        self.threads.add(threading.current_thread().name)

    def stream_ended(self, stream, outcome):
        self.ended.append((stream, outcome))


def test_the_engine_tells_of_every_stream_once():
    listener = Listener()

    async def body(engine):
        whole = submit(engine, Script(num_steps=4, with_audio=True))
        failed = submit(engine, Script(refuse=True))
        await read(whole)
        with pytest.raises(StreamFailedError):
            await read(failed)
        left, enough = (submit(engine, Script(num_steps=FOREVER)) for _ in range(2))
        waiting = submit(engine, Script())
        await left.get()
        await enough.get()
        engine.cancel(waiting)
        engine.cancel(left)
        engine.cancel(left, Outcome.COMPLETED)
        engine.cancel(enough, Outcome.COMPLETED)
        await until(lambda: engine.num_active == 0)
        engine.cancel(whole)
        outcomes = dict(listener.ended)
        assert len(listener.ended) == len(outcomes) == 5
        assert outcomes == {
            whole: Outcome.COMPLETED,
            failed: Outcome.FAILED,
            waiting: Outcome.CANCELLED,
            left: Outcome.CANCELLED,
            enough: Outcome.COMPLETED,
        }
        assert all(stream.outcome is outcome for stream, outcome in outcomes.items())
        assert whole.made.samples == 2 * FRAME_SAMPLES, (
            "the last samples are counted before the stream has ended"
        )
        stalled = submit(engine, Script(num_steps=FOREVER))
        await until(lambda: stalled.outcome is not None)
        assert listener.ended[-1] == (stalled, Outcome.STALLED)
        assert engine.snapshot() == {
            "active": 0, "pending": 0, "admitted": 5, "completed": 2, "cancelled": 2, "stalled": 1, "failed": 1,
            "rejected": 0,
        }  # fmt: skip

    run(body, num_slots=2, limit_events=200, observer=listener)
    assert len(listener.steps_s) > 50
    assert all(STEP_S <= duration_s < 1 for duration_s in listener.steps_s)
    assert listener.threads == {"omni-audio-engine"}


def test_open_and_waiting_streams_are_told_of_when_the_engine_stops():
    listener = Listener()

    async def body(engine):
        streams = [submit(engine, Script(num_steps=FOREVER)) for _ in range(2)]
        await streams[0].get()
        engine.stop()
        assert listener.ended == [(stream, Outcome.FAILED) for stream in streams]

    run(body, num_slots=1, observer=listener)
