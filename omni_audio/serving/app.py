"""Routes of the server; everything else is done by the parts they call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from omni_audio.serving.access_log import AccessLogMiddleware
from omni_audio.serving.body import drain, read_json, read_json_with_parts
from omni_audio.serving.chat import as_api_error, whole_answer
from omni_audio.serving.chat_chunks import answer_chunks
from omni_audio.serving.choices import NumberedPiece, numbered_pieces
from omni_audio.serving.disconnect import unless_disconnected
from omni_audio.serving.errors import ApiError
from omni_audio.serving.hosts import HostMiddleware
from omni_audio.serving.metrics import CONTENT_TYPE
from omni_audio.serving.middleware import ADDED_HEADERS, RequestHeadersMiddleware
from omni_audio.serving.origins import CrossSiteMiddleware
from omni_audio.serving.pieces import answer_pieces
from omni_audio.serving.playground_page import add_playground
from omni_audio.serving.request_count import RequestCountMiddleware
from omni_audio.serving.schemas import ChatRequest, parse_body, parse_chat_request
from omni_audio.serving.service import ChatService, OpenAnswer
from omni_audio.serving.speech import spoken_response
from omni_audio.serving.speech_request import SpeechRequest
from omni_audio.serving.stream import StreamFailedError
from omni_audio.serving.streamed_answer import streamed_answer
from omni_audio.serving.transcription import answer_transcription
from omni_audio.serving.unread_body import UnreadBodyMiddleware

CLIENT_CLOSED_STATUS = 499
"""What the access log shows for a client that left; nobody receives it."""


def create_app(service: ChatService) -> FastAPI:
    """Builds the ASGI app; its lifespan starts and stops the engine.

    Args:
        service: the parts that the routes call.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            await asyncio.to_thread(service.stop)

    app = FastAPI(
        title="omni_audio",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    # The last one that is added is the first that sees a request.
    app.add_middleware(CrossSiteMiddleware, allowed_origins=service.config.allowed_origins)
    if not len(service.keys):
        names = [service.config.host.lower(), *service.config.allowed_hosts]
        app.add_middleware(HostMiddleware, names=names)
    app.add_middleware(RequestHeadersMiddleware)
    app.add_middleware(UnreadBodyMiddleware)
    app.add_middleware(RequestCountMiddleware, metrics=service.metrics)
    app.add_middleware(
        AccessLogMiddleware,
        prices=service.prices,
        currency=service.config.currency,
        metrics=service.metrics,
    )
    app.add_exception_handler(ApiError, _answer_api_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)

    async def owner_of(request: Request) -> str:
        try:
            return service.keys.owner(request.headers.get("authorization"))
        except ApiError:
            await drain(request)
            raise

    async def admitted_owner_of(request: Request) -> str:
        """The owner of the key, for whom there is place; the request counts for its rate limits, which headers tell."""
        owner = await owner_of(request)
        request.scope[ADDED_HEADERS].append(partial(service.rate_limiter.headers, owner))
        try:
            service.rate_limiter.admit(owner)
            # Before the body is read: what would find no place must cost next to nothing.
            service.require_place(owner)
        except ApiError:
            await drain(request)
            raise
        return owner

    @app.post("/v1/chat/completions")
    @app.post("/chat/completions")
    async def chat_completions(request: Request) -> Response:
        owner = await admitted_owner_of(request)
        with service.bodies.room() as room:
            payload, parts = await read_json_with_parts(request, room)
            chat = parse_chat_request(payload)
            answer = _stream_chat if chat.stream else _plain_chat
            return await unless_disconnected(request.receive, answer(service, chat, owner, parts))

    @app.post("/v1/audio/speech")
    async def speech(request: Request) -> Response:
        owner = await admitted_owner_of(request)
        with service.bodies.room() as room:
            payload = await read_json(request, room)
            spoken = spoken_response(service, parse_body(payload, SpeechRequest), owner)
            return await unless_disconnected(request.receive, spoken)

    @app.post("/v1/audio/transcriptions")
    async def transcriptions(request: Request) -> Response:
        owner = await admitted_owner_of(request)
        return await answer_transcription(service, request, owner)

    @app.get("/v1/models")
    async def list_models(request: Request) -> Response:
        await owner_of(request)
        return _json({"object": "list", "data": service.models()})

    @app.get("/v1/models/{model_id:path}")
    async def get_model(request: Request, model_id: str) -> Response:
        await owner_of(request)
        return _json(service.model(model_id))

    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> Response:
        runs = service.engine.is_ready
        state = {"status": "ok" if runs else "the engine has ended", "engine": service.engine.snapshot()}
        return _json(state, 200 if runs else 503)

    @app.head("/ready", include_in_schema=False)
    @app.get("/ready")
    async def ready() -> Response:
        is_ready = service.engine.is_ready
        return _json({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(service.metrics.render(), headers={"content-type": CONTENT_TYPE})

    if service.config.playground:
        add_playground(app, service)
    return app


async def _plain_chat(
    service: ChatService, request: ChatRequest, owner: str, parts: Mapping[str, bytes]
) -> Response:
    answer = await service.open(request, owner, parts)
    try:
        return _json(
            await whole_answer(_pieces(service, answer), answer.streams, answer.plan, answer.context)
        )
    except StreamFailedError as error:
        raise as_api_error(error) from error
    finally:
        service.cancel(answer.streams)


async def _stream_chat(
    service: ChatService, request: ChatRequest, owner: str, parts: Mapping[str, bytes]
) -> Response:
    answer = await service.open(request, owner, parts)
    pieces = _pieces(service, answer)

    def chunks_after(first: NumberedPiece) -> AsyncGenerator[bytes, None]:
        return answer_chunks(first, pieces, answer.streams, answer.plan, answer.context)

    try:
        return await streamed_answer(service, answer.streams, anext(pieces), chunks_after)
    except StreamFailedError as error:
        raise as_api_error(error) from error


def _pieces(service: ChatService, answer: OpenAnswer) -> AsyncGenerator[NumberedPiece, None]:
    return numbered_pieces([answer_pieces(service.engine, stream, answer.plan) for stream in answer.streams])


def _json(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


async def _answer_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _json(error.body(), error.status, error.headers())


async def _answer_http_error(_: Request, error: Exception) -> Response:
    """Unknown routes and methods."""
    assert isinstance(error, HTTPException)
    code = "method_not_allowed" if error.status_code == 405 else "not_found"
    refusal = ApiError(error.status_code, f"{error.detail}. Check the method and the path.", code=code)
    return _json(refusal.body(), error.status_code, dict(error.headers or {}))


async def _answer_nobody(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_STATUS)
