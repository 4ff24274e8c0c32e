"""Request models of POST /v1/chat/completions: types and ranges; plan.py decides what is served of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import ConfigDict, Field

from omni_audio.audio.units import MAX_SPEED, MIN_SPEED
from omni_audio.model.request import MAX_CALLS
from omni_audio.serving.errors import ApiError

MAX_INT64 = 2**63 - 1
MAX_MESSAGES_AND_PARTS = 65_536
"""Of one request: each message takes two positions at least, and 131 072 are the most that any server here reads."""

MAX_CALLS_OF_ALL = 8192
"""Of all earlier answers together; with names and arguments more of them hardly fit into a prompt."""

MAX_BIASES = 1024
"""Entries of `logit_bias`."""

MAX_METADATA = 16
MAX_ECHO_CHARS = 300
"""Of what a client sent, at most so much comes back in an error."""

NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}\Z"

Speed = Annotated[float, Field(ge=MIN_SPEED, le=MAX_SPEED)]
Penalty = Annotated[float, Field(ge=-2.0, le=2.0)]
FunctionName = Annotated[str, Field(pattern=NAME_PATTERN)]
PositiveInt = Annotated[int, Field(ge=1, le=MAX_INT64)]


class StrictModel(pydantic.BaseModel):
    """No coercion ("0.5" is not a number, true is not 1), no NaN or infinity, unknown fields ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, regex_engine="python-re")


# ---- messages ----


class TextPart(StrictModel):
    """A piece of text."""

    type: Literal["text"]
    text: str


class InputAudio(StrictModel):
    """Base64 bytes of one clip and their declared format."""

    data: Annotated[str, Field(min_length=1)]
    format: Literal["wav", "mp3", "flac", "opus", "webm", "pcmu", "pcm16"]


class InputAudioPart(StrictModel):
    """A spoken piece of a user message."""

    type: Literal["input_audio"]
    input_audio: InputAudio


class ImagePart(StrictModel):
    """Known to the contract, refused by the plan."""

    type: Literal["image_url"]


class FilePart(StrictModel):
    """Known to the contract, refused by the plan."""

    type: Literal["file"]


class RefusalPart(StrictModel):
    """A refusal in an earlier answer."""

    type: Literal["refusal"]
    refusal: str


UserPart = Annotated[TextPart | InputAudioPart | ImagePart | FilePart, Field(discriminator="type")]
AssistantPart = Annotated[TextPart | RefusalPart, Field(discriminator="type")]
TextContent = str | Annotated[list[TextPart], Field(min_length=1, fail_fast=True)]


class SystemMessage(StrictModel):
    """What the developer asks of the assistant."""

    role: Literal["system", "developer"]
    content: TextContent


class UserMessage(StrictModel):
    """Text, sound or both."""

    role: Literal["user"]
    content: str | Annotated[list[UserPart], Field(min_length=1, fail_fast=True)]
    audio: str | None = None


class CalledFunction(StrictModel):
    """Name and JSON text of the arguments of an earlier call."""

    name: FunctionName
    arguments: str


class ToolCall(StrictModel):
    """An earlier call."""

    id: Annotated[str, Field(min_length=1)]
    type: Literal["function"]
    function: CalledFunction


class AudioReference(StrictModel):
    """The id of an earlier spoken answer."""

    id: Annotated[str, Field(min_length=1, max_length=256)]


class AssistantMessage(StrictModel):
    """An earlier answer."""

    role: Literal["assistant"]
    content: str | Annotated[list[AssistantPart], Field(min_length=1, fail_fast=True)] | None = None
    refusal: str | None = None
    """Stands for the content where there is none."""
    audio: AudioReference | None = None
    tool_calls: (
        Annotated[list[ToolCall], Field(min_length=1, max_length=MAX_CALLS, fail_fast=True)] | None
    ) = None
    function_call: CalledFunction | None = None


class ToolMessage(StrictModel):
    """The result of an earlier call."""

    role: Literal["tool"]
    content: TextContent
    tool_call_id: Annotated[str, Field(min_length=1)]


class FunctionMessage(StrictModel):
    """Deprecated form of a tool message."""

    role: Literal["function"]
    name: FunctionName
    content: str | None


Message = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage,
    Field(discriminator="role"),
]


# ---- tools and formats ----


class FunctionSpec(StrictModel):
    """A function that the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(StrictModel):
    """A tool of type function."""

    type: Literal["function"]
    function: FunctionSpec


class CustomTool(StrictModel):
    """Known to the contract, refused by the plan."""

    type: Literal["custom"]


class NamedFunction(StrictModel):
    """The name inside a tool choice."""

    name: FunctionName


class NamedToolChoice(StrictModel):
    """Asks for one function by name."""

    type: Literal["function"]
    function: NamedFunction


class AllowedToolsOptions(StrictModel):
    """Which of the offered tools may be called, and whether one must be."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedToolChoice], Field(min_length=1, max_length=128)]


