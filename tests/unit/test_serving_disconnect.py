"""How server-sent events end: by themselves, with the client, and with a reader who is too slow."""

import asyncio
from unittest.mock import Mock, call

import pytest

from omni_audio.serving.disconnect import StreamedResponse
from omni_audio.serving.stream import StreamFailedError
from omni_audio.serving.streamed_answer import streamed_answer


async def serve(num_chunks, receive, send):
    """What was called while a response of so many chunks was sent, in order."""
    called = []

    async def chunks():
        for number in range(num_chunks):
            yield b"%d" % number

    response = StreamedResponse(
        chunks(),
        on_close=lambda: called.append("close"),
        send_timeout_s=0.05,
        on_stall=lambda: called.append("stall"),
    )
    await asyncio.wait_for(response({"type": "http"}, receive, send), 5)
    return called


async def never():
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("none", ["close"]), ("slow", ["stall", "close"]), ("broken", ["close"]), ("left", ["close"])],
)
def test_the_end_is_told_and_a_stall_before_it(fault, expected):
    async def body():
        sent, has_left = [], asyncio.Event()

        async def receive():
            await has_left.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if message.get("body") == b"2" and fault != "none":
                if fault == "broken":
                    raise OSError("gone")
                if fault == "left":
                    has_left.set()
                await never()
            sent.append(message.get("body"))

        assert await serve(5, receive, send) == expected
        assert sent == ([None, b"0", b"1", b"2", b"3", b"4", b""] if fault == "none" else [None, b"0", b"1"])

    asyncio.run(body())


async def text():
    yield b"a"


def open_stream(service, first):
    return streamed_answer(service, ["one stream", "another"], first, lambda _: text())


def test_an_event_stream_frees_its_slot_and_reports_a_slow_reader():
    async def body():
        service = Mock()
        service.config.send_timeout_s = 0.05
        response = await open_stream(service, asyncio.sleep(0))
        assert service.cancel.call_count == 0
        await asyncio.wait_for(response({"type": "http"}, never, lambda _: never()), 5)
        assert service.mock_calls == [
            call.drop_slow_reader("one stream"),
            call.drop_slow_reader("another"),
            call.cancel(["one stream", "another"]),
        ]

    asyncio.run(body())


def test_what_fails_before_the_first_piece_frees_the_slot_and_comes_through():
    async def refuse():
        raise StreamFailedError("no")

    async def body():
        service = Mock()
        with pytest.raises(StreamFailedError):
            await open_stream(service, refuse())
        assert service.cancel.call_args_list == [call(["one stream", "another"])]

    asyncio.run(body())
