"""From messages of a request to turns of a conversation: parts joined, clips decoded, calls matched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from omni_audio.model.assistant import Role, Turn
from omni_audio.serving.clips import Clips, is_audio_uri
from omni_audio.serving.errors import invalid_value, unsupported
from omni_audio.serving.schemas import (
    MAX_ECHO_CHARS,
    AssistantMessage,
    CalledFunction,
    FilePart,
    FunctionMessage,
    ImagePart,
    Message,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from omni_audio.serving.tool_calls import call_text

CLIP_CONTENT = "audio"
"""What stands as the content of a message whose sound is in its field `audio`."""


class TranscriptLookup(Protocol):
    """Finds the words of an earlier spoken answer."""

    def __call__(self, answer_id: str, *, param: str) -> str:
        """The words; ApiError 404 with this `param` if there is no such answer."""
        ...


def turns_of(messages: Sequence[Message], transcript_of: TranscriptLookup, clips: Clips) -> list[Turn]:
    """Translates a conversation.

    Args:
        messages: at least one.
        transcript_of: finds earlier spoken answers.
        clips: decodes those of this request.

    Raises:
        ApiError: 400 with the path of the message at fault; 404 for an unknown earlier answer.
    """
    turns: list[Turn] = []
    called: _Called | None = None
    called_functions: set[str] = set()
    for index, message in enumerate(messages):
        param = f"messages[{index}]"
        if not isinstance(message, ToolMessage) and called is not None:
            turns += called.results()
            called = None
        if isinstance(message, SystemMessage):
            turns.append(Turn(role=Role.SYSTEM, text=_joined(message.content)))
        elif isinstance(message, UserMessage):
            turns += _user_turns(message, param, clips)
        elif isinstance(message, AssistantMessage):
            turns += _assistant_turns(message, param, transcript_of)
            if message.tool_calls is not None:
                called = _Called(message.tool_calls, f"{param}.tool_calls")
            if message.function_call is not None:
                called_functions.add(message.function_call.name)
        elif isinstance(message, ToolMessage):
            name = f"{param}.tool_call_id"
            if called is None:
                text = f"Invalid '{name}': no calls of an assistant message stand before it. Send that message too."
                raise invalid_value(name, text)
            called.take(message, name)
        elif isinstance(message, FunctionMessage):
            if message.name not in called_functions:
                name = f"{param}.name"
                text = f"Invalid '{name}': no earlier assistant message called it. Send that message too."
                raise invalid_value(name, text)
            turns.append(Turn(role=Role.TOOL, text=message.content or ""))
    if called is not None:
        turns += called.results()
    clips.require_all_used()
    return turns


class _Called:
    """The calls of one assistant message, and the results that follow it in any order.

    Args:
        calls: at least one.
        param: their path.

    Raises:
        ApiError: 400, two calls have the same id.
    """

    def __init__(self, calls: Sequence[ToolCall], param: str) -> None:
        self._param = param
        self._texts: dict[str, str | None] = {}
        for index, call in enumerate(calls):
            if call.id in self._texts:
                name = f"{param}[{index}].id"
                raise invalid_value(
                    name, f"Invalid '{name}': another call has it. Send the ids as they came."
                )
            self._texts[call.id] = None

    def take(self, message: ToolMessage, param: str) -> None:
        """Takes a result.

        Raises:
            ApiError: 400, there is no such call, or it has a result already.
        """
        if message.tool_call_id not in self._texts:
            text = f"Invalid '{param}': the assistant message before it made no such call. Send the id of one it made."
            raise invalid_value(param, text)
        if self._texts[message.tool_call_id] is not None:
            text = f"Invalid '{param}': that call has its result already. Send one message for each call."
            raise invalid_value(param, text)
        self._texts[message.tool_call_id] = _joined(message.content)

    def results(self) -> list[Turn]:
        """A turn for each result, in the order of the calls.

        Raises:
            ApiError: 400, a call has none.
        """
        turns = []
        for index, (call_id, text) in enumerate(self._texts.items()):
            if text is None:
                name = f"{self._param}[{index}].id"
                message = (
                    f"Invalid '{name}': no tool message with the result of {call_id[:MAX_ECHO_CHARS]!r} follows. "
                    "Send one for each call, right behind the assistant message."
                )
                raise invalid_value(name, message)
            turns.append(Turn(role=Role.TOOL, text=text))
        return turns


def _user_turns(message: UserMessage, param: str, clips: Clips) -> list[Turn]:
    """One turn for each run of text parts and one for each clip, in the order of the parts."""
    if message.audio is not None:
        if message.content != CLIP_CONTENT:
            name = f"{param}.content"
            text = f"Invalid '{name}': {CLIP_CONTENT!r} is expected beside audio. Send text as a message of its own."
            raise invalid_value(name, text)
        return [Turn(role=Role.USER, pcm_S=clips.decode(message.audio, None, param=f"{param}.audio"))]
    if isinstance(message.content, str):
        if is_audio_uri(message.content):
            pcm_S = clips.decode(message.content, None, param=f"{param}.content")
            return [Turn(role=Role.USER, pcm_S=pcm_S)]
        return [Turn(role=Role.USER, text=message.content)]
    turns: list[Turn] = []
    for index, part in enumerate(message.content):
        place = f"{param}.content[{index}]"
        if isinstance(part, ImagePart | FilePart):
            raise unsupported(f"{place}.type", part.type, ["text", "input_audio"])
        if isinstance(part, TextPart):
            if turns and turns[-1].text is not None:
                turns[-1].text += "\n" + part.text
            else:
                turns.append(Turn(role=Role.USER, text=part.text))
            continue
        clip, place = part.input_audio, f"{place}.input_audio"
        pcm_S = clips.decode(clip.data, clip.format, param=f"{place}.data")
        turns.append(Turn(role=Role.USER, pcm_S=pcm_S))
    return turns


def _assistant_turns(message: AssistantMessage, param: str, transcript_of: TranscriptLookup) -> list[Turn]:
    turns: list[Turn] = []
    if message.function_call is not None and message.tool_calls is not None:
        name = f"{param}.function_call"
        text = f"Invalid '{name}': only allowed without tool_calls, which replaced it. Send one of the two."
        raise invalid_value(name, text)
    content = message.refusal if message.content is None else message.content
    text = None if content is None else _joined(content)
    if message.audio is not None:
        text = transcript_of(message.audio.id, param=f"{param}.audio.id")
    if text:
        turns.append(Turn(role=Role.ASSISTANT, text=text))
    called = [
        (call.function, f"{param}.tool_calls[{index}].function")
        for index, call in enumerate(message.tool_calls or [])
    ]
    if message.function_call is not None:
        called.append((message.function_call, f"{param}.function_call"))
    if called:
        turns.append(Turn(role=Role.ASSISTANT, tool_calls=[_call_json(*each) for each in called]))
    if not turns and content is None:
        name = f"{param}.content"
        text = f"Missing '{name}': an assistant message needs content, audio, tool_calls or function_call."
        raise invalid_value(name, text, "missing_required_parameter")
    return turns


def _call_json(function: CalledFunction, param: str) -> str:
    try:
        return call_text(function.name, function.arguments)
    except ValueError as error:
        name = f"{param}.arguments"
        raise invalid_value(name, f"Invalid '{name}': {error}. Send it as it came.") from None


def _joined(content: str | Sequence[TextPart | RefusalPart]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text if isinstance(part, TextPart) else part.refusal for part in content)
