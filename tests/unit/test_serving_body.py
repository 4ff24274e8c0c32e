"""Bodies of requests: what all of them together may take, and how many values one may hold."""

import asyncio
import threading
import time

import pytest
from starlette.requests import Request

from omni_audio.serving import body
from omni_audio.serving.body import MAX_JSON_VALUES, Bodies, read_form, read_json
from omni_audio.serving.errors import ApiError
from omni_audio.serving.multipart import MAX_PADDING, parse_multipart
from omni_audio.serving.schemas import MAX_CALLS, MAX_CALLS_OF_ALL, MAX_MESSAGES_AND_PARTS, parse_chat_request

USER = {"role": "user", "content": ""}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ANSWER = {"role": "assistant", "tool_calls": [CALL] * MAX_CALLS}
FORM = "multipart/form-data; boundary=XX"


def request_of(*chunks, content_type="application/json"):
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    headers = [(b"content-type", content_type.encode())]
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
        (
            {
                "messages": [{"role": "assistant", "tool_calls": [CALL] * MAX_CALLS}]
                * (MAX_CALLS_OF_ALL // MAX_CALLS + 1)
            },
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


def test_as_many_calls_as_allowed_are_taken():
    messages = [ANSWER] * (MAX_CALLS_OF_ALL // MAX_CALLS)
    assert len(parse_chat_request({"model": "m", "messages": messages}).messages) == len(messages)


def form_of(*contents, padding=b""):
    """A form with files named f; `padding` stands behind each boundary but the first and last."""
    head = b'\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    return b"--XX" + (b"\r\n--XX" + padding).join(head + content for content in contents) + b"\r\n--XX--\r\n"


def test_forms_are_parsed_beside_the_event_loop(monkeypatch):
    threads = []

    def parse(*arguments):
        threads.append(threading.get_ident())
        return parse_multipart(*arguments)

    monkeypatch.setattr(body, "parse_multipart", parse)

    async def read():
        with Bodies(limit_bytes=1000, total_limit_bytes=1000, timeout_s=1.0).room() as room:
            return await read_form(request_of(form_of(b"sound"), content_type=FORM), room)

    assert asyncio.run(read()).file("f").data == b"sound"
    assert len(threads) == 1
    assert threads != [threading.get_ident()]


@pytest.mark.parametrize("blank", [b" ", b"\t"])
def test_blanks_behind_a_boundary_are_few(blank):
    """The parser looks at each: megabytes of them would take seconds."""
    form = parse_multipart(form_of(b"a", b"b", padding=blank * MAX_PADDING), FORM)
    assert [file.data for file in form.files["f"]] == [b"a", b"b"]
    start_s = time.process_time()
    with pytest.raises(ApiError) as caught:
        parse_multipart(form_of(b"a", b"b", padding=blank * 2**24), FORM)
    assert caught.value.code == "invalid_multipart"
    assert time.process_time() - start_s < 1.0
