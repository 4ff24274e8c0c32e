import json

import pytest
from plans import USER
from plans import plan_of as plan

from omni_audio.model.assistant import Role
from omni_audio.model.sequence import Mode
from omni_audio.serving.audio_codec import OutputFormat
from omni_audio.serving.errors import ApiError
from omni_audio.serving.settings import RequestLimits, ServerConfig

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("set_timer", "set_light")]


def test_defaults():
    made = plan()
    request = made.generation
    assert (made.mode, made.output_format, made.is_stream) == (Mode.REPLY_TEXT, None, False)
    assert (request.temperature, request.top_p, request.tools) == (1.0, 1.0, False)
    assert (request.max_text_tokens, request.max_frames) == (8192, 4096)
    assert made.max_total_tokens is None
    assert plan().generation.seed != request.seed


def test_zero_is_a_value():
    request = plan(temperature=0, top_p=0, seed=0).generation
    assert (request.temperature, request.top_p, request.seed) == (0.0, 0.0, 0)


def test_greedy_answers_need_no_seed():
    assert plan(temperature=0).generation.seed == plan(temperature=1e-300).generation.seed == 0
    assert plan(temperature=1e-300).generation.temperature == 0


def test_spoken_answer():
    audio = {"voice": "alloy", "format": "pcm16"}
    made = plan(modalities=["text", "audio"], audio=audio, max_tokens=7)
    assert (made.mode, made.output_format) == (Mode.REPLY_AUDIO, OutputFormat.PCM16)
    assert made.generation.max_text_tokens == made.generation.max_frames == made.max_total_tokens == 7


@pytest.mark.parametrize(
    ("fields", "speed"),
    [
        ({"audio": {"voice": "alloy", "format": "wav"}}, 1.0),
        ({"audio": {"voice": "alloy", "format": "wav", "speed": 0.25}}, 0.25),
        ({"audio": {"voice": {"id": "alloy", "speed": 2}, "format": "wav"}}, 2.0),
        ({"audio": {"voice": "alloy", "format": "wav"}, "speed": 4}, 4.0),
        (
            {"audio": {"voice": {"id": "alloy", "speed": 0.8}, "format": "wav", "speed": 0.8}, "speed": 0.8},
            0.8,
        ),
        ({"mode": "audio", "modalities": None, "speed": 1.25}, 1.25),
    ],
)
def test_speed_may_stand_in_three_places(fields, speed):
    assert plan(**{"modalities": ["text", "audio"]} | fields).generation.speed == speed


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"modalities": ["audio"], "speed": 2.0}, "audio.speed"),
        ({"modalities": ["audio"], "voice": {"id": "alloy", "speed": 2.0}}, "audio.voice.speed"),
    ],
)
def test_two_different_speeds_are_refused(fields, param):
    audio = {"voice": fields.pop("voice", "alloy"), "format": "wav", "speed": 1.0}
    with pytest.raises(ApiError, match="two different speeds") as caught:
        plan(audio=audio, **fields)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_text_has_no_speed():
    assert plan(speed=1.0).generation.speed == 1.0
    with pytest.raises(ApiError, match=r"'speed': 1\.5 with text output") as caught:
        plan(speed=1.5)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "speed", "invalid_value")


@pytest.mark.parametrize(
    ("choice", "names", "required"),
    [
        (None, ["set_timer", "set_light"], False),
        ("auto", ["set_timer", "set_light"], False),
        ("none", [], False),
        ("required", ["set_timer", "set_light"], True),
        ({"type": "function", "function": {"name": "set_light"}}, ["set_light"], True),
    ],
)
def test_tool_choice(choice, names, required):
    made = plan(tools=TOOLS, tool_choice=choice)
    assert list(made.tools) == names
    assert made.generation.tools == bool(names)
    assert made.generation.tool_required == required


ONLY_LIGHT = {"type": "function", "function": {"name": "set_light"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [ONLY_LIGHT]}}


@pytest.mark.parametrize("usual", [1, 128])
@pytest.mark.parametrize("choice", [None, "auto", "required", ALLOWED])
def test_how_many_calls_an_answer_may_hold(usual, choice):
    """Where the client does not say, what the build learnt decides; a tool by name is called once."""

    def calls_of(**fields):
        return plan(usual_max_calls=usual, **fields).generation.max_calls

    assert calls_of(tools=TOOLS, tool_choice=choice) == usual
    assert calls_of(tools=TOOLS, tool_choice=choice, parallel_tool_calls=None) == usual
    assert calls_of(tools=TOOLS, tool_choice=choice, parallel_tool_calls=True) == 128
    assert calls_of(tools=TOOLS, tool_choice=choice, parallel_tool_calls=False) == 1
    assert calls_of(tools=TOOLS, tool_choice=ONLY_LIGHT, parallel_tool_calls=True) == 1
    assert calls_of(functions=FUNCTIONS, parallel_tool_calls=True) == 1


