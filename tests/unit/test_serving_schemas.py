import orjson
import pytest

from omni_audio.serving.errors import ApiError
from omni_audio.serving.schemas import parse_chat_request

USER = {"role": "user", "content": "hi"}
AUDIO = {"voice": "alloy", "format": "wav"}


def user(*parts):
    return {"role": "user", "content": list(parts)}


def body(**fields):
    return {"model": "m", "messages": [USER], **fields}


def test_plain_request_takes_unknown_fields():
    request = parse_chat_request(body(temperature=1, seed=-(2**63), made_up={"a": [1]}))
    assert request.temperature == 1.0
    assert request.seed == -(2**63)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [USER, {"role": "user", "content": []}]}, "messages[1].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "messages[0].content[0].text",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "film"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"temperature": "0.5"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 2**63}, "max_completion_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"seed": 1.5}, "seed"),
        *(
            ({"speed": speed}, "speed")
            for speed in (0, -1, 0.24, 4.01, True, "2", float("nan"), float("inf"))
        ),
        ({"audio": AUDIO | {"speed": 0.24}}, "audio.speed"),
        ({"modalities": ["smell"]}, "modalities[0]"),
        ({"audio": {"voice": "alloy"}}, "audio.format"),
        ({"audio": {"voice": {"id": "a", "speed": 9}, "format": "wav"}}, "audio.voice.speed"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a\n"}}]}, "tools[0].function.name"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "metadata"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_fault_is_a_400_that_names_the_parameter(fields, param):
    with pytest.raises(ApiError) as caught:
        parse_chat_request(body(**fields))
    assert caught.value.status == 400
    assert caught.value.param == param
    assert param in caught.value.message
    orjson.dumps(caught.value.body())


@pytest.mark.parametrize("payload", [None, [], "x", 5])
def test_body_that_is_no_object(payload):
    with pytest.raises(ApiError, match="JSON object"):
        parse_chat_request(payload)


def test_errors_do_not_echo_long_input():
    with pytest.raises(ApiError) as caught:
        parse_chat_request(body(messages=[{"role": "x" * 100_000}]))
    assert len(caught.value.message) < 1000
