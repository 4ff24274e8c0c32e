"""Bodies that schemathesis makes of the published OpenAPI document, right ones and wrong ones: no answer is a 5xx.

tests/data/openai-openapi-reduced.json says where its schemas are from; test_server_openapi.py changes whole requests.
"""

import json
from pathlib import Path

import pytest
from asking import MODEL
from hypothesis import HealthCheck, given, settings

from omni_audio.serving.settings import RequestLimits

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis, of the extra `dev`")

FILE = Path(__file__).parents[1] / "data/openai-openapi-reduced.json"
PATH = "/v1/chat/completions"
BODY = {"application/json": {"schema": {"$ref": "#/components/schemas/CreateChatCompletionRequest"}}}
OPERATION = {
    "requestBody": {"required": True, "content": BODY},
    "responses": {"200": {"description": "ok"}},
}
DOCUMENT = json.loads(FILE.read_text()) | {"paths": {PATH: {"post": OPERATION}}}
CHAT = schemathesis.openapi.from_dict(DOCUMENT)[PATH]["POST"]
RIGHT, WRONG = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
BOUNDED = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@pytest.fixture(scope="module")
def short_answers(live_server):
    """A server that answers with few tokens, whatever it is asked; short calls of tools come to their end."""
    limits = RequestLimits(max_text_tokens=64, max_audio_frames=4, max_choices=4)
    with live_server(limits=limits) as url:
        yield url


def answered_or_refused(url, case):
    """Every other body would be refused for its model alone."""
    if isinstance(case.body, dict):
        case.body["model"] = MODEL
    response = case.call(base_url=url, timeout=60)
    assert response.status_code in (200, 400, 404, 415), (
        response.status_code,
        response.text[:300],
        case.body,
    )
    if response.status_code != 200:
        error = response.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert isinstance(error["code"], str)


@settings(max_examples=40, derandomize=True, **BOUNDED)
@given(case=CHAT.as_strategy(generation_mode=RIGHT))
def test_bodies_of_the_document(short_answers, case):
    answered_or_refused(short_answers, case)


@settings(max_examples=40, derandomize=True, **BOUNDED)
@given(case=CHAT.as_strategy(generation_mode=WRONG))
def test_bodies_against_the_document(short_answers, case):
    answered_or_refused(short_answers, case)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [RIGHT, WRONG])
def test_many_bodies(short_answers, mode):
    @settings(max_examples=1500, **BOUNDED)
    @given(case=CHAT.as_strategy(generation_mode=mode))
    def check(case):
        answered_or_refused(short_answers, case)

    check()
