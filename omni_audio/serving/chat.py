"""A planned chat completion as one object; and what all endpoints that answer by streams share."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from omni_audio.serving.answer_context import AnswerContext
from omni_audio.serving.audio_codec import whole_file
from omni_audio.serving.choices import NumberedPiece
from omni_audio.serving.errors import ApiError, invalid_value, server_error, stopping
from omni_audio.serving.logprobs import WrittenLogprobs
from omni_audio.serving.pieces import AnswerPiece, AudioPiece, EndPiece, TextPiece
from omni_audio.serving.plan import AnswerPlan
from omni_audio.serving.stream import PromptRefusedError, StoppedError, Stream, StreamFailedError
from omni_audio.serving.tool_calls import CallDelta, CallStart

logger = logging.getLogger(__name__)


def as_api_error(error: Exception, param: str = "messages") -> ApiError:
    """What the client is told of a stream that failed; `param` is what its prompt was made of."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, PromptRefusedError):
        return invalid_value(param, f"Invalid '{param}': {str(error)[:300]}")
    if isinstance(error, StoppedError):
        return stopping()
    if not isinstance(error, StreamFailedError):
        logger.error("an answer failed", exc_info=error)
    return server_error()


async def whole_answer(
    pieces: AsyncIterator[NumberedPiece], streams: Sequence[Stream], plan: AnswerPlan, context: AnswerContext
) -> dict[str, Any]:
    """Collects the chat.completion object, which orjson can write.

    Args:
        pieces: of all choices, to their ends.
        streams: where they come from, one a choice, for their counts.
        plan: what was asked.
        context: of this answer.

    Raises:
        StreamFailedError: a stream failed.
        ApiError: the answer cannot be given.
    """
    choices = [_Choice(index, plan, context) for index in range(len(streams))]
    async for index, piece in pieces:
        choices[index].take(piece)
    answers = [choice.as_dict() for choice in choices]
    return {**context.head("chat.completion"), "choices": answers, "usage": context.usage(streams)}


class _Choice:
    """Gathers the pieces of one choice."""

    def __init__(self, index: int, plan: AnswerPlan, context: AnswerContext) -> None:
        self._index, self._plan, self._context = index, plan, context
        self._words: list[str] = []
        self._logprobs = WrittenLogprobs()
        self._sound = bytearray()
        self._calls: list[dict[str, Any]] = []
        """As they stand in the message."""
        self._finish_reason = "stop"

    def take(self, piece: AnswerPiece) -> None:
        """Takes the next piece."""
        if isinstance(piece, TextPiece):
            self._words.append(piece.text)
            self._logprobs.add(piece.logprobs)
        elif isinstance(piece, AudioPiece):
            self._sound += piece.data
        elif isinstance(piece, CallStart):
            self._calls.append(call_object(piece))
        elif isinstance(piece, CallDelta):
            self._calls[-1]["function"]["arguments"] += piece.arguments
        elif isinstance(piece, EndPiece):
            self._finish_reason = piece.finish_reason

    def as_dict(self) -> dict[str, Any]:
        """The choice as it stands in the answer; keeps a spoken one for later requests."""
        return {
            "index": self._index,
            "message": self._message("".join(self._words)),
            "logprobs": self._logprobs.finish() if self._plan.has_logprobs else None,
            "finish_reason": self._finish_reason,
        }

    def _message(self, text: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if self._calls:
            message["content"] = text or None
            if self._plan.calls_are_functions:
                message["function_call"] = self._calls[0]["function"]
            else:
                message["tool_calls"] = self._calls
        elif self._plan.output_format is not None:
            message["content"] = None
            store = self._context.store
            answer_id = store.new_id()
            message["audio"] = {
                "id": answer_id,
                "data": base64.b64encode(whole_file(bytes(self._sound), self._plan.output_format)).decode(
                    "ascii"
                ),
                "transcript": text,
                "expires_at": store.put(answer_id, text, self._context.owner),
            }
        return message


def call_object(start: CallStart) -> dict[str, Any]:
    """A call as it opens in an answer, its arguments empty yet."""
    return {"id": start.id, "type": "function", "function": {"name": start.name, "arguments": ""}}


def sse_event(content: dict[str, Any]) -> bytes:
    """One server-sent event, with a JSON object."""
    return b"data: " + orjson.dumps(content) + b"\n\n"
