"""Several tool calls in one answer, plain and streamed; their arguments come while they are made.

The test of the npm client needs node and the package openai, as test_server_node_client.py says.
"""

import json
import subprocess
import threading
from itertools import groupby
from pathlib import Path

import httpx
import openai
import pytest
from asking import MODEL, SOUND, USER, ask, client_of

from omni_audio.model.assistant import Assistant

TIMER = {"type": "function", "function": {"name": "set_timer", "parameters": {"type": "object"}}}
LIGHT = {"type": "function", "function": {"name": "set_light", "parameters": {"type": "object"}}}
TOOLS = [TIMER, LIGHT]
FUNCTIONS = [tool["function"] for tool in TOOLS]
ARGUMENTS = [
    ("set_timer", '{"value":5,"unit":"minutes"}'),
    ("set_light", '{"room":"k\u00fcche {}\\"}","on":true}'),
    ("set_timer", "{}"),
]
CALLS = [("tool", f'{{"name":"{name}","arguments":{arguments}}}') for name, arguments in ARGUMENTS]
SCRIPT = [*CALLS, ("end", "tool_calls")]
SWITCH = {
    "type": "function",
    "function": {
        "name": "switch",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"on": {"type": "boolean"}, "room": {"type": "string", "maxLength": 4}},
            "required": ["on", "room"],
            "additionalProperties": False,
        },
    },
}


def made(calls):
    return [(call.function.name, call.function.arguments) for call in calls]


def deltas_of(chunks):
    return [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]


@pytest.mark.parametrize("sound", [{}, SOUND])
def test_each_call_has_its_own_id_and_index(scripted_server, sound):
    with scripted_server(SCRIPT) as url:
        choice = ask(url, tools=TOOLS, **sound).choices[0]
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
        assert made(choice.message.tool_calls) == ARGUMENTS
        assert len({call.id for call in choice.message.tool_calls}) == 3

        chunks = ask(url, tools=TOOLS, stream=True, **sound)
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "tool_calls"]
        deltas = deltas_of(chunks)
        assert [delta.index for delta in deltas] == sorted(delta.index for delta in deltas)
        ids = set()
        for index, parts in groupby(deltas, lambda delta: delta.index):
            opening, *more = parts
            assert (opening.type, opening.function.name) == ("function", ARGUMENTS[index][0])
            assert opening.function.arguments == ""
            ids.add(opening.id)
            assert len(more) > 1 or ARGUMENTS[index][1] == "{}"
            assert all(part.id is part.type is part.function.name is None for part in more)
            assert "".join(part.function.arguments for part in more) == ARGUMENTS[index][1]
        assert len(ids) == 3


def test_the_clients_own_accumulation_of_several_calls(scripted_server):
    with scripted_server(SCRIPT) as url, client_of(url) as client:
        with client.chat.completions.stream(model=MODEL, messages=[USER], tools=TOOLS) as stream:
            done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
            message = stream.get_final_completion().choices[0].message
        assert made(message.tool_calls) == ARGUMENTS
        assert [(event.index, event.name, event.arguments) for event in done] == [
            (index, *call) for index, call in enumerate(ARGUMENTS)
        ]
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": f"result {index}"}
            for index, call in enumerate(message.tool_calls)
        ]
        calls = [call.to_dict() for call in message.tool_calls]
        for call in calls:
            del call["function"]["parsed_arguments"]
        talk = [USER, {"role": "assistant", "tool_calls": calls}]
        prompts = [
            client.chat.completions.create(
                model=MODEL, messages=[*talk, *given], tools=TOOLS
            ).usage.prompt_tokens
            for given in (results, results[::-1])
        ]
        assert prompts[0] == prompts[1]
        wrong = [
            (results[:2], "messages[1].tool_calls[2].id"),
            ([*results, results[1]], "messages[5].tool_call_id"),
            ([{**results[0], "tool_call_id": "call_x"}], "messages[2].tool_call_id"),
        ]
        for given, param in wrong:
            with pytest.raises(openai.BadRequestError) as caught:
                client.chat.completions.create(model=MODEL, messages=[*talk, *given, USER])
            assert (caught.value.param, caught.value.code) == (param, "invalid_value")


