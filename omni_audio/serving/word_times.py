"""When the words of a spoken answer are said, as far as the order of its text and its sound tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Word:
    """A word whose end is not known yet, and the frames that were given before its first letter."""

    letters: str
    num_frames: int


@dataclass(slots=True)
class WordTimes:
    """Times of the words of one answer, whose transcript comes in runs between runs of frames.

    A word starts where the sound stood when its first letter came, and ends where it stood when the first later text
    came, or at the end of the sound. Words of one run of text thus share their times; the true ones lie inside or
    later, as the text leads the sound.

    Attributes:
        frame_ms: of the sound that is heard, milliseconds a frame; the speed counts.
    """

    frame_ms: float
    _words: list[_Word] = field(default_factory=list)
    _is_inside: bool = False
    """Whether the next letter goes on with the last word."""

    def take(self, text: str, num_frames: int) -> dict[str, Any] | None:
        """Takes further text.

        Args:
            text: of the transcript, in pieces that may end inside a word.
            num_frames: given before it.

        Returns:
            The words whose end is known by this text, as ended() has them; a word that the text goes on with is kept.
        """
        if not text:
            return None
        num_whole = len(self._words) - (self._is_inside and not text[0].isspace())
        whole, open_words = self._words[:num_whole], self._words[num_whole:]
        ended = [word for word in whole if word.num_frames < num_frames]
        self._words = [*whole[len(ended) :], *open_words]
        for letter in text:
            if letter.isspace():
                self._is_inside = False
            elif self._is_inside:
                self._words[-1].letters += letter
            else:
                self._words.append(_Word(letter, num_frames))
                self._is_inside = True
        return self._object(ended, num_frames)

    def finish(self, num_frames: int) -> dict[str, Any] | None:
        """The words that are left when the sound has this many frames."""
        ended, self._words = self._words, []
        return self._object(ended, num_frames)

    def _object(self, words: list[_Word], num_frames: int) -> dict[str, Any] | None:
        """What stands in `x_audio`; None where no word ended."""
        if not words:
            return None
        end_ms = self._ms(num_frames)
        entries = [
            {"word": word.letters, "start_ms": self._ms(word.num_frames), "end_ms": end_ms} for word in words
        ]
        return {"start_ms": entries[0]["start_ms"], "end_ms": end_ms, "words": entries}

    def _ms(self, num_frames: int) -> int:
        return round(num_frames * self.frame_ms)
