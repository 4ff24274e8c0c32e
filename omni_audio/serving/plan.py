"""From a checked request to a plan of the answer: what is served of the contract, and with which defaults.

Accepted without effect: store, metadata, stream_options.include_obfuscation, and every field that the schema does
not know. Of a tool only the name reaches the model; its description is not shown. Its parameters are not shown
either, but a call keeps to them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from omni_audio.model.assistant import Turn
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sampling import LEAST_TEMPERATURE
from omni_audio.model.sequence import Mode
from omni_audio.serving.audio_codec import OutputFormat
from omni_audio.serving.clips import Clips
from omni_audio.serving.errors import invalid_value, unsupported
from omni_audio.serving.json_schemas import check_schema
from omni_audio.serving.offered_tools import offered_tools
from omni_audio.serving.schemas import AudioOptions, ChatRequest, VoiceOptions, VoiceReference
from omni_audio.serving.settings import DEFAULT_VOICE, RequestLimits
from omni_audio.serving.spoken_options import CHAT_FORMATS, check_voice, served_format
from omni_audio.serving.turns import TranscriptLookup, turns_of

_TOKEN_ID = re.compile(r"[0-9]{1,9}", re.ASCII)
TEXT_SCHEMA_PARAM = "response_format.json_schema.schema"

MAX_PLAIN_LOGPROBS = 2**20
"""Entries of all choices of an answer that is given whole: some eighty megabytes."""


@dataclass(kw_only=True, slots=True)
class AnswerPlan:
    """All that is needed to answer, in the server's own terms."""

    turns: list[Turn]
    tools: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    """Of what the model may call: name -> schema of the arguments."""
    calls_are_functions: bool = False
    """Whether a call is answered in the deprecated form, as the one function_call of the message."""
    text_schema: dict[str, Any] | None = None
    """What the text must satisfy."""
    output_format: OutputFormat | None
    generation: GenerationRequest
    num_choices: int = 1
    max_total_tokens: int | None
    stop: list[str]
    is_stream: bool
    include_usage: bool
    include_timestamps: bool = False

    @property
    def mode(self) -> Mode:
        """What is asked of the model."""
        return self.generation.mode

    def finish_reason(self, reason: str) -> str:
        """How the reason of a stream's end is called in the answer."""
        return "function_call" if reason == "tool_calls" and self.calls_are_functions else reason

    @property
    def call_param(self) -> str:
        """The parameter that says what a call must look like."""
        return "functions" if self.calls_are_functions else "tools"

    @property
    def form_param(self) -> str:
        """The parameter that says what the answer must look like; where text and call have a form, that of the text."""
        return self.call_param if self.text_schema is None else TEXT_SCHEMA_PARAM

    @property
    def has_logprobs(self) -> bool:
        """Whether the text comes with the probabilities of its tokens."""
        return self.generation.num_logprobs is not None

    @property
    def choices(self) -> list[GenerationRequest]:
        """What is generated for each choice: the same with seeds of their own, of which the first is the plan's."""
        seeds = [choice_seed(self.generation.seed, index) for index in range(self.num_choices)]
        return [replace(self.generation, seed=seed) for seed in seeds]


