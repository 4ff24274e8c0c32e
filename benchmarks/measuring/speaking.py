"""Spoken replies without end by an untrained network: time and memory do not depend on what the weights know."""

import dataclasses
from functools import cache

import torch
from torch import Tensor

from measuring.untrained import untrained_model
from omni_audio.model.events import AudioFrame
from omni_audio.model.generate import Generator
from omni_audio.model.piece_decoder import PieceDecoder, decode_frames
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, SequenceBuilder, TokenSequence
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioCodes, AudioTokenizer

NEVER = 1_000_000


@cache
def small_text() -> TextTokenizer:
    """A vocabulary of next to nothing."""
    return TextTokenizer.train(["yes"], 300)


def speaking_model(preset: str) -> OmniModel:
    """An untrained network whose replies are one text id and then frames without end."""
    model = untrained_model(preset)
    model.config.layout = dataclasses.replace(
        model.config.layout, interleave_text_tokens=1, interleave_frames=NEVER
    )
    return model


def untrained_tokenizer(model: OmniModel) -> AudioTokenizer:
    """The audio tokenizer of the network's shape, in evaluation mode."""
    torch.manual_seed(0)
    return AudioTokenizer(model.tokenizer_config).eval()


def spoken_request(model: OmniModel, num_frames: int) -> TokenSequence:
    """A request of drawn codes, up to the mode token."""
    tokenizer = model.tokenizer_config
    codes = AudioCodes(
        torch.randint(tokenizer.semantic.num_codes, (1, num_frames)),
        torch.randint(tokenizer.vq.codebook_size, (1, num_frames, tokenizer.vq.num_codebooks)),
        torch.randn(1, num_frames, model.state_width),
    )
    builder = SequenceBuilder(
        small_text(),
        model.vocabulary,
        tokenizer.vq.num_codebooks,
        model.config.layout,
        model.state_width,
    )
    return builder.user_audio(codes).assistant(Mode.REPLY_AUDIO).build()


def open_reply(generator: Generator, slot: int, prompt: TokenSequence) -> None:
    """Begins a reply without end in a free slot."""
    request = GenerationRequest(mode=Mode.REPLY_AUDIO, seed=slot, max_text_tokens=2, max_frames=NEVER)
    generator.open(slot, prompt, request)


def new_decoder(tokenizer: AudioTokenizer) -> PieceDecoder:
    """What makes the sound of one reply, at speed 1."""
    return PieceDecoder(tokenizer, small_text())


def frames_of_step(generator: Generator) -> list[AudioFrame]:
    """One step of the network, without sound."""
    return [event for event in generator.step() if isinstance(event, AudioFrame)]


def sound_of_frames(decoders: dict[int, PieceDecoder], frames: list[AudioFrame]) -> dict[int, Tensor | None]:
    """The samples (S,) of each frame by slot, made as the server makes them: all frames in one pass."""
    spoken = [(decoders[frame.slot], frame) for frame in frames]
    made = zip(spoken, decode_frames(spoken), strict=True)
    return {frame.slot: decoder.push(frame, frame_BS).pcm_S for (decoder, frame), frame_BS in made}
