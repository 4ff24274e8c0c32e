"""What an answer is made of, whole or streamed: text up to a stop sequence, checked calls, encoded sound."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TypeAlias

from omni_audio.model.logprobs import TokenLogprobs
from omni_audio.serving.audio_codec import AnswerSound
from omni_audio.serving.engine import Engine
from omni_audio.serving.errors import invalid_value
from omni_audio.serving.logprobs import HeldLogprobs
from omni_audio.serving.plan import AnswerPlan
from omni_audio.serving.stop import StopFilter
from omni_audio.serving.stream import (
    AudioDelta,
    FormFailedError,
    Outcome,
    Stream,
    StreamEnd,
    TextDelta,
    ToolDelta,
)
from omni_audio.serving.tool_calls import CallDelta, CallStart, GrowingCall


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Some words, and the probabilities of their tokens where they are asked for; not both empty.

    `num_frames` of sound were given before them.
    """

    text: str
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    num_frames: int = 0


@dataclass(frozen=True, slots=True)
class AudioPiece:
    """Some bytes of the sound in the format that was asked for, not empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndPiece:
    """The last piece, with the finish_reason and the frames of the whole sound."""

    finish_reason: str
    num_frames: int = 0


AnswerPiece: TypeAlias = TextPiece | AudioPiece | CallStart | CallDelta | EndPiece


async def answer_pieces(
    engine: Engine, stream: Stream, plan: AnswerPlan
) -> AsyncGenerator[AnswerPiece, None]:
    """Reads a stream to its end; frees its slot and its encoder, however the reading ends.

    Raises:
        StreamFailedError: the stream ended by a fault.
        ApiError: 500, a tool call of the model is invalid; 400, the form that was asked for cannot be followed.
    """
    stop, held = StopFilter(plan.stop), HeldLogprobs()
    sound: AnswerSound | None = None
    call: GrowingCall | None = None
    try:
        if plan.output_format is not None:
            sound = AnswerSound(plan.output_format)
        while True:
            event = await stream.get()
            if isinstance(event, TextDelta):
                held.add(event.text, event.logprobs)
                if text := stop.feed(event.text):
                    yield TextPiece(text, held.release(len(text)), stream.delivered.audio_frames)
                if stop.is_stopped:
                    engine.cancel(stream, Outcome.COMPLETED)
                    yield EndPiece("stop")
                    return
            elif isinstance(event, ToolDelta):
                if event.starts_call:
                    for piece in call.finish() if call is not None else []:
                        yield piece
                    call = GrowingCall(plan.tools)
                assert call is not None
                for piece in call.feed(event.text):
                    yield piece
            elif isinstance(event, AudioDelta) and sound is not None:
                if data := sound.feed(event.pcm_S):
                    yield AudioPiece(data)
            elif isinstance(event, StreamEnd):
                last = TextPiece(stop.finish(), held.rest(), stream.delivered.audio_frames)
                if last.text or last.logprobs:
                    yield last
                if call is not None:
                    for piece in call.finish() if event.reason == "tool_calls" else call.cut():
                        yield piece
                if sound is not None and (data := sound.finish()):
                    yield AudioPiece(data)
                yield EndPiece(plan.finish_reason(event.reason), stream.delivered.audio_frames)
                return
    except FormFailedError as error:
        param = plan.form_param
        raise invalid_value(param, f"Invalid '{param}': {str(error)[:300]}", "invalid_schema") from error
    finally:
        engine.cancel(stream)
        if sound is not None:
            sound.close()
