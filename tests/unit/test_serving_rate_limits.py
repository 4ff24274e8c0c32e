"""Buckets of requests and tokens, under a clock that the test turns."""

import asyncio

import pytest

from omni_audio.serving.errors import ApiError
from omni_audio.serving.rate_limits import RateLimiter
from omni_audio.serving.settings import RateLimitConfig
from omni_audio.serving.stream import Outcome, Stream, TextDelta


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def limiter_of(clock, **limits):
    return RateLimiter(RateLimitConfig(**limits), clock)


def refusal(limiter, owner="me"):
    with pytest.raises(ApiError) as caught:
        limiter.admit(owner)
    error = caught.value
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert error.headers()["retry-after"] == str(error.retry_after_s)
    return error


def test_without_limits_nothing_is_counted(clock):
    limiter = limiter_of(clock)
    for _ in range(1000):
        limiter.admit("me")
    limiter.charge("me", 10**9)
    limiter.admit("me")
    assert limiter.headers("me") == {}


def test_requests_come_back_one_by_one(clock):
    limiter = limiter_of(clock, requests_per_minute=6)
    for _ in range(6):
        limiter.admit("me")
    error = refusal(limiter)
    assert (error.type, error.retry_after_s) == ("requests", 10)
    clock.now_s += 9.9
    assert refusal(limiter).retry_after_s == 1
    clock.now_s += 0.1001
    limiter.admit("me")
    refusal(limiter)
    limiter.admit("you")
    clock.now_s += 10_000
    for _ in range(6):
        limiter.admit("me")
    refusal(limiter)


def test_tokens_are_charged_afterwards_and_waited_for(clock):
    limiter = limiter_of(clock, tokens_per_minute=60)
    limiter.admit("me")
    limiter.charge("me", 50)
    limiter.admit("me")
    limiter.charge("me", 30)
    error = refusal(limiter)
    assert (error.type, error.retry_after_s) == ("tokens", 21)
    clock.now_s += error.retry_after_s
    limiter.admit("me")


def test_a_refused_request_takes_nothing(clock):
    limiter = limiter_of(clock, requests_per_minute=2, tokens_per_minute=60)
    limiter.charge("me", 60)
    for _ in range(5):
        assert refusal(limiter).type == "tokens"
    assert limiter.headers("me")["x-ratelimit-remaining-requests"] == "2"


def test_headers_say_what_is_left(clock):
    limiter = limiter_of(clock, requests_per_minute=6, tokens_per_minute=600)
    limiter.admit("me")
    limiter.charge("me", 25)
    assert limiter.headers("me") == {
        "x-ratelimit-limit-requests": "6",
        "x-ratelimit-remaining-requests": "5",
        "x-ratelimit-reset-requests": "10.000s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "575",
        "x-ratelimit-reset-tokens": "2.500s",
    }
    limiter.charge("me", 10_000)
    assert limiter.headers("me")["x-ratelimit-remaining-tokens"] == "0"


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.CANCELLED, Outcome.FAILED])
def test_what_a_stream_made_is_charged_to_its_key(clock, outcome):
    limiter = limiter_of(clock, tokens_per_minute=100)
    loop = asyncio.new_event_loop()
    stream = Stream(None, None, max_total_tokens=None, limit_events=1, owner="me", loop=loop)
    loop.close()
    for _ in range(30):
        stream.made.add(TextDelta("x"))
    limiter.stream_ended(stream, outcome)
    assert limiter.headers("me")["x-ratelimit-remaining-tokens"] == "70"
    assert limiter.headers("you")["x-ratelimit-remaining-tokens"] == "100"


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute"])
def test_a_limit_of_none_at_all_is_refused(name):
    with pytest.raises(ValueError, match=name):
        RateLimitConfig(**{name: 0})
