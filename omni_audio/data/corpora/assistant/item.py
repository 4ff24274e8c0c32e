"""Items of the assistant domain: what is said, and what is due."""

from dataclasses import dataclass
from typing import Any, Final

from omni_audio.data.corpora.assistant.instructions import Answer, Instruction
from omni_audio.data.corpora.commands_slots import ToolCall
from omni_audio.model.tool_text import tools_text
from omni_audio.plain import to_plain

KINDS: Final = (
    "tool_call",
    "tool_answer",
    "two_calls",
    "spelled",
    "self_repair",
    "dialogue",
    "correction",
    "missing_argument",
    "no_tool",
    "instruction",
    "small_talk",
    "fact",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the user says once, and all that is due until the user speaks again.

    Attributes:
        user: the words as they are spoken: letters a-z, apostrophes and blanks.
        calls: the due calls, in order, each followed by its result.
        results: what the tools give back, JSON objects, one a call.
        answer: the due answer after the calls.
        instructions: what the answer must comply with.
        asks_for: the required argument that is missing and that the answer asks for; "" elsewhere.
        refuses: whether the answer says that no offered tool fits.
        wanted: the tool that is meant where none can be called: an argument is missing, or it is not offered; ""
            elsewhere and for requests that no tool of the domain serves.
        changed: the argument in which the call differs from the call before, in a correction; "" elsewhere.
    """

    user: str
    calls: tuple[ToolCall, ...] = ()
    results: tuple[dict[str, Any], ...] = ()
    answer: Answer
    instructions: tuple[Instruction, ...] = ()
    asks_for: str = ""
    refuses: bool = False
    wanted: str = ""
    changed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantItem:
    """One talk of one or more turns.

    Attributes:
        item_id: `assistant-<split>-<number>`.
        kind: one of `KINDS`.
        area: of the (first) due or wanted tool; else "instructions", "small_talk", "facts" or "unserved".
        split: "train", "dev" or "test".
        template_ids: of all wordings in it; no split shares one.
        values: slot and words of all that filled a slot.
        tools: names of the offered tools, in the order of the system text; may be empty.
        system: instructions that stand in the system text besides the tools, "" if none.
        turns: at least one.
    """

    item_id: str
    kind: str
    area: str
    split: str
    template_ids: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    tools: tuple[str, ...]
    system: str
    turns: tuple[Turn, ...]

    @property
    def request(self) -> str:
        """All that the user says, a turn a line; no two items of a corpus share it."""
        if len(self.turns) == 1:
            return self.turns[0].user
        return "\n".join(turn.user for turn in self.turns)

    @property
    def system_text(self) -> str:
        """The system text: the offered tools by name, then the instructions; "" if there is neither."""
        parts = [tools_text(list(self.tools))] if self.tools else []
        return "\n".join([*parts, self.system] if self.system else parts)

    def to_json(self) -> dict[str, Any]:
        """The item as JSON values, system text and request included."""
        return {**to_plain(self), "system_text": self.system_text, "request": self.request}
