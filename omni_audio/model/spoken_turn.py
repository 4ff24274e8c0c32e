"""A user's turn that comes sample by sample and enters the stream encoder chunk by encoder chunk."""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.checks import require
from omni_audio.model.sequence import SequenceBuilder, TokenSequence
from omni_audio.tokenizer.tokenizer import AudioTokenizer

BEFORE_FRAMES = 3
"""Positions before the frames of a turn that a new builder makes: <bos> <user> <audio>."""


class SpokenTurn:
    """Gives the positions that SequenceBuilder.user_audio would give for the whole sound, as soon as they are whole.

    Positions wait until their encoder chunk is full, or the turn over: at most `model.layout.encoder_chunk`.
    """

    def __init__(self, tokenizer: AudioTokenizer, new_builder: Callable[[], SequenceBuilder]) -> None:
        self.tokenizer, self.new_builder = tokenizer, new_builder
        self.state = tokenizer.initial_encoder_state()
        self.layout = new_builder().layout
        self.waiting: TokenSequence | None = None
        """What was not handed out yet; None before the first frame."""

    def push(self, pcm_S: Tensor) -> TokenSequence | None:
        """Takes further samples (S,), 16 kHz; the positions that are whole now, or None.

        Raises:
            ValueError: pcm_S has another shape or dtype, or a sample is NaN or infinite.
        """
        self._hear(pcm_S)
        chunk = self.layout.encoder_chunk if self.layout.prefix_is_bidirectional else 1
        num_whole = 0 if self.waiting is None else len(self.waiting) // chunk * chunk
        return self._taken(num_whole) if num_whole > 0 else None

    def end(self) -> TokenSequence:
        """The rest of the turn; the last frame is filled with zeros.

        Raises:
            ValueError: no sound came.
        """
        self._hear(torch.zeros(-self.state.rest_BS.shape[1] % FRAME_SAMPLES))
        remedy = "Give sound before an answer is asked for."
        require(self.waiting is not None, "the spoken turn", "empty", "at least one sample", remedy)
        assert self.waiting is not None
        self.waiting = self.waiting.followed_by(self.new_builder().user_text("").build().part(-1))
        return self._taken(len(self.waiting))

    def _hear(self, pcm_S: Tensor) -> None:
        require(pcm_S.dim() == 1, "pcm_S.dim()", pcm_S.dim(), "1: (S,)", "Give one channel.")
        remedy = "Scale samples to [-1, 1]."
        require(pcm_S.is_floating_point(), "pcm_S.dtype", pcm_S.dtype, "a float dtype", remedy)
        codes, self.state = self.tokenizer.encode_stream(pcm_S.float()[None], self.state)
        if codes.semantic_BF.shape[1] > 0:
            whole = self.new_builder().user_audio(codes).build()
            if self.waiting is None:
                self.waiting = whole.part(1, -1)
            else:
                self.waiting = self.waiting.followed_by(whole.part(BEFORE_FRAMES, -1))

    def _taken(self, num_positions: int) -> TokenSequence:
        """Hands out the first positions that wait."""
        assert self.waiting is not None
        taken, self.waiting = self.waiting.part(0, num_positions), self.waiting.part(num_positions)
        if not self.layout.prefix_is_bidirectional:
            return taken
        return dataclasses.replace(taken, chunk_T=torch.arange(num_positions) // self.layout.encoder_chunk)
