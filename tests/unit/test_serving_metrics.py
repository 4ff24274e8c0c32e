"""What the metrics say of streams whose times and counts are known."""

from types import SimpleNamespace
from unittest.mock import Mock, call

import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families

from omni_audio.model.sequence import NO_CODE, TokenSequence
from omni_audio.serving.metrics import ServerMetrics
from omni_audio.serving.service import ChatService
from omni_audio.serving.stream import Outcome, Stream


def prompt(num_text, num_frames):
    num_positions = num_text + num_frames
    codes_TK = torch.full((num_positions, 4), NO_CODE)
    codes_TK[num_text:] = 0  # a code may be 0: only -1 is none
    empty_T = torch.zeros(num_positions)
    return TokenSequence(empty_T, codes_TK, torch.zeros(num_positions, 0), empty_T, empty_T, empty_T)


def ended_stream(**times_s):
    """A stream with a prompt of 7 + 5, which made 3 text and 2 tool tokens and 4 frames of half a second in all."""
    stream = Stream(prompt(7, 5), None, max_total_tokens=None, limit_events=1, owner="", loop=None)
    stream.times.submitted_s = 100.0
    for name, value in times_s.items():
        setattr(stream.times, name, value)
    made = stream.made
    made.text_tokens, made.tool_tokens, made.audio_frames, made.samples = 3, 2, 4, 8000
    return stream


def samples(metrics):
    """Values by name, with the labels' values behind it."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_times_and_tokens_of_a_spoken_answer():
    metrics = ServerMetrics(num_slots=3)
    times_s = {"admitted_s": 101.0, "first_token_s": 101.2, "first_audio_s": 101.7, "finished_s": 102.0}
    stream = ended_stream(**times_s)
    for now_s, num_samples in ((1.0, 1600), (1.05, 1600), (1.3, 1600), (1.35, 0), (1.39, 1600), (1.6, 800)):
        stream.listener.take(now_s, num_samples)
    metrics.stream_ended(stream, Outcome.COMPLETED)
    found = samples(metrics)
    assert found["omni_audio_underruns_total"] == 2, "nothing at 1.2 s, and from 1.5 s on"
    assert found["omni_audio_first_token_seconds_sum"] == pytest.approx(1.2)
    assert found["omni_audio_first_audio_seconds_sum"] == pytest.approx(1.7)
    assert found["omni_audio_first_audio_seconds_bucket 1.5"] == 0
    assert found["omni_audio_first_audio_seconds_bucket 2.5"] == 1
    assert found["omni_audio_real_time_factor_sum"] == pytest.approx(2.0), (
        "a second for half a second of sound"
    )
    assert found["omni_audio_tokens_total prompt text"] == 7
    assert found["omni_audio_tokens_total prompt audio"] == 5
    assert found["omni_audio_tokens_total completion text"] == 5
    assert found["omni_audio_tokens_total completion audio"] == 4
    assert found["omni_audio_streams_total completed"] == 1
    assert found["omni_audio_slots"] == 3


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.CANCELLED])
def test_a_stream_that_had_no_slot_counts_by_its_outcome_alone(outcome):
    metrics = ServerMetrics(num_slots=1)
    before = samples(metrics)
    metrics.stream_ended(ended_stream(), outcome)
    after = samples(metrics)
    changed = {name for name, value in after.items() if value != before[name]}
    assert changed == {f"omni_audio_streams_total {outcome.value}"}


def test_times_that_never_came_are_left_out():
    metrics = ServerMetrics(num_slots=1)
    stream = ended_stream(admitted_s=100.5, first_token_s=100.6, finished_s=101.0)
    stream.made.samples = 0
    metrics.stream_ended(stream, Outcome.COMPLETED)
    found = samples(metrics)
    assert found["omni_audio_first_token_seconds_count"] == 1
    assert found["omni_audio_first_audio_seconds_count"] == 0
    assert found["omni_audio_real_time_factor_count"] == 0


def test_a_cut_answer_has_no_real_time_factor_and_a_slow_reader_is_counted():
    metrics = ServerMetrics(num_slots=1)
    times_s = {"admitted_s": 101.0, "first_token_s": 101.2, "first_audio_s": 101.7, "finished_s": 102.0}
    metrics.stream_ended(ended_stream(**times_s), Outcome.STALLED)
    metrics.reader_dropped()
    found = samples(metrics)
    assert found["omni_audio_real_time_factor_count"] == 0
    assert found["omni_audio_streams_total stalled"] == 1
    assert found["omni_audio_slow_readers_total"] == 2


@pytest.mark.parametrize(
    ("outcome", "num_cancelled", "num_counted"),
    [(None, 1, 0), (Outcome.COMPLETED, 0, 1), (Outcome.CANCELLED, 0, 1), (Outcome.STALLED, 0, 0)],
)
def test_a_reader_is_counted_by_the_engine_or_by_the_service(outcome, num_cancelled, num_counted):
    metrics, engine, stream = ServerMetrics(num_slots=1), Mock(), ended_stream()
    stream.outcome = outcome
    ChatService.drop_slow_reader(SimpleNamespace(metrics=metrics, engine=engine), stream)
    assert engine.cancel.call_args_list == [call(stream, Outcome.STALLED)] * num_cancelled
    assert samples(metrics)["omni_audio_slow_readers_total"] == num_counted


def test_gauges_are_read_when_asked_for():
    metrics, load = ServerMetrics(num_slots=2), SimpleNamespace(num_active=0, num_pending=0)
    metrics.watch(load)
    load.num_active, load.num_pending = 2, 9
    found = samples(metrics)
    assert (found["omni_audio_slots_busy"], found["omni_audio_queue_length"]) == (2, 9)


def test_two_servers_share_nothing():
    one, other = ServerMetrics(num_slots=1), ServerMetrics(num_slots=1)
    one.request_answered("/health", 200)
    one.step_ended(0.01)
    assert samples(one)["omni_audio_requests_total /health 200"] == 1
    assert "omni_audio_requests_total /health 200" not in samples(other)
    assert samples(other)["omni_audio_step_seconds_count"] == 0
