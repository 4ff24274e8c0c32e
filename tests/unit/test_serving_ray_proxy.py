"""What the clients of a server on Ray Serve see of Ray's own answers; needs no Ray."""

import asyncio

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

from omni_audio.serving.ray_proxy import ErrorObjectMiddleware, proxy_middlewares


def answer_of(response):
    """What comes of an answer of the app behind it."""

    async def ask():
        transport = httpx.ASGITransport(ErrorObjectMiddleware(response))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get("/")

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("status", "code", "type_"),
    [
        (503, "overloaded", "server_error"),
        (500, "server_error", "server_error"),
        (408, "timeout", "invalid_request_error"),
        (404, "not_found", "invalid_request_error"),
    ],
)
def test_plain_refusals_become_error_objects(status, code, type_):
    plain = PlainTextResponse("Request dropped, 3 queued at /secret/path", status, {"x-request-id": "of-ray"})
    answer = answer_of(plain)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"], error["param"]) == (status, code, type_, None)
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == "of-ray"
    assert ("retry-after" in answer.headers) == (status == 503)


def test_answers_of_the_app_pass_as_they_are():
    refusal = JSONResponse({"error": {"code": "overloaded"}}, 503, {"retry-after": "7"})
    assert answer_of(refusal).json() == {"error": {"code": "overloaded"}}
    assert answer_of(refusal).headers["retry-after"] == "7"
    assert answer_of(PlainTextResponse("# HELP")).text == "# HELP"

    async def chunks():
        for part in (b"data: 1\n\n", b"data: [DONE]\n\n"):
            yield part

    streamed = answer_of(StreamingResponse(chunks(), media_type="text/event-stream"))
    assert streamed.text == "data: 1\n\ndata: [DONE]\n\n"


def test_one_request_id_is_left_and_it_is_the_apps():
    response = JSONResponse({}, headers={"x-request-id": "req_1"})
    response.headers.append("x-request-id", "of-ray")
    assert answer_of(response).headers.get_list("x-request-id") == ["req_1"]


def test_ray_is_given_this_middleware():
    assert [each.cls for each in proxy_middlewares()] == [ErrorObjectMiddleware]
