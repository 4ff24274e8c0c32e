"""A scripted model behind a real server: tool calls, failures, overload and clients that go away."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from asking import MODEL, SOUND, USER, ask, asked, wait_until

TOOLS = [{"type": "function", "function": {"name": "set_timer", "parameters": {"type": "object"}}}]
CALL = '{"name":"set_timer","arguments":{"value":5,"unit":"minutes"}}'
FREE_TIMEOUT_S = 1.0


@pytest.mark.parametrize("sound", [{}, SOUND])
def test_tool_call_plain_and_streamed(scripted_server, sound):
    with scripted_server([("tool", CALL), ("end", "tool_calls")]) as url:
        choice = ask(url, tools=TOOLS, **sound).choices[0]
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        assert choice.message.audio is None
        call = choice.message.tool_calls[0]
        assert (call.type, call.function.name) == ("function", "set_timer")
        assert json.loads(call.function.arguments) == {"value": 5, "unit": "minutes"}

        chunks = ask(url, tools=TOOLS, stream=True, **sound)
        deltas = [chunk.choices[0].delta for chunk in chunks]
        assert (deltas[0].role, deltas[0].content) == ("assistant", None)
        opening = deltas[1].tool_calls[0]
        assert opening.id.startswith("call_")
        assert (opening.index, opening.function.name, opening.function.arguments) == (0, "set_timer", "")
        arguments = "".join(delta.tool_calls[0].function.arguments for delta in deltas[1:-1])
        assert json.loads(arguments) == {"value": 5, "unit": "minutes"}
        assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_function_call_plain_and_streamed(scripted_server):
    functions = [{"name": "set_timer", "parameters": {"type": "object"}}]
    with scripted_server([("tool", CALL), ("end", "tool_calls")]) as url:
        choice = ask(url, functions=functions).choices[0]
        assert (choice.finish_reason, choice.message.content) == ("function_call", None)
        assert choice.message.tool_calls is None
        assert choice.message.function_call.name == "set_timer"
        assert json.loads(choice.message.function_call.arguments) == {"value": 5, "unit": "minutes"}

        chunks = ask(url, functions=functions, stream=True)
        deltas = [chunk.choices[0].delta for chunk in chunks]
        assert (deltas[0].role, deltas[0].content) == ("assistant", None)
        assert all(delta.tool_calls is None for delta in deltas)
        calls = [delta.function_call for delta in deltas[1:-1]]
        assert [call.name for call in calls] == ["set_timer"] + [None] * (len(calls) - 1)
        assert json.loads("".join(call.arguments for call in calls)) == {"value": 5, "unit": "minutes"}
        assert chunks[-1].choices[0].finish_reason == "function_call"


@pytest.mark.parametrize("raw", ["set_timer(5)", '{"name":"other","arguments":{}}'])
def test_invalid_tool_call_is_never_passed_on(scripted_server, raw):
    with scripted_server([("tool", raw), ("end", "tool_calls")]) as url:
        for is_stream in (False, True):
            with pytest.raises(openai.InternalServerError) as caught:
                ask(url, tools=TOOLS, stream=is_stream)
            assert caught.value.code == "invalid_tool_call"
        assert httpx.get(f"{url}/ready").status_code == 200


def test_stop_sequence_across_tokens(scripted_server, engine_of):
    with scripted_server([("text", "one two STOP three"), ("end", "stop")]) as url:
        answers = [ask(url, stop=["STOP", "never"]), ask(url, stop="STOP")]
        assert [answer.choices[0].message.content for answer in answers] == ["one two "] * 2
        chunks = ask(url, stop="STOP", stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two "
        assert chunks[-1].choices[0].finish_reason == "stop"
        wait_until(lambda: engine_of(url)["completed"] == 3, FREE_TIMEOUT_S)
        assert engine_of(url)["cancelled"] == 0


def test_characters_of_several_tokens_arrive_whole(scripted_server):
    words = "naïve 音声 🎧 done"
    with scripted_server([("text", words), ("end", "stop")]) as url:
        assert ask(url).choices[0].message.content == words
        pieces = [chunk.choices[0].delta.content or "" for chunk in ask(url, stream=True)]
        assert "".join(pieces) == words


def test_failure_in_mid_stream_is_an_error_event_without_done(scripted_server):
    with scripted_server([("text", "some words"), ("break", "out of luck")], step_s=0.02) as url:
        body = {"model": MODEL, "messages": [USER], "stream": True}
        text = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=10).text
        events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        assert events[-1]["error"]["type"] == "server_error"
        assert "luck" not in text
        assert "[DONE]" not in text
        plain = httpx.post(f"{url}/v1/chat/completions", json=body | {"stream": False}, timeout=10)
        assert (plain.status_code, plain.json()["error"]["code"]) == (500, "server_error")


@pytest.mark.parametrize("is_stream", [True, False])
def test_disconnect_frees_the_slot_and_the_place_in_the_queue(scripted_server, engine_of, is_stream):
    body = {"model": MODEL, "messages": [USER], "stream": is_stream}
    with scripted_server([("until", threading.Event())], step_s=0.01, num_slots=1, queue_limit=4) as url:
        with asked(url, **body):
            wait_until(lambda: engine_of(url)["active"] == 1, 5.0)
            with asked(url, **body):
                wait_until(lambda: engine_of(url)["pending"] == 1, 5.0)
            wait_until(lambda: engine_of(url)["pending"] == 0, FREE_TIMEOUT_S)
            assert engine_of(url)["active"] == 1
        wait_until(lambda: engine_of(url)["active"] == 0, FREE_TIMEOUT_S)
        assert engine_of(url)["cancelled"] == 2


def test_answers_that_outlast_the_drain_end_with_an_error(scripted_server, engine_of):
    body = {"model": MODEL, "messages": [USER]}
    script = [("until", threading.Event())]
    with ThreadPoolExecutor(2) as pool:
        with scripted_server(script, step_s=0.01, num_slots=2, drain_timeout_s=0.5) as url:
            asking = [
                pool.submit(
                    httpx.post, f"{url}/v1/chat/completions", json={**body, "stream": is_stream}, timeout=30
                )
                for is_stream in (True, False)
            ]
            wait_until(lambda: engine_of(url)["active"] == 2, 10.0)
        streamed, plain = (each.result(30) for each in asking)
    *_, last = [line for line in streamed.text.splitlines() if line]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "overloaded"
    assert "[DONE]" not in streamed.text
    assert (plain.status_code, plain.json()["error"]["code"]) == (503, "overloaded")
    assert plain.headers["retry-after"] == "1"


def test_overload_is_a_503_with_retry_after(scripted_server, engine_of):
    go_on = threading.Event()
    script = [("until", go_on), ("end", "stop")]
    with (
        scripted_server(script, step_s=0.01, num_slots=1, queue_limit=1) as url,
        ThreadPoolExecutor(2) as pool,
    ):
        try:
            served = [pool.submit(ask, url) for _ in range(2)]
            wait_until(lambda: engine_of(url)["pending"] == 1, 5.0)
            with pytest.raises(openai.InternalServerError) as caught:
                ask(url)
        finally:
            go_on.set()
        assert (caught.value.status_code, caught.value.code) == (503, "overloaded")
        assert int(caught.value.response.headers["retry-after"]) >= 1
        assert [answer.result(5).choices[0].finish_reason for answer in served] == ["stop"] * 2


def test_reader_that_stops_reading_loses_its_slot(scripted_server, engine_of):
    body = {"model": MODEL, "messages": [USER], "stream": True}
    script = [("until", threading.Event())]
    with scripted_server(script, num_slots=1, outbox_limit_events=50, send_timeout_s=0.5) as url:
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=10) as response:
            next(response.iter_raw())
            wait_until(lambda: engine_of(url)["active"] == 0, 10.0)
        assert httpx.get(f"{url}/ready").status_code == 200
