"""Bodies of requests: what all of them together may take, and how many values one may hold."""

import asyncio

import pytest
from starlette.requests import Request

from omni_audio.serving.body import MAX_JSON_VALUES, Bodies, read_json
from omni_audio.serving.errors import ApiError
from omni_audio.serving.schemas import MAX_MESSAGES_AND_PARTS, parse_chat_request

USER = {"role": "user", "content": ""}


def request_of(*chunks):
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    headers = [(b"content-type", b"application/json")]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def bodies(total_limit_bytes):
    return Bodies(limit_bytes=100, total_limit_bytes=total_limit_bytes, timeout_s=1.0)


def refusal_of(bodies, request):
    async def read():
        with bodies.room() as room:
            await read_json(request, room)

    with pytest.raises(ApiError) as caught:
        asyncio.run(read())
    return caught.value.status, caught.value.code


def test_bodies_share_their_room_and_give_it_back():
    shared = bodies(150)

    async def read():
        with shared.room() as first:
            assert await read_json(request_of(b"[1,", b" " * 90, b"2]"), first) == [1, 2]
            assert shared.held_bytes == 95
            with shared.room() as second:
                with pytest.raises(ApiError) as caught:
                    await read_json(request_of(b"[", b" " * 60, b"]"), second)
                assert (caught.value.status, caught.value.retry_after_s) == (503, 1)
                assert shared.held_bytes == 95, "what was refused is not held"
        with shared.room() as third:
            assert await read_json(request_of(b"[", b" " * 60, b"]"), third) == []

    asyncio.run(read())
    assert shared.held_bytes == 0


def test_one_body_has_its_own_limit():
    shared = bodies(1000)
    assert refusal_of(shared, request_of(b"[" * 60, b" " * 60)) == (413, "request_too_large")
    assert shared.held_bytes == 0


def test_values_are_counted_before_they_are_parsed():
    many = Bodies(limit_bytes=2**24, total_limit_bytes=2**24, timeout_s=5.0)
    assert refusal_of(many, request_of(b"[" + b"0," * (MAX_JSON_VALUES + 1) + b"0]")) == (
        400,
        "too_many_values",
    )


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": [USER] * (MAX_MESSAGES_AND_PARTS + 1)}, "messages", "context_length_exceeded"),
        (
            {"messages": [{**USER, "content": [{"type": "text", "text": ""}] * MAX_MESSAGES_AND_PARTS}]},
            "messages",
            "context_length_exceeded",
        ),
        ({"metadata": dict.fromkeys(map(str, range(17)), "")}, "metadata", "invalid_value"),
        ({"logit_bias": dict.fromkeys(map(str, range(1025)), 1)}, "logit_bias", "invalid_value"),
    ],
)
def test_lists_are_counted_before_they_are_checked(fields, param, code):
    with pytest.raises(ApiError) as caught:
        parse_chat_request({"model": "m", "messages": [USER], **fields})
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


@pytest.mark.parametrize("place", ["messages", "content"])
def test_only_the_first_fault_of_a_long_list_is_told(place):
    """Thousands of faults would be thousands of objects."""
    faults = [0] * 60_000
    messages = faults if place == "messages" else [{**USER, "content": faults}]
    with pytest.raises(ApiError) as caught:
        parse_chat_request({"model": "m", "messages": messages})
    assert caught.value.param == {"messages": "messages[0]", "content": "messages[0].content[0]"}[place]
    cause = caught.value.__context__
    assert cause.error_count() <= 3
