"""Request model of POST /v1/audio/speech, and what is generated for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from omni_audio.model.assistant import Assistant
from omni_audio.model.sequence import TokenSequence
from omni_audio.serving.audio_codec import OutputFormat
from omni_audio.serving.errors import invalid_value
from omni_audio.serving.plan import AnswerPlan
from omni_audio.serving.schemas import Speed, StrictModel, VoiceReference
from omni_audio.serving.settings import RequestLimits
from omni_audio.serving.spoken_options import check_voice, served_format

MAX_INPUT_CHARS = 4096

SPEECH_FORMATS = {
    "mp3": OutputFormat.MP3,
    "opus": OutputFormat.OPUS,
    "aac": OutputFormat.AAC,
    "flac": OutputFormat.FLAC,
    "wav": OutputFormat.WAV,
    "pcm": OutputFormat.PCM16,
}
"""What `response_format` may be."""

SEED = 0
"""Of every spoken text: the endpoint has no seed, and equal requests are to give equal sound."""


class SpeechRequest(StrictModel):
    """The body of a speech request; `instructions` has no effect."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    input: Annotated[str, Field(min_length=1, max_length=MAX_INPUT_CHARS)]
    voice: Annotated[str, Field(min_length=1, max_length=256)] | VoiceReference
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Speed | None = None
    stream_format: Literal["audio", "sse"] | None = None


def plan_speech(
    request: SpeechRequest, limits: RequestLimits, assistant: Assistant
) -> tuple[AnswerPlan, TokenSequence]:
    """Decides how the text is spoken: in one take.

    Args:
        request: the checked body.
        limits: of this server.
        assistant: the build that speaks.

    Returns:
        The plan and the prompt.

    Raises:
        ApiError: 400, what is not served, or a text that the build cannot speak.
    """
    check_voice(request.voice, limits, "voice")
    output_format = served_format(request.response_format or "mp3", SPEECH_FORMATS, "response_format")
    try:
        prompt, generation = assistant.ask_to_say(request.input, speed=_speed(request), seed=SEED)
    except ValueError as error:
        raise invalid_value("input", f"Invalid 'input': {str(error)[:300]}") from error
    generation.max_frames = min(generation.max_frames, limits.max_audio_frames)
    plan = AnswerPlan(
        turns=[],
        output_format=output_format,
        generation=generation,
        max_total_tokens=None,
        stop=[],
        is_stream=True,
        include_usage=request.stream_format == "sse",
    )
    return plan, prompt


def _speed(request: SpeechRequest) -> float:
    in_voice = None if isinstance(request.voice, str) else request.voice.speed
    given = {speed for speed in (request.speed, in_voice) if speed is not None}
    if len(given) > 1:
        message = f"Invalid 'voice.speed': {in_voice} is not speed = {request.speed}. Send one of them."
        raise invalid_value("voice.speed", message)
    return given.pop() if given else 1.0
