"""How server-sent events end: by themselves, with the client, and with a reader who is too slow."""

import asyncio

import pytest

from omni_audio.serving.disconnect import EventStreamResponse


async def serve(num_chunks, receive, send):
    """What was called while a response of so many chunks was sent, in order."""
    called = []

    async def chunks():
        for number in range(num_chunks):
            yield b"%d" % number

    response = EventStreamResponse(
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
