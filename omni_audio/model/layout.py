"""How segments lie in the stream, and when the acoustic codes of an answer's frames are said."""

from dataclasses import dataclass, field
from enum import Enum

from omni_audio.checks import require
from omni_audio.model.delays import CodeDelays
from omni_audio.model.text import Special
from omni_audio.plain import LATER

WORD_FRAMES = 10


class CodePattern(Enum):
    """How the acoustic codes of an answer's frames are said.

    depth: all of them with their frame, one after the other, by the depth decoder. delay: the stack says one of each
    codebook at every position, codebook k of the frame k frames before.
    """

    depth = "depth"
    delay = "delay"


@dataclass(kw_only=True, slots=True)
class LayoutConfig:
    """How segments lie in the stream.

    A reply interleaves the ids of its text with its frames. Mode.SAY interleaves the given words, letter by letter: the
    frames of a word stand behind the `script_lead_words` words that follow it.

    `pattern`: how the acoustic codes of an answer's frames are said; heard frames bring all of theirs.
    `max_delay_frames`: the longest delay of CodePattern.delay, with which all finer codes come; None delays each
    codebook by one frame more than the one before.
    """

    encoder_chunk: int = 32
    prefix_is_bidirectional: bool = True
    pinned_positions: int = 64
    interleave_text_tokens: int = 4
    interleave_frames: int = 4
    script_lead_words: int = 1
    pattern: CodePattern = field(default=CodePattern.depth, metadata=LATER)
    max_delay_frames: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        for name in ("encoder_chunk", "interleave_text_tokens", "interleave_frames"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"model.layout.{name} = {getattr(self, name)} is not allowed: expected at least 1."
                )
        if self.script_lead_words < 0:
            raise ValueError(
                f"model.layout.script_lead_words = {self.script_lead_words} is not allowed: expected at least 0."
            )
        if self.pinned_positions < 1:
            raise ValueError(
                f"model.layout.pinned_positions = {self.pinned_positions} is not allowed: expected at least 1, "
                "the first position is the attention sink."
            )
        if self.max_delay_frames is not None:
            name, remedy = (
                "model.layout.max_delay_frames",
                "Set model.layout.pattern=delay, or leave it null.",
            )
            is_used = self.pattern is CodePattern.delay
            require(is_used, name, self.max_delay_frames, "null where nothing is delayed", remedy)
            require(self.max_delay_frames >= 1, name, self.max_delay_frames, "at least 1", "Raise it.")

    def delays(self, num_codebooks: int) -> CodeDelays:
        """When the codes of an answer's frame are said.

        Raises:
            ValueError: `max_delay_frames` is longer than so many codebooks need.
        """
        if self.pattern is CodePattern.depth:
            return CodeDelays((0,) * num_codebooks)
        longest = num_codebooks - 1 if self.max_delay_frames is None else self.max_delay_frames
        require(
            longest < num_codebooks,
            "model.layout.max_delay_frames",
            self.max_delay_frames,
            f"less than the {num_codebooks} codebooks",
            "Lower it, or leave it null.",
        )
        return CodeDelays(tuple(min(codebook, longest) for codebook in range(num_codebooks)))

    @staticmethod
    def most_frames(word: list[int]) -> int:
        """Frames after which a given word of these letters is over; no word of the training speech comes near."""
        return WORD_FRAMES + len(word)

    def script_pieces(self, words: list[list[int]]) -> list[list[int]]:
        """Ids that are given before the frames of each word, from the letters of the words and <text_end>."""
        lead = self.script_lead_words
        words = [*words[:-1], [*words[-1], Special.TEXT_END]]
        opening = [token for word in words[: 1 + lead] for token in word]
        return [opening, *words[1 + lead :], *[[] for _ in range(min(lead, len(words) - 1))]]
