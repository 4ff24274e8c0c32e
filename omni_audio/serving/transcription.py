"""POST /v1/audio/transcriptions: the words of a sound file, whole, with their times, or as they come."""

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
from omni_audio.serving.pieces import EndPiece, TextPiece, answer_pieces
from omni_audio.serving.plan import AnswerPlan
from omni_audio.serving.prompt_budget import PromptBudget
from omni_audio.serving.service import ChatService, OpenAnswer
from omni_audio.serving.stream import StreamFailedError
from omni_audio.serving.streamed_answer import streamed_answer
from omni_audio.serving.subtitles import srt, vtt
from omni_audio.serving.timed_transcript import TimedTranscript, with_times
from omni_audio.serving.transcript import Transcript, trimmed_pieces
from omni_audio.serving.transcription_request import (
    TIMED_FORMATS,
    TranscriptionRequest,
    parse_transcription_request,
    plan_transcription,
)
from omni_audio.serving.verbose_transcript import verbose_object

FINISH_HEADER = "x-finish-reason"
"""Says of a whole transcript, in every format, whether it ended of itself ("stop") or was cut off ("length")."""


async def answer_transcription(service: ChatService, request: Request, owner: str) -> Response:
    """Answers a request whose key was checked and whose body was not read.

    Raises:
        ApiError: the request is refused, or the server is overloaded.
        ClientDisconnect: the client went away.
    """
    with service.bodies.room() as room:
        wanted = parse_transcription_request(await read_form(request, room))
        answer = _streamed if wanted.is_stream else _whole
        return await unless_disconnected(request.receive, answer(service, wanted, owner))


async def _open(service: ChatService, wanted: TranscriptionRequest, owner: str) -> OpenAnswer:
    def make_plan(_: PromptBudget) -> AnswerPlan:
        return plan_transcription(wanted, service.config.limits, service.decoder)

    answer = await service.open_plan(wanted.model, make_plan, owner, param="file")
    if wanted.response_format not in TIMED_FORMATS:
        answer.plan.turns.clear()
    return answer


async def _whole(service: ChatService, wanted: TranscriptionRequest, owner: str) -> Response:
    answer = await _open(service, wanted, owner)
    transcript = Transcript()
    try:
        async for piece in trimmed_pieces(answer_pieces(service.engine, answer.stream, answer.plan)):
            transcript.take(piece)
    except StreamFailedError as error:
        raise as_api_error(error, "file") from error
    finally:
        service.engine.cancel(answer.stream)
    timed = None
    if wanted.response_format in TIMED_FORMATS:
        pcm_S = answer.plan.turns[0].pcm_S
        assert pcm_S is not None
        lay = partial(with_times, service.assistant, answer.stream.prompt, pcm_S, transcript.text)
        timed = await service.beside_the_loop(lambda _: lay(), owner, param="file")
    return _response(service, wanted, answer, transcript, timed)


def _response(
    service: ChatService,
    wanted: TranscriptionRequest,
    answer: OpenAnswer,
    transcript: Transcript,
    timed: TimedTranscript | None,
) -> Response:
    headers = {FINISH_HEADER: transcript.finish_reason}
    if wanted.response_format == "text":
        return Response(transcript.text, headers=headers, media_type="text/plain")
    if timed is None:
        return _json(_whole_object(transcript, answer), headers)
    if wanted.response_format == "srt":
        return Response(srt(timed.segments), headers=headers, media_type="text/plain")
    if wanted.response_format == "vtt":
        return Response(vtt(timed.segments), headers=headers, media_type="text/vtt")
    verbose = verbose_object(
        transcript,
        timed,
        service.assistant,
        granularities=wanted.granularities,
        temperature=wanted.temperature,
    )
    return _json(verbose, headers)


def _json(content: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")


def _whole_object(transcript: Transcript, answer: OpenAnswer) -> dict[str, Any]:
    """What `json` and the last event of a stream have in common."""
    return {"text": transcript.text, "usage": _usage(answer), "x_finish_reason": transcript.finish_reason}


async def _streamed(service: ChatService, wanted: TranscriptionRequest, owner: str) -> Response:
    answer = await _open(service, wanted, owner)
    pieces = trimmed_pieces(answer_pieces(service.engine, answer.stream, answer.plan))
    try:
        return await streamed_answer(
            service, answer.streams, anext(pieces), lambda first: _events(first, pieces, answer)
        )
    except StreamFailedError as error:
        raise as_api_error(error, "file") from error


async def _events(
    first: TextPiece | EndPiece, pieces: AsyncGenerator[TextPiece | EndPiece, None], answer: OpenAnswer
) -> AsyncGenerator[bytes, None]:
    """Yields a delta for each part and the whole text last; a failure is an error event and ends it.

    Args:
        first: the first words; the end where there are none at all.
        pieces: all that follow.
        answer: where they come from, for its counts.
    """
    transcript = Transcript()
    try:
        for event in _delta(first):
            yield event
        transcript.take(first)
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                for event in _delta(piece):
                    yield event
                transcript.take(piece)
        yield sse_event({"type": "transcript.text.done", **_whole_object(transcript, answer)})
    except Exception as error:  # the status line is long gone: tell it in the stream
        yield sse_event(as_api_error(error, "file").body())


def _delta(piece: TextPiece | EndPiece) -> list[bytes]:
    if isinstance(piece, EndPiece):
        return []
    return [sse_event({"type": "transcript.text.delta", "delta": piece.text})]


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