def choice_seed(seed: int, index: int) -> int:
    """The seed of a choice: the request's own for the first, for the others 63 bits of a hash of it and the index."""
    if index == 0:
        return seed
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def plan_answer(
    request: ChatRequest,
    limits: RequestLimits,
    transcript_of: TranscriptLookup,
    clips: Clips,
    usual_max_calls: int,
) -> AnswerPlan:
    """Decides what will be generated. Decodes the request's clips, so keep it off the event loop.

    Args:
        request: the checked body.
        limits: of this server.
        transcript_of: finds the words of an earlier spoken answer by id, given the parameter's path.
        clips: decodes those of this request.
        usual_max_calls: how many calls an answer of the build may hold where the request does not say.

    Raises:
        ApiError: 400 for what is not served or does not fit together, 404 for an unknown earlier answer.
    """
    output_format = _output_format(request, limits)
    speed = _speed(request, output_format)
    offered = offered_tools(request, usual_max_calls)
    max_total = _max_total_tokens(request)
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    if stop and output_format is not None:
        raise unsupported("stop", stop, "none with audio output", "Leave stop out, or ask for text only.")
    options = request.stream_options
    if options is not None and not request.stream:
        message = (
            "Invalid 'stream_options': only allowed with stream = true. Set it, or leave stream_options out."
        )
        raise invalid_value("stream_options", message)
    temperature = 1.0 if request.temperature is None else request.temperature
    temperature = 0.0 if temperature < LEAST_TEMPERATURE else temperature
    seed = request.seed
    if seed is None:
        seed = 0 if temperature == 0 else secrets.randbits(63)
    generation = GenerationRequest(
        mode=Mode.REPLY_TEXT if output_format is None else Mode.REPLY_AUDIO,
        tools=bool(offered.schemas),
        tool_required=offered.is_required,
        max_calls=offered.max_calls,
        temperature=temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        speed=speed,
        frequency_penalty=request.frequency_penalty or 0.0,
        presence_penalty=request.presence_penalty or 0.0,
        bias=_bias(request),
        seed=seed,
        max_text_tokens=min(limits.max_text_tokens, max_total or limits.max_text_tokens),
        num_logprobs=_num_logprobs(request),
        max_frames=min(limits.max_audio_frames, max_total or limits.max_audio_frames),
    )
    num_choices = _num_choices(request, output_format, limits)
    if not request.stream:
        _require_few_logprobs(generation, num_choices)
    return AnswerPlan(
        turns=turns_of(request.messages, transcript_of, clips),
        tools=offered.schemas,
        calls_are_functions=request.functions is not None,
        text_schema=_text_schema(request, output_format),
        output_format=output_format,
        generation=generation,
        num_choices=num_choices,
        max_total_tokens=max_total,
        stop=stop,
        is_stream=bool(request.stream),
        include_usage=bool(options and options.include_usage),
        include_timestamps=_include_timestamps(request, output_format),
    )


def _bias(request: ChatRequest) -> dict[int, float]:
    """Biases by id; whether the build has these ids is seen where it is known."""
    biases: dict[int, float] = {}
    for key, value in (request.logit_bias or {}).items():
        if not _TOKEN_ID.fullmatch(key):
            name = f"logit_bias.{key[:80]}"
            raise invalid_value(name, f"Invalid '{name}': the key is no token id. Send the digits of one.")
        biases[int(key)] = value
    return biases


def _num_choices(request: ChatRequest, output_format: OutputFormat | None, limits: RequestLimits) -> int:
    num_choices = request.n or 1
    if num_choices > 1 and output_format is not None:
        raise unsupported("n", num_choices, "1 with audio output", "Send several requests.")
    if num_choices > limits.max_choices:
        raise unsupported("n", num_choices, f"1 to {limits.max_choices}", "Send several requests.")
    return num_choices


def _include_timestamps(request: ChatRequest, output_format: OutputFormat | None) -> bool:
    is_wanted = request.stream_options is not None and bool(request.stream_options.include_timestamps)
    if is_wanted and output_format is None:
        raise unsupported("stream_options.include_timestamps", True, "false with text output")
    return is_wanted


def _num_logprobs(request: ChatRequest) -> int | None:
    if request.logprobs:
        return request.top_logprobs or 0
    if request.top_logprobs:
        message = (
            "Invalid 'top_logprobs': only allowed with logprobs = true. Set it, or leave top_logprobs out."
        )
        raise invalid_value("top_logprobs", message)
    return None


def _require_few_logprobs(generation: GenerationRequest, num_choices: int) -> None:
    """Raises ApiError 400 where an answer that is given whole could hold more than MAX_PLAIN_LOGPROBS."""
    if generation.num_logprobs is None:
        return
    num_entries = num_choices * generation.max_text_tokens * (1 + generation.num_logprobs)
    if num_entries > MAX_PLAIN_LOGPROBS:
        allowed = f"{MAX_PLAIN_LOGPROBS} probabilities in all, and these could be {num_entries}"
        remedy = "Set a lower max_completion_tokens or n, or stream = true."
        raise unsupported("top_logprobs", generation.num_logprobs, allowed, remedy)


