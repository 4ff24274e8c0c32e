"""POST /v1/audio/speech: a text spoken by the network, as the bytes of a file or as server-sent events."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from omni_audio.serving.audio_codec import Base64Chunker, OutputFormat, stream_header
from omni_audio.serving.chat import as_api_error, sse_event
from omni_audio.serving.disconnect import EVENTS, StreamedResponse
from omni_audio.serving.errors import ApiError, invalid_value, server_error
from omni_audio.serving.pieces import AnswerPiece, AudioPiece, EndPiece, answer_pieces
from omni_audio.serving.service import ChatService
from omni_audio.serving.speech_request import SpeechRequest, plan_speech
from omni_audio.serving.stream import Stream
from omni_audio.serving.streamed_answer import streamed_answer

MEDIA_TYPES = {
    OutputFormat.MP3: "audio/mpeg",
    OutputFormat.OPUS: "audio/ogg",
    OutputFormat.AAC: "audio/aac",
    OutputFormat.FLAC: "audio/flac",
    OutputFormat.WAV: "audio/wav",
    OutputFormat.PCM16: "audio/pcm",
}


async def spoken_response(service: ChatService, request: SpeechRequest, owner: str) -> StreamedResponse:
    """Answers the owner of a key once the first sound is there: what fails before is a plain error with its own status.

    Raises:
        ApiError: the request is refused, the server is overloaded, or the text cannot be spoken.
    """
    service.model(request.model)
    service.require_place(owner)
    plan, prompt = plan_speech(request, service.config.limits, service.assistant)
    assert plan.output_format is not None
    (stream,) = service.submit(prompt, plan, owner, request.model)
    pieces = answer_pieces(service.engine, stream, plan)
    sound = _sound(pieces, plan.output_format, service.config.limits.max_audio_frames)

    def body(first: bytes) -> AsyncGenerator[bytes, None]:
        if request.stream_format != "sse":
            return _file(first, sound)
        num_input_tokens = len(prompt) + sum(map(len, plan.generation.script))
        return _events(first, sound, stream, num_input_tokens)

    media_type = EVENTS if request.stream_format == "sse" else MEDIA_TYPES[plan.output_format]
    try:
        return await streamed_answer(service, [stream], anext(sound), body, media_type)
    except ApiError:
        raise
    except Exception as error:
        raise as_api_error(error, "input") from error


async def _sound(
    pieces: AsyncGenerator[AnswerPiece, None], output_format: OutputFormat, max_frames: int
) -> AsyncGenerator[bytes, None]:
    """The bytes of the file as they come, at least once; closes the pieces.

    Raises:
        StreamFailedError: the stream failed.
        ApiError: 400, the text is not over after so many frames; 500, it gave no sound.
    """
    header, has_sound = stream_header(output_format), False
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, AudioPiece):
                yield piece.data if has_sound else header + piece.data
                has_sound = True
            elif isinstance(piece, EndPiece) and piece.finish_reason == "length":
                message = (
                    f"Invalid 'input': it is not spoken to its end in {max_frames} frames. Send less text."
                )
                raise invalid_value("input", message, "context_length_exceeded")
    if not has_sound:
        raise server_error("The text gave no sound.")


async def _file(first: bytes, sound: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The bytes of the file; a failure breaks the body off, so that no client takes it for whole."""
    async with contextlib.aclosing(sound):
        yield first
        async for data in sound:
            yield data


async def _events(
    first: bytes, sound: AsyncGenerator[bytes, None], stream: Stream, num_input_tokens: int
) -> AsyncGenerator[bytes, None]:
    """The file in speech.audio.delta events, whose base64 texts may be joined, and speech.audio.done.

    A failure is an error event, and ends them without speech.audio.done.
    """
    chunker = Base64Chunker()
    try:
        async with contextlib.aclosing(sound):
            for event in _delta(chunker.feed(first)):
                yield event
            async for data in sound:
                for event in _delta(chunker.feed(data)):
                    yield event
        for event in _delta(chunker.finish()):
            yield event
        num_frames = stream.delivered.audio_frames
        usage = {
            "input_tokens": num_input_tokens,
            "output_tokens": num_frames,
            "total_tokens": num_input_tokens + num_frames,
        }
        yield sse_event({"type": "speech.audio.done", "usage": usage})
    except Exception as error:  # the status line is long gone: tell it in the stream
        yield sse_event(as_api_error(error, "input").body())


def _delta(audio: str) -> list[bytes]:
    return [sse_event({"type": "speech.audio.delta", "audio": audio})] if audio else []
