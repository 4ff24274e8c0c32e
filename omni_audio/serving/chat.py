"""A planned chat completion as one object or as server-sent chunks, in the order that clients accept."""

from __future__ import annotations

import base64
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from omni_audio.serving.answer_store import AnswerStore
from omni_audio.serving.audio_codec import Base64Chunker, stream_header, whole_file
from omni_audio.serving.errors import ApiError, invalid_value, server_error
from omni_audio.serving.pieces import AnswerPiece, AudioPiece, CallPiece, EndPiece, TextPiece
from omni_audio.serving.plan import AnswerPlan
from omni_audio.serving.stream import PromptRefusedError, Stream, StreamFailedError
from omni_audio.serving.tool_calls import MadeCall

logger = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"


@dataclass(kw_only=True, slots=True)
class AnswerContext:
    """What stands in every object of one answer, and where a spoken answer is kept."""

    model: str
    system_fingerprint: str
    owner: str
    store: AnswerStore
    num_prompt_tokens: int
    num_prompt_audio_tokens: int
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(16)}")
    created_s: int = field(default_factory=lambda: int(time.time()))

    def head(self, object_name: str) -> dict[str, Any]:
        """The fields that open a completion or a chunk."""
        return {
            "id": self.id,
            "object": object_name,
            "created": self.created_s,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": self.system_fingerprint,
        }

    def usage(self, stream: Stream) -> dict[str, Any]:
        """The usage object."""
        counts = stream.delivered
        return {
            "prompt_tokens": self.num_prompt_tokens,
            "completion_tokens": counts.total_tokens,
            "total_tokens": self.num_prompt_tokens + counts.total_tokens,
            "prompt_tokens_details": {
                "audio_tokens": self.num_prompt_audio_tokens,
                "text_tokens": self.num_prompt_tokens - self.num_prompt_audio_tokens,
                "cached_tokens": 0,
            },
            "completion_tokens_details": {
                "audio_tokens": counts.audio_frames,
                "text_tokens": counts.text_tokens + counts.tool_tokens,
                "reasoning_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def as_api_error(error: Exception, param: str = "messages") -> ApiError:
    """What the client is told of a stream that failed; `param` is what its prompt was made of."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, PromptRefusedError):
        return invalid_value(param, f"Invalid '{param}': {str(error)[:300]}")
    if not isinstance(error, StreamFailedError):
        logger.error("an answer failed", exc_info=error)
    return server_error()


async def whole_answer(
    pieces: AsyncIterator[AnswerPiece], stream: Stream, plan: AnswerPlan, context: AnswerContext
) -> dict[str, Any]:
    """Collects the chat.completion object.

    Raises:
        StreamFailedError: the stream failed.
        ApiError: the answer cannot be given.
    """
    words: list[str] = []
    sound = bytearray()
    calls: list[MadeCall] = []
    finish_reason = "stop"
    async for piece in pieces:
        if isinstance(piece, TextPiece):
            words.append(piece.text)
        elif isinstance(piece, AudioPiece):
            sound += piece.data
        elif isinstance(piece, CallPiece):
            calls.append(piece.call)
        else:
            finish_reason = piece.finish_reason
    text = "".join(words)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if calls:
        message["content"] = text or None
        message["tool_calls"] = [call.as_dict() for call in calls]
    elif plan.output_format is not None:
        message["content"] = None
        answer_id = context.store.new_id()
        message["audio"] = {
            "id": answer_id,
            "data": base64.b64encode(whole_file(bytes(sound), plan.output_format)).decode("ascii"),
            "transcript": text,
            "expires_at": context.store.put(answer_id, text, context.owner),
        }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    return {**context.head("chat.completion"), "choices": [choice], "usage": context.usage(stream)}


async def answer_chunks(
    first: AnswerPiece,
    pieces: AsyncGenerator[AnswerPiece, None],
    stream: Stream,
    plan: AnswerPlan,
    context: AnswerContext,
) -> AsyncGenerator[bytes, None]:
    """Yields the server-sent events of an answer; a failure is an error event and ends it without [DONE].

    The pieces are closed with it.

    Args:
        first: the first piece, which decides how the answer opens.
        pieces: all that follow.
        stream: where the pieces come from, for its counts.
        plan: what was asked.
        context: of this answer.
    """
    writer = _ChunkWriter(plan, context)
    try:
        async with contextlib.aclosing(pieces):
            for chunk in [*writer.open(first), *writer.write(first)]:
                yield chunk
            async for piece in pieces:
                for chunk in writer.write(piece):
                    yield chunk
        if plan.include_usage:
            usage = {**context.head("chat.completion.chunk"), "choices": [], "usage": context.usage(stream)}
            yield sse_event(usage)
        yield DONE
    except Exception as error:  # the status line is long gone: tell it in the stream
        yield sse_event(as_api_error(error).body())


class _ChunkWriter:
    """Turns pieces into chunks: one role (and audio id) first, one expiry, one finish_reason last."""

    def __init__(self, plan: AnswerPlan, context: AnswerContext) -> None:
        self._plan = plan
        self._context = context
        self._words: list[str] = []
        self._audio_id: str | None = None
        self._base64 = Base64Chunker()
        self._num_calls = 0

    def open(self, first: AnswerPiece) -> list[bytes]:
        """The chunk with the role, and the header of the file if the format has one."""
        delta: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        if isinstance(first, CallPiece):
            delta["content"] = None
            return [self._chunk(delta)]
        if self._plan.output_format is None:
            return [self._chunk(delta)]
        self._audio_id = self._context.store.new_id()
        delta |= {"content": None, "audio": {"id": self._audio_id}}
        return [self._chunk(delta), *self._data(self._base64.feed(stream_header(self._plan.output_format)))]

    def write(self, piece: AnswerPiece) -> list[bytes]:
        """The chunks of one piece."""
        if isinstance(piece, TextPiece):
            self._words.append(piece.text)
            if self._audio_id is None:
                return [self._chunk({"content": piece.text})]
            return [self._chunk({"audio": {"transcript": piece.text}})]
        if isinstance(piece, AudioPiece):
            return self._data(self._base64.feed(piece.data))
        if isinstance(piece, CallPiece):
            return self._call(piece.call)
        return self._end(piece)

    def _data(self, text: str) -> list[bytes]:
        return [self._chunk({"audio": {"data": text}})] if text else []

    def _call(self, call: MadeCall) -> list[bytes]:
        index = self._num_calls
        self._num_calls += 1
        opening = {
            "index": index,
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        arguments = {"index": index, "function": {"arguments": call.arguments}}
        return [self._chunk({"tool_calls": [opening]}), self._chunk({"tool_calls": [arguments]})]

    def _end(self, piece: EndPiece) -> list[bytes]:
        chunks: list[bytes] = []
        if self._audio_id is not None:
            chunks += self._data(self._base64.finish())
            transcript = "".join(self._words)
            expires_at_s = self._context.store.put(self._audio_id, transcript, self._context.owner)
            chunks.append(self._chunk({"audio": {"expires_at": expires_at_s}}))
        return [*chunks, self._chunk({}, piece.finish_reason)]

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = {**self._context.head("chat.completion.chunk"), "choices": [choice]}
        if self._plan.include_usage:
            chunk["usage"] = None
        return sse_event(chunk)


def sse_event(content: dict[str, Any]) -> bytes:
    """One server-sent event, with a JSON object."""
    return b"data: " + orjson.dumps(content) + b"\n\n"
