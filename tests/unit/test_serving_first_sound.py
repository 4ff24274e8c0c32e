"""A request that has given nothing yet goes before answers that are ahead of their listeners."""

import asyncio

import pytest

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import NUM_SPECIAL
from omni_audio.serving.first_sound import LEAD_STEPS, MIN_LEAD_S, FirstSound
from omni_audio.serving.stream import Listener, Stream

NOW_S = 100.0


def stream(mode=Mode.REPLY_AUDIO, lead_s=None, has_begun=False, calls=False, is_played=True):
    """A stream that was begun to be heard now, with so much sound in hand; None: it has made none."""
    loop = asyncio.new_event_loop()
    loop.close()
    request = GenerationRequest(mode=mode, script=[[NUM_SPECIAL]] if mode is Mode.SAY else [])
    made = Stream(
        [], request, max_total_tokens=None, limit_events=1, owner="", loop=loop, is_played=is_played
    )
    made.made.tool_tokens = int(calls)
    if lead_s is not None:
        made.listener.take(NOW_S, round(lead_s * SAMPLE_RATE_HZ))
        made.times.first_audio_s = NOW_S
    if has_begun or lead_s is not None:
        made.times.first_token_s = NOW_S
    return made


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, set()),
        ({1: stream(lead_s=9.0)}, set()),
        ({1: stream(has_begun=True)}, {0}),
        ({1: stream(has_begun=True, calls=True)}, set()),
        ({1: stream(lead_s=9.0, is_played=False), 2: stream()}, {0}),
        ({1: stream(Mode.SAY)}, {0}),
        ({1: stream(Mode.REPLY_TEXT)}, {0}),
        ({1: stream(Mode.REPLY_TEXT, has_begun=True)}, set()),
        ({1: stream(Mode.TRANSCRIBE, has_begun=True), 2: stream()}, {0}),
        ({1: stream(lead_s=MIN_LEAD_S - 0.01), 2: stream()}, {0}),
        ({1: stream(lead_s=MIN_LEAD_S + 0.01), 2: stream()}, {0, 1}),
    ],
)
def test_who_sits_out_a_step(others, expected):
    assert FirstSound().held_back({0: stream(lead_s=1.0), **others}, NOW_S) == expected


def test_a_lead_is_what_was_made_and_not_heard():
    listener = Listener()
    assert listener.lead_s(NOW_S) == 0
    listener.take(NOW_S, SAMPLE_RATE_HZ)
    assert listener.lead_s(NOW_S + 0.25) == pytest.approx(0.75)
    assert listener.lead_s(NOW_S + 2) == 0
    listener.take(NOW_S + 2, SAMPLE_RATE_HZ)
    assert listener.lead_s(NOW_S + 2.5) == pytest.approx(0.5)


def test_who_sits_out_goes_on_once_little_is_left():
    streams = {0: stream(lead_s=1.0), 1: stream()}
    assert FirstSound().held_back(streams, NOW_S + 0.9 - MIN_LEAD_S) == {0}
    assert FirstSound().held_back(streams, NOW_S + 1.1 - MIN_LEAD_S) == set()


def test_slow_steps_ask_for_more_sound_in_hand_and_are_forgotten():
    first_sound, streams = FirstSound(), {0: stream(lead_s=1.0), 1: stream()}
    first_sound.step_ended(0.01)
    assert first_sound.lead_s == MIN_LEAD_S
    first_sound.step_ended(1.01 / LEAD_STEPS)
    assert first_sound.lead_s == pytest.approx(1.01)
    assert first_sound.held_back(streams, NOW_S) == set()
    for _ in range(200):
        first_sound.step_ended(0.01)
    assert first_sound.lead_s == MIN_LEAD_S
    assert first_sound.held_back(streams, NOW_S) == {0}
