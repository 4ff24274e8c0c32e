"""Answers to many requests at once, over the slots of one Generator."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from omni_audio.model.events import AudioFrame, Event, Failed, Finished, FinishReason, TextToken, ToolToken
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import TokenSequence
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer


@dataclass(slots=True)
class Answer:
    """One stream as it came: ids of its text, ids of each tool call, acoustic codes (K,) of each frame, its end."""

    text_ids: list[int] = field(default_factory=list)
    calls: list[list[int]] = field(default_factory=list)
    frames: list[Tensor] = field(default_factory=list)
    reason: FinishReason | None = None

    def push(self, event: Event) -> None:
        """Takes the stream's next event.

        Raises:
            ValueError: the answer cannot go on.
        """
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, TextToken):
            self.text_ids.append(event.id)
        elif isinstance(event, AudioFrame):
            self.frames.append(event.codes_K)
        elif isinstance(event, Finished):
            self.reason = event.reason
        elif isinstance(event, ToolToken):
            if event.starts_call:
                self.calls.append([])
            self.calls[-1].append(event.id)

    @property
    def stopped(self) -> bool:
        """Whether it came to an end by a stop token, not by a limit."""
        return self.reason in (FinishReason.STOP, FinishReason.TOOL_CALLS)

    def pcm(self, tokenizer: AudioTokenizer) -> Tensor:
        """(S,) samples on the CPU; empty where the answer has no frames."""
        if not self.frames:
            return torch.zeros(0)
        return tokenizer.decode(torch.stack(self.frames)[None])[0].cpu()


def answer_all(
    model: OmniModel, asked: Iterable[tuple[TokenSequence, GenerationRequest]], num_slots: int
) -> list[Answer]:
    """Answers in the order of the requests, each as if it had been asked alone.

    Args:
        model: in memory.
        asked: prompts with their requests; the next is taken when a slot is free.
        num_slots: streams at once.
    """
    generator = Generator(model, num_slots)
    waiting = iter(asked)
    answers: list[Answer] = []
    in_slot: dict[int, Answer] = {}
    while True:
        for slot, (prompt, request) in zip(generator.free_slots, waiting, strict=False):
            generator.open(slot, prompt, request)
            in_slot[slot] = Answer()
            answers.append(in_slot[slot])
        if not generator.streams:
            return answers
        for event in generator.step():
            in_slot[event.slot].push(event)
