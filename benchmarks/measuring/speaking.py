"""Spoken replies without end by an untrained network: time and memory do not depend on what the weights know."""

from functools import cache

import torch

from measuring.untrained import untrained_model
from omni_audio.evaluation.streams import drawn_request, speak_without_end
from omni_audio.model.piece_decoder import PieceDecoder
from omni_audio.model.sequence import TokenSequence
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer


@cache
def small_text() -> TextTokenizer:
    """A vocabulary of next to nothing."""
    return TextTokenizer.train(["yes"], 300)


def speaking_model(preset: str) -> OmniModel:
    """An untrained network whose replies are one text id and then frames without end."""
    return speak_without_end(untrained_model(preset))


def untrained_tokenizer(model: OmniModel) -> AudioTokenizer:
    """The audio tokenizer of the network's shape, in evaluation mode."""
    torch.manual_seed(0)
    return AudioTokenizer(model.tokenizer_config).eval()


def spoken_request(model: OmniModel, num_frames: int) -> TokenSequence:
    """A request of drawn codes, up to the mode token."""
    return drawn_request(model, small_text(), num_frames)


def new_decoder(tokenizer: AudioTokenizer) -> PieceDecoder:
    """What makes the sound of one reply, at speed 1."""
    return PieceDecoder(tokenizer, small_text())