class AllowedTools(StrictModel):
    """Asks for some of the offered tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedToolsOptions


class JsonSchemaFormat(StrictModel):
    """A schema with its name."""

    name: FunctionName
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(StrictModel):
    """How text is to be formed."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class StreamOptions(StrictModel):
    """Options of a streamed answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    include_timestamps: bool | None = None


class VoiceReference(StrictModel):
    """A voice by id, with the speed extension."""

    id: Annotated[str, Field(min_length=1, max_length=256)]
    speed: Speed | None = None


class VoiceOptions(StrictModel):
    """A voice, its speed or both, where they stand beside `audio` (extension)."""

    id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    speed: Speed | None = None


class AudioOptions(StrictModel):
    """Voice and format of a spoken answer."""

    voice: Annotated[str, Field(min_length=1, max_length=256)] | VoiceReference
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16", "pcmu"]
    speed: Speed | None = None


MetadataKey = Annotated[str, Field(max_length=64)]
MetadataValue = Annotated[str, Field(max_length=512)]


class ChatRequest(StrictModel):
    """The body of a chat completion request."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True)]
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] | None = None
    mode: Literal["text", "audio"] | None = None
    audio: AudioOptions | None = None
    voice: Annotated[str, Field(min_length=1, max_length=256)] | VoiceOptions | None = None
    speed: Speed | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    top_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    max_completion_tokens: PositiveInt | None = None
    max_tokens: PositiveInt | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=4)]
        | None
    ) = None
    seed: Annotated[int, Field(ge=-(2**63), le=MAX_INT64)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100.0, le=100.0)]] | None = None
    tools: (
        Annotated[
            list[Annotated[FunctionTool | CustomTool, Field(discriminator="type")]], Field(max_length=128)
        ]
        | None
    ) = None
    tool_choice: (
        Literal["none", "auto", "required"]
        | Annotated[NamedToolChoice | AllowedTools, Field(discriminator="type")]
        | None
    ) = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionSpec], Field(min_length=1, max_length=128)] | None = None
    function_call: Literal["none", "auto"] | NamedFunction | None = None
    response_format: ResponseFormat | None = None
    store: bool | None = None
    metadata: dict[MetadataKey, MetadataValue] | None = None
    """At most MAX_METADATA, counted before."""


Body = TypeVar("Body", bound=StrictModel)


def parse_chat_request(payload: object) -> ChatRequest:
    """Checks the parsed JSON body of a chat completion; arguments and errors as parse_body().

    Lists are counted before they are checked: checking takes a microsecond and a kilobyte an item.
    """
    if isinstance(payload, dict):
        _require_few(payload)
    return parse_body(payload, ChatRequest)


def _require_few(payload: dict[str, Any]) -> None:
    messages = payload.get("messages")
    if isinstance(messages, list):
        num = len(messages)
        if num <= MAX_MESSAGES_AND_PARTS:
            num += _num_items(messages, "content")
        if num > MAX_MESSAGES_AND_PARTS:
            text = f"Invalid 'messages': {num} messages and parts; allowed: {MAX_MESSAGES_AND_PARTS}. Send fewer."
            raise ApiError(400, text, param="messages", code="context_length_exceeded")
        num_calls = _num_items(messages, "tool_calls")
        if num_calls > MAX_CALLS_OF_ALL:
            text = f"Invalid 'messages': {num_calls} tool_calls; allowed: {MAX_CALLS_OF_ALL}. Send fewer."
            raise ApiError(400, text, param="messages", code="context_length_exceeded")
    for name, most in (("metadata", MAX_METADATA), ("logit_bias", MAX_BIASES)):
        entries = payload.get(name)
        if isinstance(entries, dict) and len(entries) > most:
            text = f"Invalid '{name}': {len(entries)} entries; allowed: {most}. Send fewer."
            raise ApiError(400, text, param=name, code="invalid_value")


def _num_items(messages: list[Any], name: str) -> int:
    """Items of all lists that stand under a name in messages that were not checked."""
    found = (message.get(name) for message in messages if isinstance(message, dict))
    return sum(len(items) for items in found if isinstance(items, list))


def parse_body(payload: object, schema: type[Body]) -> Body:
    """Checks a parsed JSON body against the schema.

    Args:
        payload: what the JSON parser gave.
        schema: of the body.

    Raises:
        ApiError: 400 with the path of the deepest fault as `param`.
    """
    if not isinstance(payload, dict):
        message = f"The body must be a JSON object, not {type(payload).__name__}."
        raise ApiError(400, message, code="invalid_type")
    try:
        return schema.model_validate(payload)
    except pydantic.ValidationError as error:
        faults = error.errors(include_url=False, include_context=True, include_input=False)
        fault = max(faults, key=lambda item: (len(item["loc"]), not item["type"].endswith("_type")))
        param = _param_path(payload, fault)[:MAX_ECHO_CHARS]
        message = f"Invalid '{param}': {fault['msg'][:MAX_ECHO_CHARS]}."
        raise ApiError(400, message, param=param or None, code=_code(fault["type"])) from None


def _param_path(payload: object, fault: Any) -> str:
    """Turns pydantic's location, which also names union members, into a path through the payload."""
    path = ""
    current = payload
    loc = fault["loc"]
    for depth, item in enumerate(loc):
        is_last = depth == len(loc) - 1
        if isinstance(item, int) and isinstance(current, list) and item < len(current):
            path += f"[{item}]"
            current = current[item]
        elif isinstance(item, str) and isinstance(current, dict):
            if item in current:
                path += f".{item}" if path else item
                current = current[item]
            elif is_last and fault["type"] == "missing":
                path += f".{item}" if path else item
    if fault["type"].startswith("union_tag"):
        path += "." + fault["ctx"]["discriminator"].strip("'")
    return path


def _code(fault_type: str) -> str:
    if fault_type in ("missing", "union_tag_not_found"):
        return "missing_required_parameter"
    return "invalid_type" if fault_type.endswith("_type") else "invalid_value"
