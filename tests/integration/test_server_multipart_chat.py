"""Chat completions whose body is a form: the JSON in one part, sound as bytes in others."""

import base64
import json

import httpx
import pytest
from asking import MODEL, ask
from sound_files import encoded

PATH = "/v1/chat/completions"
WAV = encoded("WAV")
FIELDS = {"model": MODEL, "max_completion_tokens": 8, "seed": 3}
SPOKEN = {"role": "user", "content": "audio", "audio": "cid:question"}


def post(url, request, files=(), filename=None):
    form = [("request", (filename, json.dumps(request), "application/json")), *files]
    return httpx.post(f"{url}{PATH}", files=form, timeout=20)


@pytest.mark.parametrize("filename", [None, "blob"])
def test_a_form_is_answered_as_json_is(server_url, filename):
    part = {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}}
    expected = ask(server_url, **{**FIELDS, "messages": [{"role": "user", "content": [part]}]})
    response = post(
        server_url, {**FIELDS, "messages": [SPOKEN]}, [("question", ("a.wav", WAV))], filename=filename
    )
    assert response.status_code == 200
    answer = response.json()
    assert answer["choices"][0]["message"]["content"] == expected.choices[0].message.content
    assert answer["usage"]["prompt_tokens_details"]["audio_tokens"] == 13


def test_a_long_conversation_fits_into_the_part(server_url):
    long = {"role": "user", "content": "word " * 200_000}
    response = post(server_url, {**FIELDS, "messages": [long]})
    assert response.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("form", "param", "code"),
    [
        ([("request", (None, "{"))], None, "invalid_json"),
        ([("question", ("a.wav", WAV))], None, "invalid_json"),
        ([("request", (None, "{}")), ("more", (None, "x"))], "more", "invalid_value"),
        ([("request", (None, "{}")), ("a", ("a", b"x")), ("a", ("b", b"x"))], "a", "invalid_value"),
        (
            [("request", (None, json.dumps({**FIELDS, "messages": [SPOKEN]})))],
            "messages[0].audio",
            "invalid_value",
        ),
    ],
)
def test_forms_that_do_not_fit(server_url, form, param, code):
    response = httpx.post(f"{server_url}{PATH}", files=form, timeout=10)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
