"""Probabilities of tokens on their way out: beside the words that they belong to, in the contract's form."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import orjson

from omni_audio.model.logprobs import TokenLogprobs


class HeldLogprobs:
    """Holds a token back as long as its words are held back, and drops it with them.

    A token goes out with the first of its letters; one that has none yet, as its letter is incomplete, with the next.
    """

    def __init__(self) -> None:
        self._held: deque[tuple[int, TokenLogprobs]] = deque()
        """Each behind the number of letters before it."""
        self._num_in = self._num_out = 0

    def add(self, text: str, logprobs: TokenLogprobs | None) -> None:
        """Takes the letters that came, and the token that they came of."""
        if logprobs is not None:
            self._held.append((self._num_in, logprobs))
        self._num_in += len(text)

    def release(self, num_letters: int) -> list[TokenLogprobs]:
        """The tokens of the next letters that are let out."""
        self._num_out += num_letters
        out: list[TokenLogprobs] = []
        while self._held and self._held[0][0] < self._num_out:
            out.append(self._held.popleft()[1])
        return out

    def rest(self) -> list[TokenLogprobs]:
        """All that are left, where the text ends of itself."""
        out = [logprobs for _, logprobs in self._held]
        self._held.clear()
        return out


def logprobs_object(tokens: Sequence[TokenLogprobs]) -> dict[str, Any]:
    """What stands in `choice.logprobs`."""
    return {"content": [_of_token(token) for token in tokens], "refusal": None}


class WrittenLogprobs:
    """The same of a whole answer, written token by token.

    As objects they take eight times as much memory, and to write them all at once would hold up the event loop.
    """

    def __init__(self) -> None:
        self._json = bytearray()

    def add(self, tokens: Sequence[TokenLogprobs]) -> None:
        """Takes the next tokens."""
        for token in tokens:
            self._json += b"," if self._json else b"["
            self._json += orjson.dumps(_of_token(token))

    def finish(self) -> dict[str, Any]:
        """What stands in `choice.logprobs`, for orjson; call it once, last."""
        self._json += b"]" if self._json else b"[]"
        return {"content": orjson.Fragment(bytes(self._json)), "refusal": None}


def _of_token(token: TokenLogprobs) -> dict[str, Any]:
    best = [_entry(other, logprob) for other, logprob in token.top]
    return {**_entry(token.token, token.logprob), "top_logprobs": best}


def _entry(token: bytes, logprob: float) -> dict[str, Any]:
    """`token` writes the bytes of an incomplete letter as backslash escapes."""
    return {"token": token.decode("utf-8", "backslashreplace"), "logprob": logprob, "bytes": list(token)}
