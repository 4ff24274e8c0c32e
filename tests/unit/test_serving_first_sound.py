"""A request that has given nothing yet goes before answers that are ahead of their listeners."""

import asyncio

import pytest

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import NUM_SPECIAL
from omni_audio.serving.first_sound import SAFE_LEAD_S, ahead_of_listener
from omni_audio.serving.stream import Listener, Stream

NOW_S = 100.0


def stream(mode=Mode.REPLY_AUDIO, lead_s=None, has_begun=False):
    """A stream that was begun to be heard now, with so much sound in hand; None: it has made none."""
    loop = asyncio.new_event_loop()
    loop.close()
    request = GenerationRequest(mode=mode, script=[[NUM_SPECIAL]] if mode is Mode.SAY else [])
    made = Stream([], request, max_total_tokens=None, limit_events=1, owner="", loop=loop)
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
        ({1: stream(Mode.SAY)}, {0}),
        ({1: stream(Mode.REPLY_TEXT)}, {0}),
        ({1: stream(Mode.REPLY_TEXT, has_begun=True)}, set()),
        ({1: stream(Mode.TRANSCRIBE, has_begun=True), 2: stream()}, {0}),
        ({1: stream(lead_s=SAFE_LEAD_S - 0.01), 2: stream()}, {0}),
        ({1: stream(lead_s=SAFE_LEAD_S + 0.01), 2: stream()}, {0, 1}),
    ],
)
def test_who_sits_out_a_step(others, expected):
    assert ahead_of_listener({0: stream(lead_s=1.0), **others}, NOW_S) == expected


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
    assert ahead_of_listener(streams, NOW_S + 0.9 - SAFE_LEAD_S) == {0}
    assert ahead_of_listener(streams, NOW_S + 1.1 - SAFE_LEAD_S) == set()
