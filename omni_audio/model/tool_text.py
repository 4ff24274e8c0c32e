"""How tools and their calls stand in a sequence, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # texts are made without PyTorch
    from omni_audio.model.sequence import Mode, SequenceBuilder


def tools_text(tools: list[str]) -> str:
    """How offered tools stand in the system segment."""
    return "tools: " + " ".join(tools)


def tool_call_text(name: str, arguments: dict[str, Any]) -> str:
    """How a tool call stands in the sequence: compact JSON, name first."""
    return json.dumps({"name": name, "arguments": arguments}, separators=(",", ":"))


def append_calls(
    builder: SequenceBuilder, mode: Mode, calls: Sequence[str], results: Sequence[str], *, in_one_answer: bool
) -> None:
    """Puts the calls of one turn and their results behind what the builder holds.

    Args:
        builder: of the sequence.
        mode: of the answers that the calls are.
        calls: each as tool_call_text() writes it.
        results: in the order of the calls; the last ones may be missing.
        in_one_answer: one answer holds all calls and the results follow it, as builds with `parallel_calls` learnt it;
            else each call is an answer of its own, with its result behind it.
    """
    size = max(1, len(calls)) if in_one_answer else 1
    for start in range(0, len(calls), size):
        builder.assistant(mode)
        for call in calls[start : start + size]:
            builder.answer_tool_call(call)
        builder.end()
        for result in results[start : start + size]:
            builder.tool_result(result)