def _max_total_tokens(request: ChatRequest) -> int | None:
    new, old = request.max_completion_tokens, request.max_tokens
    if new is not None and old is not None and new != old:
        message = f"Invalid 'max_tokens': {old} is not max_completion_tokens = {new}. Send one of them."
        raise invalid_value("max_tokens", message)
    return old if new is None else new


def _output_format(request: ChatRequest, limits: RequestLimits) -> OutputFormat | None:
    """None for text; otherwise the format of the sound. Checks the voice too."""
    modalities = request.modalities
    wants_audio = modalities is not None and "audio" in modalities
    if modalities is not None and len(set(modalities)) != len(modalities):
        raise invalid_value("modalities", "Invalid 'modalities': each may be named once. Drop the repeat.")
    audio = request.audio
    if request.mode is not None:
        if modalities is not None and wants_audio != (request.mode == "audio"):
            message = (
                f"Invalid 'mode': {request.mode!r} contradicts modalities = {modalities}. Send one of them."
            )
            raise invalid_value("mode", message)
        wants_audio = request.mode == "audio"
        if wants_audio and audio is None:
            name = _voice_name(request.voice) or DEFAULT_VOICE
            audio = AudioOptions(voice=name, format="pcm16" if request.stream else "wav")
    if not wants_audio:
        if audio is not None:
            message = "Invalid 'audio': only allowed with 'audio' in modalities. Add it, or leave audio out."
            raise invalid_value("audio", message)
        if request.voice is not None:
            message = "Invalid 'voice': only allowed with audio output. Ask for it, or leave voice out."
            raise invalid_value("voice", message)
        return None
    if audio is None:
        message = "Missing 'audio': modalities has 'audio'. Add audio = {\"voice\": ..., \"format\": ...}."
        raise invalid_value("audio", message, "missing_required_parameter")
    check_voice(audio.voice, limits, "audio.voice")
    name, of_audio = _voice_name(request.voice), _voice_name(audio.voice)
    if name not in (None, of_audio):
        message = f"Invalid 'voice': {name!r} is not audio.voice = {of_audio!r}. Send one of them."
        raise invalid_value("voice", message)
    return served_format(audio.format, CHAT_FORMATS, "audio.format")


def _voice_name(voice: str | VoiceReference | VoiceOptions | None) -> str | None:
    return voice if voice is None or isinstance(voice, str) else voice.id


def _speed(request: ChatRequest, output_format: OutputFormat | None) -> float:
    """Speed of the sound, from the one or more places that name it."""
    found = {"speed": request.speed}
    if isinstance(request.voice, VoiceOptions):
        found["voice.speed"] = request.voice.speed
    if request.audio is not None:
        found["audio.speed"] = request.audio.speed
        if not isinstance(request.audio.voice, str):
            found["audio.voice.speed"] = request.audio.voice.speed
    given = {name: value for name, value in found.items() if value is not None}
    if len(set(given.values())) > 1:
        name = list(given)[-1]
        raise invalid_value(name, f"Invalid '{name}': two different speeds were given: {given}. Send one.")
    speed = next(iter(given.values()), 1.0)
    if output_format is None and speed != 1.0:
        message = f"Invalid 'speed': {speed} with text output. Leave it out, or add 'audio' to modalities."
        raise invalid_value("speed", message)
    return speed


def _text_schema(request: ChatRequest, output_format: OutputFormat | None) -> dict[str, Any] | None:
    """What the text must satisfy; None where it is free."""
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return None
    if output_format is not None:
        raise unsupported("response_format.type", wanted.type, ["text"], "Or ask for text only.")
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None:
        message = "Missing 'response_format.json_schema': type is json_schema. Add it."
        raise invalid_value("response_format.json_schema", message, "missing_required_parameter")
    schema = wanted.json_schema.schema_ or {"type": "object"}
    check_schema(schema, TEXT_SCHEMA_PARAM, strict=bool(wanted.json_schema.strict))
    return schema
