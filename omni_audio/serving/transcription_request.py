"""From a form to a checked request for a transcript, and from that to a plan of the answer.

Accepted without effect: language and prompt, which the network was not trained on, and every field that is not named
here.
"""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass
from pathlib import PurePath

from omni_audio.audio.clip import DECLARABLE_FORMATS
from omni_audio.audio.formats import format_named
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.model.assistant import Role, Turn
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sampling import LEAST_TEMPERATURE
from omni_audio.model.sequence import Mode
from omni_audio.serving.audio_codec import ClipDecoder, decode_clip
from omni_audio.serving.errors import invalid_value, unsupported
from omni_audio.serving.multipart import Form, FormFile
from omni_audio.serving.plan import AnswerPlan
from omni_audio.serving.settings import RequestLimits

STREAMED_FORMATS = ("json", "text")
TIMED_FORMATS = ("verbose_json", "srt", "vtt")
"""Those with times of words, which are known when the last word is."""

RESPONSE_FORMATS = (*STREAMED_FORMATS, *TIMED_FORMATS)
"""Forms of a transcript that are served."""

UNSERVED_FORMATS = ("diarized_json",)
"""Known to the contract; it tells who speaks."""

GRANULARITIES = ("segment", "word")
"""What verbose_json may have times of; the first is the default."""

MAX_TEMPERATURE = 1.0
MAX_NAME_CHARS = 256
TOKENS_PER_SECOND = 25
"""More letters than anybody says in a second, so that a transcript that runs away ends soon."""

SPARE_TOKENS = 64

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """What is asked: temperature 0 to 1, 0 is greedy; response_format is one of RESPONSE_FORMATS.

    `granularities` are some of GRANULARITIES, for verbose_json alone.
    """

    model: str
    file: FormFile
    temperature: float
    response_format: str
    granularities: tuple[str, ...]
    is_stream: bool


def parse_transcription_request(form: Form) -> TranscriptionRequest:
    """Checks the fields of a form.

    Raises:
        ApiError: 400 with the name of the field at fault.
    """
    file = form.file("file")
    model = form.text("model")
    if model is None:
        message = "Missing 'model': GET /v1/models lists those that there are. Send one."
        raise invalid_value("model", message, "missing_required_parameter")
    if len(model) > MAX_NAME_CHARS:
        raise invalid_value("model", f"Invalid 'model': longer than {MAX_NAME_CHARS} letters. Shorten it.")
    for spelling in ("include", "include[]"):
        if given := form.fields.get(spelling):
            raise unsupported("include", given[0], "none", "Leave include out.")
    language = form.text("language")
    if language is not None and not _LANGUAGE.fullmatch(language):
        message = (
            f"Invalid 'language': {language[:80]!r} is no ISO-639-1 code. Send one such as 'en', or none."
        )
        raise invalid_value("language", message)
    form.text("prompt")
    response_format = _response_format(form.text("response_format"))
    return TranscriptionRequest(
        model=model,
        file=file,
        temperature=_temperature(form.text("temperature")),
        response_format=response_format,
        granularities=_granularities(form, response_format),
        is_stream=_is_stream(form.text("stream"), response_format),
    )


def plan_transcription(
    request: TranscriptionRequest, limits: RequestLimits, decoder: ClipDecoder
) -> AnswerPlan:
    """Decodes the sound, so keep it off the event loop.

    Args:
        request: the checked form.
        limits: of this server.
        decoder: decodes the file.

    Raises:
        ApiError: 400, the file is not sound, not what its name says, or too long.
    """
    suffix = PurePath(request.file.name).suffix.removeprefix(".")
    named = format_named(suffix)
    pcm_S = decode_clip(
        decoder,
        request.file.data,
        suffix if named is not None and named.name in DECLARABLE_FORMATS else None,
        param="file",
        max_duration_s=limits.max_input_audio_s,
    )
    num_tokens = SPARE_TOKENS + math.ceil(len(pcm_S) / SAMPLE_RATE_HZ * TOKENS_PER_SECOND)
    is_greedy = request.temperature < LEAST_TEMPERATURE
    generation = GenerationRequest(
        mode=Mode.TRANSCRIBE,
        temperature=0.0 if is_greedy else request.temperature,
        seed=0 if is_greedy else secrets.randbits(63),
        max_text_tokens=min(limits.max_text_tokens, num_tokens),
        num_logprobs=0 if request.response_format == "verbose_json" else None,
    )
    return AnswerPlan(
        turns=[Turn(role=Role.USER, pcm_S=pcm_S)],
        output_format=None,
        generation=generation,
        max_total_tokens=None,
        stop=[],
        is_stream=request.is_stream,
        include_usage=True,
    )


def _temperature(text: str | None) -> float:
    if text is None:
        return 0.0
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0.0 <= value <= MAX_TEMPERATURE:
        message = (
            f"Invalid 'temperature': {text[:80]!r}; allowed: 0 to {MAX_TEMPERATURE:g}. Send such a number."
        )
        raise invalid_value("temperature", message)
    return value


def _response_format(text: str | None) -> str:
    wanted = text or RESPONSE_FORMATS[0]
    if wanted in UNSERVED_FORMATS:
        raise unsupported("response_format", wanted, RESPONSE_FORMATS, "Nobody tells who speaks.")
    if wanted not in RESPONSE_FORMATS:
        message = f"Invalid 'response_format': {wanted[:80]!r}; allowed: {list(RESPONSE_FORMATS)}. Send one of them."
        raise invalid_value("response_format", message)
    return wanted


def _granularities(form: Form, response_format: str) -> tuple[str, ...]:
    name = "timestamp_granularities"
    given = [one for spelling in (name, f"{name}[]") for one in form.fields.get(spelling, []) if one]
    for one in given:
        if one not in GRANULARITIES:
            message = f"Invalid '{name}': {one[:80]!r}; allowed: {list(GRANULARITIES)}. Send these, or none."
            raise invalid_value(name, message)
    if given and response_format != "verbose_json":
        message = f"Invalid '{name}': only allowed with response_format = verbose_json. Set it, or leave {name} out."
        raise invalid_value(name, message)
    return tuple(one for one in GRANULARITIES if one in (given or GRANULARITIES[:1]))


def _is_stream(text: str | None, response_format: str) -> bool:
    if text not in (None, "true", "false"):
        message = f"Invalid 'stream': {text[:80]!r}; allowed: 'true', 'false'. Send one of them."
        raise invalid_value("stream", message)
    if text == "true" and response_format in TIMED_FORMATS:
        remedy = "The times are known when the last word is: leave stream out, or ask for json."
        raise unsupported("stream", True, f"false with response_format = {response_format}", remedy)
    return text == "true"