def test_times_of_words_are_for_streamed_sound():
    options = {"stream": True, "stream_options": {"include_timestamps": True}}
    assert plan(mode="audio", **options).include_timestamps
    assert not plan(mode="audio", stream=True).include_timestamps
    with pytest.raises(ApiError, match="text output") as caught:
        plan(**options)
    assert (caught.value.status, caught.value.param) == (400, "stream_options.include_timestamps")


FUNCTIONS = [tool["function"] for tool in TOOLS]


@pytest.mark.parametrize(
    ("choice", "names", "required"),
    [
        (None, ["set_timer", "set_light"], False),
        ("auto", ["set_timer", "set_light"], False),
        ("none", [], False),
        ({"name": "set_light"}, ["set_light"], True),
    ],
)
def test_functions_are_planned_as_tools_and_answered_as_functions(choice, names, required):
    made = plan(functions=FUNCTIONS, function_call=choice)
    assert list(made.tools) == names
    assert (made.generation.tools, made.generation.tool_required) == (bool(names), required)
    assert made.calls_are_functions
    assert [made.finish_reason(reason) for reason in ("tool_calls", "stop")] == ["function_call", "stop"]
    assert plan(tools=TOOLS).finish_reason("tool_calls") == "tool_calls"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"functions": FUNCTIONS, "tools": TOOLS}, "functions"),
        ({"functions": [FUNCTIONS[0]] * 2}, "functions[1].name"),
        ({"functions": [{"name": "f", "parameters": {"enum": [0] * 1001}}]}, "functions[0].parameters"),
        ({"functions": FUNCTIONS, "function_call": {"name": "other"}}, "function_call.name"),
        ({"functions": FUNCTIONS, "tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "function_call": "auto"}, "function_call"),
        ({"function_call": "auto"}, "function_call"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
    ],
)
def test_functions_that_do_not_fit_together(fields, param):
    with pytest.raises(ApiError) as caught:
        plan(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_turns_of_functions_are_those_of_tools():
    function = {"name": "set_timer", "arguments": '{"value": 5}'}
    call = {"id": "c", "type": "function", "function": function}
    by_tools = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "ok"},
    ]
    by_functions = [
        {"role": "assistant", "function_call": function},
        {"role": "function", "name": "set_timer", "content": "ok"},
    ]
    assert plan(messages=[USER, *by_functions]).turns == plan(messages=[USER, *by_tools]).turns
    empty = plan(messages=[USER, by_functions[0], {"role": "function", "name": "set_timer", "content": None}])
    assert empty.turns[-1].text == ""


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"role": "function", "name": "f", "content": "ok"}], "messages[0].name"),
        (
            [{"role": "assistant", "function_call": {"name": "f", "arguments": "5"}}],
            "messages[0].function_call.arguments",
        ),
        (
            [
                {
                    "role": "assistant",
                    "function_call": {"name": "f", "arguments": "{}"},
                    "tool_calls": [
                        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                    ],
                }
            ],
            "messages[0].function_call",
        ),
    ],
)
def test_messages_of_functions_that_are_refused(messages, param):
    with pytest.raises(ApiError) as caught:
        plan(messages=messages)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_turns_keep_the_order_of_the_conversation():
    call = {"id": "c", "type": "function", "function": {"name": "set_timer", "arguments": '{"label": "é"}'}}
    turns = plan(
        messages=[
            {
                "role": "developer",
                "content": [{"type": "text", "text": "be"}, {"type": "text", "text": "brief"}],
            },
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "one moment", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "done"},
            {"role": "assistant", "audio": {"id": "audio_1"}},
            USER,
        ]
    ).turns
    assert [turn.role for turn in turns] == [
        Role.SYSTEM,
        Role.USER,
        Role.ASSISTANT,
        Role.ASSISTANT,
        Role.TOOL,
        Role.ASSISTANT,
        Role.USER,
    ]
    assert turns[0].text == "be\nbrief"
    assert turns[1].text == "a\nb"
    assert turns[3].tool_calls == ['{"name":"set_timer","arguments":{"label":"\\u00e9"}}']
    assert turns[5].text == "words of audio_1"


