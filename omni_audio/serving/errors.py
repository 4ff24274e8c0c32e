"""Error objects of the HTTP contract: a refusal is one `ApiError` with status, code and parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ApiError(Exception):
    """A refusal that the client is meant to read.

    Args:
        status: HTTP status, 400..599.
        message: what is wrong and what to do about it.
        type_: the error object's `type`.
        param: path of the parameter at fault, such as `messages[0].content`.
        code: the error object's `code`.
        retry_after_s: seconds for the Retry-After header; only with 429 and 503.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type_
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """Returns the JSON object `{"error": {...}}`."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Returns the headers that go with the error."""
        headers = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(self.retry_after_s)
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return headers


def invalid_value(param: str | None, message: str, code: str = "invalid_value") -> ApiError:
    """A 400: the value of `param` breaks a rule."""
    return ApiError(400, message, param=param, code=code)


def unsupported(param: str, value: object, allowed: Sequence[object] | str, remedy: str = "") -> ApiError:
    """A 400: the contract knows the value, this server does not serve it."""
    listed = allowed if isinstance(allowed, str) else ", ".join(repr(item) for item in allowed)
    message = f"Unsupported value for '{param}': {_short(value)}. Supported: {listed}."
    return ApiError(400, f"{message} {remedy}".rstrip(), param=param, code="unsupported_value")


def invalid_api_key() -> ApiError:
    """A 401; the offered key is never repeated."""
    return ApiError(
        401,
        "No valid API key was given. Send one of the server's keys as 'Authorization: Bearer KEY'.",
        code="invalid_api_key",
    )


def model_not_found(model: str, param: str | None = "model") -> ApiError:
    """A 404 for a model id that is neither the build nor an alias."""
    message = f"The model {_short(model)} does not exist here. GET /v1/models lists those that do."
    return ApiError(404, message, param=param, code="model_not_found")


def request_too_large(limit_bytes: int) -> ApiError:
    """A 413 for a body over the limit."""
    return ApiError(
        413,
        f"The request body is over the limit of {limit_bytes} bytes. Send less.",
        code="request_too_large",
    )


def head_too_large(limit_bytes: int) -> ApiError:
    """A 431 for what stands before or behind a body: request line, headers, trailers."""
    return ApiError(
        431,
        f"The request line and headers are over the limit of {limit_bytes} bytes. Send fewer, or shorter ones.",
        code="headers_too_large",
    )


def late_head(timeout_s: float) -> ApiError:
    """A 408 for a request whose headers do not come to their end."""
    return ApiError(
        408, f"The headers did not arrive within {timeout_s:g} s. Send them faster.", code="timeout"
    )


def invalid_http(reason: str) -> ApiError:
    """A 400 for what is no HTTP request that is taken."""
    message = f"The request is not served: {reason}. Let an HTTP library make it."
    return ApiError(400, message, code="invalid_http")


def rate_limit_exceeded(kind: str, limit: int, retry_after_s: int) -> ApiError:
    """A 429: a key has used up its `limit` of requests or tokens a minute."""
    return ApiError(
        429,
        f"The rate limit of {limit} {kind} a minute is used up for this key. Try again in {retry_after_s} s.",
        type_=kind,
        code="rate_limit_exceeded",
        retry_after_s=retry_after_s,
    )


def too_many_at_once(limit: int) -> ApiError:
    """A 429: a key has as many requests on their way as it may have."""
    return ApiError(
        429,
        f"This key has {limit} requests on their way, as many as it may. Wait until one of them is over.",
        type_="requests",
        code="rate_limit_exceeded",
        retry_after_s=1,
    )


def stopping() -> ApiError:
    """A 503: the server is being stopped and the answer was not over in time."""
    return ApiError(
        503,
        "The server is being stopped. Try again.",
        type_="server_error",
        code="overloaded",
        retry_after_s=1,
    )


def overloaded(retry_after_s: int = 1) -> ApiError:
    """A 503: every slot is taken and the queue is full."""
    return ApiError(
        503,
        "The server is overloaded: all slots are busy and the queue is full. Try again later.",
        type_="server_error",
        code="overloaded",
        retry_after_s=retry_after_s,
    )


def server_error(
    message: str = "The server had an error while it handled the request.", code: str = "server_error"
) -> ApiError:
    """A 500; the message must not carry internals."""
    return ApiError(500, message, type_="server_error", code=code)


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
