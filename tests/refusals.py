"""What tests of refused requests share: clips in messages, and the check of an error object."""

import base64

import httpx

CLIP = "messages[0].content[0].input_audio"


def clip(data: bytes | str, sound_format: str = "wav") -> list[dict]:
    """Messages with one clip, given as bytes or as what stands where their base64 should."""
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return [
        {
            "role": "user",
            "content": [{"type": "input_audio", "input_audio": {"data": text, "format": sound_format}}],
        }
    ]


def refused(
    response: httpx.Response, param: str | None = None, code: str | None = None, status: int = 400
) -> None:
    """Asserts that a response is a whole error object with this status, parameter and, if given, code."""
    assert response.status_code == status, response.text[:500]
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["type"]) == (param, "invalid_request_error"), error
    assert code in (None, error["code"]), error
    assert isinstance(error["code"], str)
    assert len(error["message"]) > 10
    assert response.headers["x-request-id"].startswith("req_")