def call(call_id, name="set_timer"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def called(*calls):
    return {"role": "assistant", "tool_calls": list(calls)}


def result(call_id, content="ok"):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_results_stand_in_the_order_of_the_calls(order):
    results = [result("a", "1"), result("b", "2"), result("c", "3")]
    messages = [USER, called(call("a"), call("b", "set_light"), call("c")), *(results[i] for i in order)]
    again = [called(call("a")), result("a", "4"), USER]
    turns = plan(messages=[*messages, *again]).turns
    assert [turn.role for turn in turns[1:5]] == [Role.ASSISTANT, *[Role.TOOL] * 3]
    assert [json.loads(text)["name"] for text in turns[1].tool_calls] == [
        "set_timer",
        "set_light",
        "set_timer",
    ]
    assert [turn.text for turn in turns[2:5]] == ["1", "2", "3"]
    assert (turns[5].role, turns[6].text, turns[7].text) == (Role.ASSISTANT, "4", "hi")


TWO_CALLS = called(call("a"), call("b"))


@pytest.mark.parametrize(
    ("messages", "param", "told"),
    [
        ([TWO_CALLS], "messages[1].tool_calls[0].id", "'a'"),
        ([TWO_CALLS, result("a")], "messages[1].tool_calls[1].id", "'b'"),
        ([TWO_CALLS, result("a"), USER, result("b")], "messages[1].tool_calls[1].id", "'b'"),
        ([TWO_CALLS, result("b"), TWO_CALLS, result("a")], "messages[1].tool_calls[0].id", "'a'"),
        ([TWO_CALLS, result("a"), result("a")], "messages[3].tool_call_id", "already"),
        ([TWO_CALLS, result("c")], "messages[2].tool_call_id", "no such call"),
        ([TWO_CALLS, result("a"), result("b"), USER, result("a")], "messages[5].tool_call_id", "no calls"),
        ([result("a")], "messages[1].tool_call_id", "no calls"),
        ([called(call("a"), call("a")), result("a")], "messages[1].tool_calls[1].id", "another call has it"),
    ],
)
def test_each_call_needs_one_result(messages, param, told):
    with pytest.raises(ApiError, match=told) as caught:
        plan(messages=[USER, *messages])
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, "invalid_value")


@pytest.mark.parametrize("arguments", ["", "5", "{"])
def test_earlier_call_with_broken_arguments(arguments):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    with pytest.raises(ApiError) as caught:
        plan(messages=[USER, {"role": "assistant", "tool_calls": [call]}])
    assert caught.value.param == "messages[1].tool_calls[0].function.arguments"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 70_000),
        ("num_slots", 0),
        ("queue_limit", -1),
        ("body_timeout_s", 0.0),
        ("model_aliases", [""]),
        ("bodies_limit_bytes", 2**20),
        ("prompts_limit_positions", 1000),
        ("drain_timeout_s", 0.0),
    ],
)
def test_server_config_refuses(tmp_path, name, value):
    with pytest.raises(ValueError, match=name):
        ServerConfig(build=tmp_path, **{name: value})


def test_penalties_and_biases_are_those_of_the_text():
    made = plan(frequency_penalty=0.5, presence_penalty=-1, logit_bias={"40": -100, "041": 2.5}).generation
    assert (made.frequency_penalty, made.presence_penalty) == (0.5, -1)
    assert made.bias == {40: -100, 41: 2.5}
    assert plan(frequency_penalty=None, logit_bias={}).generation.bias == {}


@pytest.mark.parametrize("key", ["-1", "x", "", "4.0", "9" * 10, "\u0663"])
def test_biases_are_for_ids(key):
    with pytest.raises(ApiError) as caught:
        plan(logit_bias={key: 1})
    assert (caught.value.status, caught.value.param) == (400, f"logit_bias.{key}")


@pytest.mark.parametrize(("mode", "required"), [("auto", False), ("required", True)])
def test_allowed_tools_are_those_that_are_offered(mode, required):
    tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b", "c")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [tools[2], tools[0]]}}
    made = plan(tools=tools, tool_choice=choice)
    assert (list(made.tools), made.generation.tool_required) == (["c", "a"], required)
    choice["allowed_tools"]["tools"] = [tools[0], {"type": "function", "function": {"name": "d"}}]
    with pytest.raises(ApiError) as caught:
        plan(tools=tools, tool_choice=choice)
    assert caught.value.param == "tool_choice.allowed_tools.tools[1].function.name"


def test_choices_differ_in_their_seeds_and_the_first_is_the_answer_alone():
    one, several = plan(seed=5), plan(seed=5, n=8)
    seeds = [request.seed for request in several.choices]
    assert seeds[0] == 5 == one.choices[0].seed
    assert len(set(seeds)) == 8
    assert seeds == [request.seed for request in plan(seed=5, n=8).choices]
    assert not set(seeds[1:]) & {request.seed for request in plan(seed=seeds[1], n=8).choices[1:]}
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert one.choices == [one.generation]


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [({"n": 9}, "1 to 8"), ({"n": 2, "mode": "audio"}, "1 with audio output")],
)
def test_more_choices_than_are_served(fields, allowed):
    with pytest.raises(ApiError, match=allowed) as caught:
        plan(limits=RequestLimits(max_choices=8), **fields)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "n", "unsupported_value")


def test_an_earlier_refusal_is_what_the_assistant_said():
    """As the official client gives it back: content null, the refusal beside it."""
    message = {"role": "assistant", "content": None, "refusal": "no", "tool_calls": None, "audio": None}
    turns = plan(messages=[USER, message, USER]).turns
    assert [(turn.role, turn.text) for turn in turns][1] == (Role.ASSISTANT, "no")
    both = plan(messages=[USER, {**message, "content": "yes"}, USER]).turns
    assert both[1].text == "yes"