def test_the_npm_clients_own_accumulation_of_several_calls(scripted_server, openai_for_node):
    node, _ = openai_for_node
    script = Path(__file__).parents[1] / "node" / "parallel_calls.cjs"
    with scripted_server(SCRIPT) as url:
        done = subprocess.run(
            [node, str(script), url, json.dumps(TOOLS)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in ("plain", "streamed"):
        calls = [call["function"] for call in found[name]["message"]["tool_calls"]]
        assert [(call["name"], call["arguments"]) for call in calls] == ARGUMENTS
        assert found[name]["finish_reason"] == "tool_calls"
    assert found["numFragments"] > len(CALLS)
    assert found["next"] == "tool_calls", "the results are taken"


def test_arguments_are_sent_before_the_call_is_over(scripted_server):
    """In the middle of a string the model writes blanks until its client has seen what came before them."""
    seen_enough = threading.Event()
    raw, begun = CALLS[0][1], ARGUMENTS[0][1][:-7]
    script = [("tool", raw[:-8]), ("tool_until", seen_enough), ("more_tool", raw[-8:]), SCRIPT[-1]]
    with scripted_server(script, step_s=0.002) as url, client_of(url) as client:
        seen = ""
        for chunk in client.chat.completions.create(model=MODEL, messages=[USER], tools=TOOLS, stream=True):
            seen += "".join(call.function.arguments for call in chunk.choices[0].delta.tool_calls or [])
            if seen.startswith(begun):
                seen_enough.set()
        assert seen_enough.is_set()
        assert seen.replace(" ", "") == ARGUMENTS[0][1]


def test_functions_come_in_fragments_too(scripted_server):
    with scripted_server([CALLS[1], SCRIPT[-1]]) as url:
        plain = ask(url, functions=FUNCTIONS).choices[0]
        chunks = ask(url, functions=FUNCTIONS, stream=True)
        parts = [chunk.choices[0].delta.function_call for chunk in chunks[1:-1]]
        assert [part.name for part in parts[:2]] == ["set_light", None]
        assert len(parts) > 3
        assert "".join(part.arguments for part in parts) == plain.message.function_call.arguments
        assert plain.message.function_call.arguments == ARGUMENTS[1][1]


@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        ('{"name":"set_li', []),
        ('{"name":"set_light","arguments":', [("set_light", "")]),
        ('{"name":"set_light","arguments":{"room":"a}', [("set_light", '{"room":"a}')]),
        ('{"name":"set_light","arguments":{"on":true}', [("set_light", '{"on":true}')]),
        ('{"name":"set_light","arguments":{"on":true}}', [("set_light", '{"on":true}')]),
    ],
)
@pytest.mark.parametrize("before", [[], [0]])
def test_a_call_that_a_limit_cuts_off_stands_as_far_as_it_came(scripted_server, before, last, wanted):
    """Whole calls before it stay; the finish reason tells that the last one may be in bits."""
    wanted = [ARGUMENTS[i] for i in before] + wanted
    script = [*(CALLS[i] for i in before), ("tool", last), ("end", "length")]
    with scripted_server(script) as url:
        choice = ask(url, tools=TOOLS, stop=["room", "on"]).choices[0]
        assert choice.finish_reason == "length"
        assert made(choice.message.tool_calls or []) == wanted
        chunks = ask(url, tools=TOOLS, stop=["room", "on"], stream=True)
        assert chunks[-1].choices[0].finish_reason == "length"
        parts = [list(group) for _, group in groupby(deltas_of(chunks), lambda delta: delta.index)]
        names = [group[0].function.name for group in parts]
        arguments = ["".join(part.function.arguments for part in group) for group in parts]
        assert list(zip(names, arguments, strict=True)) == wanted


