"""The words of an answer without the blanks around them, piece by piece, and all of them with what is known of them."""

from __future__ import annotations

import contextlib
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from omni_audio.model.logprobs import TokenLogprobs
from omni_audio.serving.pieces import AnswerPiece, EndPiece, TextPiece


@dataclass(slots=True)
class Transcript:
    """What was written down, to its end.

    Attributes:
        text: without blanks around it.
        finish_reason: "stop", or "length" where a limit cut it off.
    """

    text: str = ""
    finish_reason: str = "stop"
    _places: list[int] = field(default_factory=list)
    """Where in the text each of the tokens begins, rising."""
    _logprobs: list[float] = field(default_factory=list)

    def take(self, piece: TextPiece | EndPiece) -> None:
        """Takes the next piece of trimmed_pieces()."""
        if isinstance(piece, EndPiece):
            self.finish_reason = piece.finish_reason
            return
        self._places += [len(self.text)] * len(piece.logprobs)
        self._logprobs += [token.logprob for token in piece.logprobs]
        self.text += piece.text

    def logprobs_between(self, start_char: int, end_char: int) -> list[float]:
        """Of the tokens that some of these letters came of; none where the request did not ask for them."""
        at = bisect_right(self._places, start_char) - 1
        if at < 0:
            return []
        return self._logprobs[
            bisect_left(self._places, self._places[at]) : bisect_left(self._places, end_char)
        ]


async def trimmed_pieces(
    pieces: AsyncGenerator[AnswerPiece, None],
) -> AsyncGenerator[TextPiece | EndPiece, None]:
    """The text and the end of an answer, without the blanks before and behind the text; no text is empty.

    The tokens of blanks go with the words that follow them; those behind the last word are left out.
    """
    held, has_begun = "", False
    tokens: list[TokenLogprobs] = []
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, EndPiece):
                yield piece
            if not isinstance(piece, TextPiece):
                continue
            tokens += piece.logprobs
            text = held + piece.text
            text = text if has_begun else text.lstrip()
            part = text.rstrip()
            held = text[len(part) :]
            if part:
                has_begun = True
                yield TextPiece(part, tokens)
                tokens = []
