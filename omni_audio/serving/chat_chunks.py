"""A planned chat completion as server-sent chunks, in the order that clients accept."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from omni_audio.serving.answer_context import AnswerContext
from omni_audio.serving.audio_codec import Base64Chunker, stream_header
from omni_audio.serving.chat import as_api_error, call_object, sse_event
from omni_audio.serving.choices import NumberedPiece
from omni_audio.serving.logprobs import logprobs_object
from omni_audio.serving.pieces import AnswerPiece, AudioPiece, EndPiece, TextPiece
from omni_audio.serving.plan import AnswerPlan
from omni_audio.serving.stream import Stream
from omni_audio.serving.tool_calls import CallDelta, CallPiece, CallStart
from omni_audio.serving.word_times import WordTimes

DONE = b"data: [DONE]\n\n"


async def answer_chunks(
    first: NumberedPiece,
    pieces: AsyncGenerator[NumberedPiece, None],
    streams: Sequence[Stream],
    plan: AnswerPlan,
    context: AnswerContext,
) -> AsyncGenerator[bytes, None]:
    """Yields the server-sent events of an answer; a failure is an error event and ends it without [DONE].

    The pieces are closed with it.

    Args:
        first: the first piece of any choice.
        pieces: all that follow.
        streams: where the pieces come from, one a choice, for their counts.
        plan: what was asked.
        context: of this answer.
    """
    writers = [_ChunkWriter(index, plan, context) for index in range(len(streams))]
    try:
        async with contextlib.aclosing(pieces):
            index, piece = first
            for chunk in writers[index].write(piece):
                yield chunk
            async for index, piece in pieces:
                for chunk in writers[index].write(piece):
                    yield chunk
        if plan.include_usage:
            usage = {**context.head("chat.completion.chunk"), "choices": [], "usage": context.usage(streams)}
            yield sse_event(usage)
        yield DONE
    except Exception as error:  # the status line is long gone: tell it in the stream
        yield sse_event(as_api_error(error).body())


class _ChunkWriter:
    """Turns the pieces of one choice into chunks: one role (and audio id) first, one expiry, one finish_reason last."""

    def __init__(self, index: int, plan: AnswerPlan, context: AnswerContext) -> None:
        self._index = index
        self._plan = plan
        self._context = context
        self._words: list[str] = []
        self._audio_id: str | None = None
        self._base64 = Base64Chunker()
        self._num_calls = 0
        self._is_open = False
        self._word_times: WordTimes | None = None
        if plan.include_timestamps:
            self._word_times = WordTimes(context.frame_ms / plan.generation.speed)

    def write(self, piece: AnswerPiece) -> list[bytes]:
        """The chunks of one piece; the first piece decides how the choice opens."""
        opening = [] if self._is_open else self._open(piece)
        self._is_open = True
        return [*opening, *self._written(piece)]

    def _open(self, first: AnswerPiece) -> list[bytes]:
        """The chunk with the role, and the header of the file if the format has one."""
        delta: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        if isinstance(first, CallStart):
            delta["content"] = None
            return [self._chunk(delta)]
        if self._plan.output_format is None:
            return [self._chunk(delta)]
        self._audio_id = self._context.store.new_id()
        delta |= {"content": None, "audio": {"id": self._audio_id}}
        return [self._chunk(delta), *self._data(self._base64.feed(stream_header(self._plan.output_format)))]

    def _written(self, piece: AnswerPiece) -> list[bytes]:
        if isinstance(piece, TextPiece):
            self._words.append(piece.text)
            logprobs = logprobs_object(piece.logprobs) if self._plan.has_logprobs else None
            if self._audio_id is None:
                return [self._chunk({"content": piece.text}, logprobs=logprobs)]
            times = self._word_times and self._word_times.take(piece.text, piece.num_frames)
            return [self._chunk({"audio": {"transcript": piece.text}}, logprobs=logprobs, times=times)]
        if isinstance(piece, AudioPiece):
            return self._data(self._base64.feed(piece.data))
        if isinstance(piece, CallStart | CallDelta):
            return [self._chunk(self._call(piece))]
        return self._end(piece)

    def _data(self, text: str) -> list[bytes]:
        return [self._chunk({"audio": {"data": text}})] if text else []

    def _call(self, piece: CallPiece) -> dict[str, Any]:
        """The delta of a call that begins, or of more of its arguments."""
        if isinstance(piece, CallStart):
            call = call_object(piece)
            self._num_calls += 1
        else:
            call = {"function": {"arguments": piece.arguments}}
        if self._plan.calls_are_functions:
            return {"function_call": call["function"]}
        return {"tool_calls": [{"index": self._num_calls - 1, **call}]}

    def _end(self, piece: EndPiece) -> list[bytes]:
        chunks: list[bytes] = []
        if self._audio_id is not None:
            chunks += self._data(self._base64.finish())
            transcript = "".join(self._words)
            expires_at_s = self._context.store.put(self._audio_id, transcript, self._context.owner)
            times = self._word_times and self._word_times.finish(piece.num_frames)
            chunks.append(self._chunk({"audio": {"expires_at": expires_at_s}}, times=times))
        return [*chunks, self._chunk({}, piece.finish_reason)]

    def _chunk(
        self,
        delta: dict[str, Any],
        finish_reason: str | None = None,
        logprobs: dict[str, Any] | None = None,
        times: dict[str, Any] | None = None,
    ) -> bytes:
        choice = {"index": self._index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        if times is not None:
            choice["x_audio"] = times
        chunk = {**self._context.head("chat.completion.chunk"), "choices": [choice]}
        if self._plan.include_usage:
            chunk["usage"] = None
        return sse_event(chunk)