@pytest.mark.parametrize("place", [0, 1])
def test_a_call_that_turns_out_invalid_is_an_error(scripted_server, place):
    broken = [*CALLS[:place], ("tool", '{"name":"set_light","arguments":{"x":NaN}}'), *CALLS[place:2]]
    with scripted_server([*broken, SCRIPT[-1]]) as url:
        body = {"model": MODEL, "messages": [USER], "tools": TOOLS}
        plain = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=20)
        assert (plain.status_code, plain.json()["error"]["code"]) == (500, "invalid_tool_call")
        text = httpx.post(f"{url}/v1/chat/completions", json=body | {"stream": True}, timeout=20).text
        *_, last = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        assert last["error"]["code"] == "invalid_tool_call"
        assert "[DONE]" not in text


@pytest.fixture(scope="module")
def learnt_url(live_server, assistant):
    """A server of a build whose card says that it learnt to give several calls."""
    card = assistant.card | {"parallel_calls": True}
    with live_server(assistant=Assistant(assistant.tokenizer, assistant.model, assistant.text, card)) as url:
        yield url


def calls_of(url, **fields):
    """Of the untrained network, which goes on calling until a limit ends it."""
    asked = {"tools": [SWITCH], "tool_choice": "required", "seed": 4, "max_completion_tokens": 130}
    (choice,) = ask(url, **{**asked, **fields}).choices
    return choice, made(choice.message.tool_calls)


def test_who_decides_whether_there_may_be_several(server_url, learnt_url):
    """The client; where it does not say, what the build learnt."""
    one = calls_of(server_url)
    assert (one[0].finish_reason, len(one[1])) == ("tool_calls", 1)
    several = calls_of(learnt_url)
    assert (several[0].finish_reason, several[1][0]) == ("length", one[1][0])
    assert len(several[1]) > 2
    assert calls_of(server_url, parallel_tool_calls=True)[1] == several[1]
    assert calls_of(learnt_url, parallel_tool_calls=True)[1] == several[1]
    for url in (server_url, learnt_url):
        assert calls_of(url, parallel_tool_calls=False)[1] == one[1]
    by_name = {"type": "function", "function": {"name": "switch"}}
    assert calls_of(learnt_url, tool_choice=by_name)[1] == one[1]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [by_name]}}
    assert calls_of(learnt_url, tool_choice=allowed)[1] == several[1]
    as_function = {"functions": [SWITCH["function"]], "function_call": {"name": "switch"}}
    (choice,) = ask(learnt_url, seed=4, **as_function).choices
    assert (choice.finish_reason, choice.message.function_call.arguments) == ("function_call", one[1][0][1])


@pytest.mark.parametrize("limit", [5, 40, 41, 42, 43, 90])
def test_streamed_calls_are_the_plain_calls_byte_for_byte(learnt_url, limit):
    fields = {"tools": [SWITCH], "tool_choice": "required", "seed": 4, "max_completion_tokens": limit}
    plain = ask(learnt_url, **fields)
    chunks = ask(learnt_url, stream=True, stream_options={"include_usage": True}, **fields)
    joined = {}
    for delta in deltas_of(chunks[:-1]):
        name, arguments = joined.get(delta.index, ("", ""))
        joined[delta.index] = (name + (delta.function.name or ""), arguments + delta.function.arguments)
    assert list(joined.values()) == made(plain.choices[0].message.tool_calls or [])
    assert chunks[-2].choices[0].finish_reason == plain.choices[0].finish_reason
    assert chunks[-1].usage == plain.usage


def test_choices_have_calls_of_their_own(learnt_url):
    fields = {"tools": [SWITCH], "tool_choice": "required", "seed": 4, "max_completion_tokens": 60, "n": 2}
    one, other = (choice.message.tool_calls for choice in ask(learnt_url, **fields).choices)
    assert made(one) == made(other) != [], "calls are never drawn"
    assert not {call.id for call in one} & {call.id for call in other}
    for index in (0, 1):
        deltas = [
            call
            for chunk in ask(learnt_url, stream=True, **fields)
            for choice in chunk.choices
            if choice.index == index
            for call in choice.delta.tool_calls or []
        ]
        joined = "".join(call.function.arguments for call in deltas if call.index == 0)
        assert joined == made(one)[0][1]
