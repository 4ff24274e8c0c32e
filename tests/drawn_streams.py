"""What tests of streams share: prompts of drawn codes, and events as values that compare."""

import dataclasses

import pytest
import torch
from torch import Tensor

from omni_audio.model.events import AudioFrame, Event, Finished
from omni_audio.model.generate import Generator
from omni_audio.model.sequence import Mode, SequenceBuilder, TokenSequence
from omni_audio.model.text import Special, TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioCodes


def drawn_codes(model: OmniModel, num_frames: int, seed: int = 0) -> AudioCodes:
    """Codes and states of one utterance of noise."""
    generator = torch.Generator().manual_seed(seed)
    tokenizer = model.tokenizer_config
    return AudioCodes(
        torch.randint(tokenizer.semantic.num_codes, (1, num_frames), generator=generator),
        torch.randint(
            tokenizer.vq.codebook_size, (1, num_frames, tokenizer.vq.num_codebooks), generator=generator
        ),
        torch.randn(1, num_frames, model.state_width, generator=generator),
    )


def new_builder(model: OmniModel, text: TextTokenizer, **layout: object) -> SequenceBuilder:
    """An empty sequence in the model's format; `layout` are changes of it."""
    return SequenceBuilder(
        text,
        model.vocabulary,
        model.tokenizer_config.vq.num_codebooks,
        dataclasses.replace(model.config.layout, **layout),
        model.state_width,
    )


def document(
    model: OmniModel, text: TextTokenizer, num_frames: int, mode: Mode, bidirectional: bool = True
) -> TokenSequence:
    """System prompt and spoken request, up to the mode token."""
    builder = new_builder(model, text, prefix_is_bidirectional=bidirectional)
    return builder.system("be kind").user_audio(drawn_codes(model, num_frames)).assistant(mode).build()


def run(generator: Generator, slot: int) -> list[Event]:
    """Steps until this slot is done; its events only."""
    events: list[Event] = []
    while slot in generator.streams:
        events += [event for event in generator.step() if event.slot == slot]
    return events


def said_by(events: list[Event]) -> list[object]:
    """Events as comparable values."""
    return [
        tuple(e.codes_K.tolist())
        if isinstance(e, AudioFrame)
        else e.reason
        if isinstance(e, Finished)
        else e.id
        for e in events
    ]


def long_talk(model: OmniModel, text: TextTokenizer, num_turns: int, num_frames: int = 40) -> SequenceBuilder:
    """Instructions and many spoken requests with written answers."""
    builder = new_builder(model, text).system("be kind")
    for turn in range(num_turns):
        builder.user_audio(drawn_codes(model, num_frames, seed=turn)).assistant(Mode.REPLY_TEXT)
        builder.answer_text(f"answer {turn}").end()
    return builder


def prefer(wanted: Special, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the network choose this id wherever it may."""
    real = Generator._next_logits

    def bent(self: Generator, slots: list[int], hidden_BD: Tensor) -> Tensor:
        logits_BV = real(self, slots, hidden_BD).clone()
        logits_BV[:, wanted] = 1e4
        return logits_BV

    monkeypatch.setattr(Generator, "_next_logits", bent)
