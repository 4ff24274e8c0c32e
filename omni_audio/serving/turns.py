"""From messages of a request to turns of a conversation: parts joined, clips decoded, calls matched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from omni_audio.model.assistant import Role, Turn
from omni_audio.serving.clips import DATA_URI, Clips
from omni_audio.serving.errors import invalid_value, unsupported
from omni_audio.serving.schemas import (
    AssistantMessage,
    CalledFunction,
    FilePart,
    FunctionMessage,
    ImagePart,
    Message,
    RefusalPart,
    SystemMessage,
    TextPart,
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
    call_ids: set[str] = set()
    called_functions: set[str] = set()
    for index, message in enumerate(messages):
        param = f"messages[{index}]"
        if isinstance(message, SystemMessage):
            turns.append(Turn(role=Role.SYSTEM, text=_joined(message.content)))
        elif isinstance(message, UserMessage):
            turns += _user_turns(message, param, clips)
        elif isinstance(message, AssistantMessage):
            turns += _assistant_turns(message, param, transcript_of)
            call_ids.update(call.id for call in message.tool_calls or [])
            if message.function_call is not None:
                called_functions.add(message.function_call.name)
        elif isinstance(message, ToolMessage):
            if message.tool_call_id not in call_ids:
                name = f"{param}.tool_call_id"
                text = (
                    f"Invalid '{name}': no earlier assistant message made that call. Send that message too."
                )
                raise invalid_value(name, text)
            turns.append(Turn(role=Role.TOOL, text=_joined(message.content)))
        elif isinstance(message, FunctionMessage):
            if message.name not in called_functions:
                name = f"{param}.name"
                text = f"Invalid '{name}': no earlier assistant message called it. Send that message too."
                raise invalid_value(name, text)
            turns.append(Turn(role=Role.TOOL, text=message.content or ""))
    clips.require_all_used()
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
        if message.content.startswith(DATA_URI):
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
    text = _joined(message.content) if message.content is not None else None
    if message.audio is not None:
        text = transcript_of(message.audio.id, param=f"{param}.audio.id")
    if text:
        turns.append(Turn(role=Role.ASSISTANT, text=text))
    for index, call in enumerate(message.tool_calls or []):
        turns.append(_call_turn(call.function, f"{param}.tool_calls[{index}].function"))
    if message.function_call is not None:
        turns.append(_call_turn(message.function_call, f"{param}.function_call"))
    if not turns and message.content is None:
        name = f"{param}.content"
        text = f"Missing '{name}': an assistant message needs content, audio, tool_calls or function_call."
        raise invalid_value(name, text, "missing_required_parameter")
    return turns


def _call_turn(function: CalledFunction, param: str) -> Turn:
    try:
        return Turn(role=Role.ASSISTANT, tool_call=call_text(function.name, function.arguments))
    except ValueError as error:
        name = f"{param}.arguments"
        raise invalid_value(name, f"Invalid '{name}': {error}. Send it as it came.") from None


def _joined(content: str | Sequence[TextPart | RefusalPart]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text if isinstance(part, TextPart) else part.refusal for part in content)
