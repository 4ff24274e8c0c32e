"""The events of a stream as pieces of an answer: words, a tool call's JSON, sound."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from omni_audio.audio.time_stretch import flush, initial_stretch_state, stretch
from omni_audio.checks import require
from omni_audio.model.events import AudioFrame, Event, Failed, Finished, FinishReason, TextToken, ToolToken
from omni_audio.model.logprobs import TokenLogprobs, token_logprobs
from omni_audio.model.text import TextTokenizer
from omni_audio.tokenizer.joint_decoding import decode_together
from omni_audio.tokenizer.tokenizer import AudioTokenizer


@dataclass(slots=True)
class Piece:
    """A bit of a streamed answer: text, a tool call's JSON, or sound; `reason` on the last.

    `logprobs` come with every text id of a request that asks for them, whether its letters are complete or not.
    `pcm_S` is empty where frames came whose samples are not complete yet.
    """

    text: str = ""
    tool: str = ""
    starts_call: bool = False
    pcm_S: Tensor | None = None
    num_frames: int = 0
    reason: FinishReason | None = None
    logprobs: TokenLogprobs | None = None


class PieceDecoder:
    """Turns the events of one stream into pieces: BPE ids to text, frames to sound, each with its own state.

    An id may end inside a letter: its bytes then wait for the next id, and are dropped where another call begins.

    Args:
        tokenizer: makes the sound.
        text: makes the words.
        speed: of the sound, 0.25..4; its memory is constant at each.

    Raises:
        ValueError: the speed is outside 0.25..4.
    """

    def __init__(self, tokenizer: AudioTokenizer, text: TextTokenizer, speed: float = 1.0) -> None:
        self.tokenizer, self.text = tokenizer, text
        self.vocoder_state = tokenizer.initial_decoder_state()
        self.stretch_state = initial_stretch_state(speed)
        self.letters = {
            kind: codecs.getincrementaldecoder("utf-8")("replace") for kind in (TextToken, ToolToken)
        }

    def push(self, event: Event, frame_BS: Tensor | None = None) -> Piece:
        """The piece of this event; the last one brings what was held back and the end of the sound.

        Args:
            event: the next of this stream.
            frame_BS: what decode_frames() gave for it, where it is a frame; None decodes the frame here.

        Raises:
            ValueError: the stream failed.
        """
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, AudioFrame):
            pcm_BS = decode_frames([(self, event)])[0] if frame_BS is None else frame_BS
            return Piece(pcm_S=self._at_speed(pcm_BS)[0], num_frames=1)
        if isinstance(event, Finished):
            tail = None
            if not self.vocoder_state.is_first:
                tail_BS = self.tokenizer.vocoder.flush(self.vocoder_state).cpu()
                tail = self._at_speed(tail_BS, is_last=True)[0]
            rest = {kind: letters.decode(b"", final=True) for kind, letters in self.letters.items()}
            return Piece(text=rest[TextToken], tool=rest[ToolToken], pcm_S=tail, reason=event.reason)
        if isinstance(event, ToolToken) and event.starts_call:
            self.letters[ToolToken].reset()
        words = self.letters[type(event)].decode(self.text.token_bytes(event.id))
        if isinstance(event, ToolToken):
            return Piece(tool=words, starts_call=event.starts_call)
        known = event.logprobs
        return Piece(
            text=words, logprobs=None if known is None else token_logprobs(event.id, known, self.text)
        )

    def _at_speed(self, pcm_BS: Tensor, is_last: bool = False) -> Tensor:
        """What further samples (1, S), in the CPU's memory, complete, (1, S'); at speed 1 they need not wait."""
        if self.stretch_state.speed == 1:
            return pcm_BS
        ready_BS, self.stretch_state = stretch(pcm_BS, self.stretch_state)
        return torch.cat([ready_BS, flush(self.stretch_state)], -1) if is_last else ready_BS


def decode_frames(spoken: Sequence[tuple[PieceDecoder, AudioFrame]]) -> list[Tensor]:
    """The vocoder's part of push(), for the frames of many streams in one pass; push() takes what it gives.

    Args:
        spoken: decoders of different streams of one tokenizer, each with the stream's next frame.

    Returns:
        (1, S) samples of each, at speed 1, in the CPU's memory.

    Raises:
        ValueError: two frames of one stream, streams of several tokenizers, or a code out of range. No stream has
            then moved on, so that each can be decoded alone.
    """
    if not spoken:
        return []
    decoders = [decoder for decoder, _ in spoken]
    tokenizer, num_streams = decoders[0].tokenizer, len(set(map(id, decoders)))
    remedy = "Decode the frames of a stream one after the other."
    require(num_streams == len(spoken), "streams", num_streams, f"{len(spoken)}, one a frame", remedy)
    num_strange = sum(decoder.tokenizer is not tokenizer for decoder in decoders)
    remedy = "Decode the streams of each tokenizer for themselves."
    require(num_strange == 0, "streams of another tokenizer", num_strange, "none", remedy)
    made = decode_together(
        tokenizer,
        [frame.codes_K for _, frame in spoken],
        [decoder.vocoder_state for decoder in decoders],
    )
    for decoder, (_, state) in zip(decoders, made, strict=True):
        decoder.vocoder_state = state
    return [pcm_BS for pcm_BS, _ in made]
