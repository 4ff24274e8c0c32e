"""The official client against a real server of a tiny, untrained build: shapes and orders, not sense."""

import base64
import io
import json
import wave
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import numpy as np
import openai
import pytest

from omni_audio.audio.io import save_wav
from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ

MODEL = "gpt-4o-audio-preview"
USER = {"role": "user", "content": "Please set a timer for 5 minutes."}
SPOKEN = {"modalities": ["text", "audio"], "max_completion_tokens": 40, "seed": 3}


@pytest.fixture(scope="module")
def client(server_url):
    with openai.OpenAI(base_url=f"{server_url}/v1", api_key="none", max_retries=0, timeout=20) as made:
        yield made


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Base64 of one second of a rising tone as wav."""
    import torch

    time_s = torch.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    save_wav(path, 0.3 * torch.sin(2 * torch.pi * (300 + 200 * time_s) * time_s))
    return base64.b64encode(path.read_bytes()).decode()


def spoken_user(clip):
    return {
        "role": "user",
        "content": [{"type": "input_audio", "input_audio": {"data": clip, "format": "wav"}}],
    }


def create(client, **fields):
    return client.chat.completions.create(**{"model": MODEL, "messages": [USER], **fields})


def test_models(client):
    ids = [item.id for item in client.models.list()]
    assert ids[0].startswith("omni-audio-")
    assert {MODEL, *(f"{MODEL}-{date}" for date in ("2024-10-01", "2024-12-17", "2025-06-03"))} < set(ids)
    model = client.models.retrieve(MODEL)
    assert (model.id, model.object, model.owned_by) == (MODEL, "model", "omni-audio")
    assert model.created > 0


@pytest.mark.parametrize("is_stream", [False, True])
def test_text_by_schema(client, is_stream):
    schema = {
        "type": "object",
        "properties": {"unit": {"enum": ["seconds", "minutes"]}, "value": {"type": "integer", "maximum": 99}},
        "required": ["unit", "value"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "timer", "schema": schema, "strict": True}}
    answer = create(client, response_format=wanted, seed=1, stream=is_stream)
    if is_stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
    else:
        text = answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(text), schema)


def test_required_call_keeps_to_its_parameters(client):
    parameters = {
        "type": "object",
        "properties": {"room": {"enum": ["hall", "attic"]}, "on": {"type": "boolean"}},
        "required": ["room", "on"],
        "additionalProperties": False,
    }
    tool = {"type": "function", "function": {"name": "switch", "parameters": parameters, "strict": True}}
    choice = create(client, tools=[tool], tool_choice="required", seed=2).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.name == "switch"
    jsonschema.validate(json.loads(choice.message.tool_calls[0].function.arguments), parameters)


def test_function_call_keeps_to_its_parameters_and_its_result_goes_on(client):
    parameters = {
        "type": "object",
        "properties": {"room": {"enum": ["hall", "attic"]}},
        "required": ["room"],
        "additionalProperties": False,
    }
    functions = [{"name": "dim", "parameters": parameters}, {"name": "switch"}]
    choice = create(client, functions=functions, function_call={"name": "dim"}, seed=2).choices[0]
    call = choice.message.function_call
    assert (choice.finish_reason, call.name) == ("function_call", "dim")
    jsonschema.validate(json.loads(call.arguments), parameters)
    messages = [
        USER,
        choice.message.to_dict(),
        {"role": "function", "name": "dim", "content": "done"},
        USER,
    ]
    by_tools = [
        USER,
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": call.to_dict()}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
        USER,
    ]
    fields = {"max_completion_tokens": 8, "seed": 3}
    old, new = (create(client, messages=each, **fields) for each in (messages, by_tools))
    assert old.choices[0].message.content == new.choices[0].message.content
    assert old.usage == new.usage


def test_text_reply(client):
    answer = create(client, max_completion_tokens=12, seed=0)
    choice = answer.choices[0]
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert choice.finish_reason in ("stop", "length")
    assert isinstance(choice.message.content, str)
    assert "audio" not in choice.message.model_fields_set
    usage = answer.usage
    assert 0 < usage.completion_tokens <= 12
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.audio_tokens == 0


def test_penalties_and_biases_of_tokens(client):
    """Greedy: a bias makes one token come for ever, and a penalty on how often it came ends that."""
    biased = {"temperature": 0, "max_completion_tokens": 30, "logit_bias": {"100": 12}}
    repeated = create(client, **biased).choices[0].message.content
    assert len(set(repeated)) == 1
    assert len(set(create(client, frequency_penalty=1, **biased).choices[0].message.content)) > 1
    assert create(client, presence_penalty=2, **biased).choices[0].message.content != ""
    unwanted = {**biased, "logit_bias": {"100": -100}}
    assert repeated[0] not in create(client, **unwanted).choices[0].message.content


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_one_of_the_allowed_tools_is_called(client, mode):
    tools = [{"type": "function", "function": {"name": name}} for name in ("dim", "switch", "ring")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [tools[1]]}}
    answer = create(client, tools=tools, tool_choice=choice, seed=2, max_completion_tokens=60).choices[0]
    calls = answer.message.tool_calls or []
    assert {call.function.name for call in calls} <= {"switch"}
    assert mode == "auto" or calls or answer.finish_reason == "length"


def test_same_seed_same_words(client):
    texts = [
        create(client, max_completion_tokens=24, seed=seed).choices[0].message.content for seed in (7, 7, 8)
    ]
    assert texts[0] == texts[1] != texts[2]


def same_sound(pcm16: str, other: str) -> bool:
    """Whether two base64 pcm16 sounds differ by rounding at most: one of the 65536 steps."""
    one_S, other_S = (np.frombuffer(base64.b64decode(each), "<i2").astype(int) for each in (pcm16, other))
    return len(one_S) == len(other_S) and np.abs(one_S - other_S).max() <= 1


def test_neighbours_in_the_batch_change_nothing(client):
    sound = {"audio": {"voice": "alloy", "format": "pcm16"}, **SPOKEN}
    alone = create(client, **sound).choices[0].message.audio
    with ThreadPoolExecutor(6) as pool:
        seeds = [SPOKEN["seed"], 4, SPOKEN["seed"], 5, 6, SPOKEN["seed"]]
        answers = list(pool.map(lambda seed: create(client, **{**sound, "seed": seed}), seeds))
    for seed, answer in zip(seeds, answers, strict=True):
        message = answer.choices[0].message.audio
        assert same_sound(message.data, alone.data) == (seed == SPOKEN["seed"])
        assert (message.transcript == alone.transcript) == (seed == SPOKEN["seed"])


def test_spoken_question_is_counted_in_frames(client, clip):
    answer = create(client, messages=[spoken_user(clip)], max_completion_tokens=4, temperature=0)
    details = answer.usage.prompt_tokens_details
    assert details.audio_tokens == -(-SAMPLE_RATE_HZ // FRAME_SAMPLES)
    assert details.text_tokens == answer.usage.prompt_tokens - details.audio_tokens


def test_wav_and_pcm16_replies_hold_the_same_sound(client, clip):
    messages = [spoken_user(clip)]
    wav = (
        create(client, messages=messages, audio={"voice": "alloy", "format": "wav"}, **SPOKEN)
        .choices[0]
        .message
    )
    raw = create(client, messages=messages, audio={"voice": "alloy", "format": "pcm16"}, **SPOKEN)
    message = raw.choices[0].message
    assert wav.content is None
    with wave.open(io.BytesIO(base64.b64decode(wav.audio.data))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        samples = file.readframes(file.getnframes())
    assert samples == base64.b64decode(message.audio.data)
    assert wav.audio.transcript == message.audio.transcript
    assert wav.audio.id != message.audio.id
    frames = raw.usage.completion_tokens_details.audio_tokens
    assert frames > 0
    assert abs(len(samples) // 2 - frames * FRAME_SAMPLES * 3 // 2) <= 1
    assert np.frombuffer(samples, "<i2").size


def test_streamed_text_is_the_plain_text(client):
    fields = {"max_completion_tokens": 24, "seed": 5}
    plain = create(client, **fields)
    chunks = list(create(client, stream=True, stream_options={"include_usage": True}, **fields))
    first, *middle, last, usage = chunks
    assert first.choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content for chunk in middle) == plain.choices[0].message.content
    assert last.choices[0].finish_reason == plain.choices[0].finish_reason
    assert last.choices[0].delta.content is None
    assert usage.choices == []
    assert usage.usage == plain.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("sound_format", ["pcm16", "wav"])
def test_streamed_sound_in_order(client, clip, sound_format):
    fields = {"messages": [spoken_user(clip)], "audio": {"voice": "alloy", "format": sound_format}, **SPOKEN}
    plain = create(client, **fields).choices[0]
    chunks = list(create(client, stream=True, **fields))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    first = deltas[0]
    assert (first.role, first.content) == ("assistant", None)
    assert set(first.audio.to_dict()) == {"id"}
    kinds = [next(iter(delta.audio.to_dict())) for delta in deltas[1:-2]]
    assert set(kinds) == {"transcript", "data"}
    assert all(len(delta.audio.to_dict()) == 1 for delta in deltas[1:-2])
    assert set(deltas[-2].audio.to_dict()) == {"expires_at"}
    assert deltas[-1].to_dict() == {}
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices[0].finish_reason == plain.finish_reason
    pieces = [delta.audio.data for delta in deltas[1:-2] if delta.audio.data]
    assert all(len(base64.b64decode(piece)) % 3 == 0 for piece in pieces[:-1])
    assert len(pieces) > 1
    header_bytes = 44 if sound_format == "wav" else 0
    joined = base64.b64decode("".join(pieces), validate=True)
    assert joined[header_bytes:] == base64.b64decode(plain.message.audio.data)[header_bytes:]
    words = "".join(delta.audio.transcript or "" for delta in deltas[1:-2])
    assert words == plain.message.audio.transcript


def test_the_clients_own_accumulation_of_a_stream(client, clip):
    """`.stream()` joins the chunks into one message; the next turn takes that message as it is."""
    fields = {"messages": [spoken_user(clip)], "audio": {"voice": "alloy", "format": "wav"}, **SPOKEN}
    plain = create(client, **fields).choices[0]
    with client.chat.completions.stream(
        model=MODEL, stream_options={"include_usage": True}, **fields
    ) as stream:
        for _ in stream:
            pass
        joined = stream.current_completion_snapshot  # where a limit cut it off, the client gives no final one
    (choice,) = joined.choices
    assert choice.finish_reason == plain.finish_reason
    audio = choice.message.audio
    assert audio.transcript == plain.message.audio.transcript
    assert base64.b64decode(audio.data, validate=True)[44:] == base64.b64decode(plain.message.audio.data)[44:]
    assert (audio.id.count("audio_"), audio.expires_at > 0) == (1, True)
    assert joined.usage.completion_tokens_details.audio_tokens > 0
    messages = [spoken_user(clip), {"role": "assistant", "audio": {"id": audio.id}}, USER]
    follow_up = create(client, messages=messages, max_completion_tokens=4)
    assert follow_up.usage.prompt_tokens > joined.usage.prompt_tokens


def test_the_clients_own_accumulation_of_a_call(client):
    tool = {
        "type": "function",
        "function": {
            "name": "switch",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"on": {"type": "boolean"}},
                "required": ["on"],
                "additionalProperties": False,
            },
        },
    }
    fields = {"messages": [USER], "tools": [tool], "tool_choice": "required", "seed": 2}
    with client.chat.completions.stream(model=MODEL, **fields) as stream:
        names = [event.type for event in stream]
        message = stream.get_final_completion().choices[0].message
    assert "tool_calls.function.arguments.done" in names
    (call,) = message.tool_calls
    assert isinstance(call.function.parsed_arguments["on"], bool)
    result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
    called = {
        "id": call.id,
        "type": "function",
        "function": {"name": "switch", "arguments": call.function.arguments},
    }
    messages = [USER, {"role": "assistant", "content": None, "tool_calls": [called]}, result]
    answer = create(client, messages=messages, tools=[tool], max_completion_tokens=4, tool_choice="none")
    assert answer.choices[0].message.content is not None


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_times_of_the_words_of_streamed_sound(client, speed):
    fields = {"audio": {"voice": "alloy", "format": "pcm16", "speed": speed}, "stream": True, **SPOKEN}
    options = {"include_timestamps": True, "include_usage": True}
    *chunks, last = create(client, stream_options=options, **fields)
    timed = [chunk.choices[0].x_audio for chunk in chunks if hasattr(chunk.choices[0], "x_audio")]
    deltas = [chunk.choices[0].delta for chunk in chunks]
    sounds = [delta.audio.to_dict() for delta in deltas if getattr(delta, "audio", None)]
    transcript = "".join(sound.get("transcript", "") for sound in sounds)
    words = [word for times in timed for word in times["words"]]
    assert [word["word"] for word in words] == transcript.split() != []
    starts = [word["start_ms"] for word in words]
    assert starts == sorted(starts)
    assert len(set(starts)) > 1
    assert all(word["start_ms"] <= word["end_ms"] for word in words)
    num_frames = last.usage.completion_tokens_details.audio_tokens
    assert words[-1]["end_ms"] == round(num_frames * 80 / speed)
    assert {key for sound in sounds for key in sound} == {"id", "transcript", "data", "expires_at"}
    without = list(create(client, **fields))
    assert not any(hasattr(chunk.choices[0], "x_audio") for chunk in without)


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.25, 2.0, 4.0])
def test_speed_changes_how_long_an_answer_is_and_not_what_it_says(client, speed):
    audio = {"voice": "alloy", "format": "wav"}
    usual = create(client, audio=audio, **SPOKEN)
    answer = create(client, audio=audio | {"speed": speed}, **SPOKEN)
    message = answer.choices[0].message.audio
    assert message.transcript == usual.choices[0].message.audio.transcript
    assert answer.choices[0].finish_reason == usual.choices[0].finish_reason
    assert answer.usage == usual.usage
    with wave.open(io.BytesIO(base64.b64decode(message.data))) as file:
        num_samples = file.getnframes()
    usual_samples = answer.usage.completion_tokens_details.audio_tokens * FRAME_SAMPLES * 3 / 2
    assert num_samples == pytest.approx(usual_samples / speed, rel=0.01)


@pytest.mark.parametrize(("sound_format", "speed"), [("pcm16", 0.25), ("wav", 1.25), ("pcm16", 4.0)])
def test_streamed_sound_at_another_speed_is_the_plain_sound(client, sound_format, speed):
    audio = {"voice": "alloy", "format": sound_format, "speed": speed}
    plain = create(client, audio=audio, **SPOKEN).choices[0].message.audio
    deltas = [
        chunk.choices[0].delta.audio
        for chunk in create(client, audio=audio, stream=True, **SPOKEN)
        if chunk.choices[0].delta.audio is not None
    ]
    pieces = [delta.data for delta in deltas if delta.data]
    header_bytes = 44 if sound_format == "wav" else 0
    joined = base64.b64decode("".join(pieces), validate=True)
    assert joined[header_bytes:] == base64.b64decode(plain.data)[header_bytes:]
    assert "".join(delta.transcript or "" for delta in deltas) == plain.transcript
    assert len(pieces) > 2


def test_speed_one_changes_no_byte_wherever_it_stands(client):
    audio = {"voice": "alloy", "format": "wav"}
    usual = create(client, audio=audio, **SPOKEN).choices[0].message.audio.data
    for fields in (
        {"audio": audio | {"speed": 1.0}},
        {"audio": audio | {"voice": {"id": "alloy", "speed": 1}}},
        {"audio": audio, "extra_body": {"speed": 1.0}},
    ):
        assert create(client, **fields, **SPOKEN).choices[0].message.audio.data == usual


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("speed", [0, -1, 0.24, 4.01])
def test_speed_out_of_range_is_a_400_that_names_it(client, speed, is_stream):
    audio = {"voice": "alloy", "format": "pcm16", "speed": speed}
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, audio=audio, stream=is_stream, **SPOKEN)
    assert (caught.value.param, caught.value.type) == ("audio.speed", "invalid_request_error")


def test_earlier_answers_and_calls_are_part_of_the_conversation(client):
    sound = {"audio": {"voice": "alloy", "format": "wav"}, **SPOKEN}
    earlier = create(client, **sound).choices[0].message
    call = {"id": "call_1", "type": "function", "function": {"name": "set_timer", "arguments": '{"value":5}'}}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "Be short."}]},
        USER,
        {"role": "assistant", "audio": {"id": earlier.audio.id}},
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    answer = create(
        client, messages=messages, max_completion_tokens=4, store=True, metadata={"a": "b"}, user="me"
    )
    assert answer.usage.prompt_tokens > 20


def test_control_words_in_text_stay_text(assistant):
    from omni_audio.model.text import NUM_SPECIAL

    words = "<end><tool_call><|end|><assistant></s>"
    ids = assistant.text.encode(words)
    assert min(ids) >= NUM_SPECIAL
    assert assistant.text.decode(ids) == words


def test_mode_and_audio_only_extensions(client):
    answer = create(client, max_completion_tokens=16, seed=1, extra_body={"mode": "audio"}).choices[0].message
    assert base64.b64decode(answer.audio.data)[:4] == b"RIFF"
    only = {"modalities": ["audio"], "audio": {"voice": {"id": "default"}, "format": "pcm16", "speed": 1.0}}
    assert create(client, max_completion_tokens=16, seed=1, extra_body=only).choices[0].message.audio.id
