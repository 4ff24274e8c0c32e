"""POST /v1/audio/transcriptions: the words of a sound file, whole or as they come."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from omni_audio.serving.body import read_form
from omni_audio.serving.chat import as_api_error, sse_event
from omni_audio.serving.disconnect import unless_disconnected
from omni_audio.serving.pieces import AnswerPiece, TextPiece, answer_pieces
from omni_audio.serving.service import ChatService, OpenAnswer
from omni_audio.serving.stream import StreamFailedError
from omni_audio.serving.streamed_answer import streamed_answer
from omni_audio.serving.transcription_request import (
    TranscriptionRequest,
    parse_transcription_request,
    plan_transcription,
)


async def answer_transcription(service: ChatService, request: Request, owner: str) -> Response:
    """Answers a request whose key was checked and whose body was not read.

    Raises:
        ApiError: the request is refused, or the server is overloaded.
        ClientDisconnect: the client went away.
    """
    config = service.config
    form = await read_form(request, limit_bytes=config.body_limit_bytes, timeout_s=config.body_timeout_s)
    wanted = parse_transcription_request(form)
    answer = _streamed if wanted.is_stream else _whole
    return await unless_disconnected(request.receive, answer(service, wanted, owner))


async def _open(service: ChatService, wanted: TranscriptionRequest, owner: str) -> OpenAnswer:
    make_plan = partial(plan_transcription, wanted, service.config.limits, service.decoder)
    return await service.open_plan(wanted.model, make_plan, owner, param="file")


async def _whole(service: ChatService, wanted: TranscriptionRequest, owner: str) -> Response:
    answer = await _open(service, wanted, owner)
    words = words_of(answer_pieces(service.engine, answer.stream, answer.plan))
    try:
        text = "".join([part async for part in words])
    except StreamFailedError as error:
        raise as_api_error(error, "file") from error
    finally:
        service.engine.cancel(answer.stream)
    if wanted.response_format == "text":
        return Response(text, media_type="text/plain")
    return Response(orjson.dumps({"text": text, "usage": _usage(answer)}), media_type="application/json")


async def _streamed(service: ChatService, wanted: TranscriptionRequest, owner: str) -> Response:
    answer = await _open(service, wanted, owner)
    words = words_of(answer_pieces(service.engine, answer.stream, answer.plan))
    try:
        return await streamed_answer(
            service, answer.streams, anext(words, ""), lambda first: _events(first, words, answer)
        )
    except StreamFailedError as error:
        raise as_api_error(error, "file") from error


async def _events(
    first: str, words: AsyncGenerator[str, None], answer: OpenAnswer
) -> AsyncGenerator[bytes, None]:
    """Yields a delta for each part and the whole text last; a failure is an error event and ends it.

    Args:
        first: the first words; "" where there are none at all.
        words: all that follow.
        answer: where they come from, for its counts.
    """
    said = [first]
    try:
        if first:
            yield _delta(first)
        async with contextlib.aclosing(words):
            async for part in words:
                said.append(part)
                yield _delta(part)
        yield sse_event({"type": "transcript.text.done", "text": "".join(said), "usage": _usage(answer)})
    except Exception as error:  # the status line is long gone: tell it in the stream
        yield sse_event(as_api_error(error, "file").body())


async def words_of(pieces: AsyncGenerator[AnswerPiece, None]) -> AsyncGenerator[str, None]:
    """Yields the text of an answer without the blanks before and behind it; no part is empty."""
    held, has_begun = "", False
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            if not isinstance(piece, TextPiece):
                continue
            text = held + piece.text
            text = text if has_begun else text.lstrip()
            part = text.rstrip()
            held = text[len(part) :]
            if part:
                has_begun = True
                yield part


def _delta(part: str) -> bytes:
    return sse_event({"type": "transcript.text.delta", "delta": part})


def _usage(answer: OpenAnswer) -> dict[str, Any]:
    context, num_made = answer.context, answer.stream.delivered.total_tokens
    return {
        "type": "tokens",
        "input_tokens": context.num_prompt_tokens,
        "output_tokens": num_made,
        "total_tokens": context.num_prompt_tokens + num_made,
        "input_token_details": {
            "audio_tokens": context.num_prompt_audio_tokens,
            "text_tokens": context.num_prompt_tokens - context.num_prompt_audio_tokens,
        },
    }
