"""What answers cost: the tokens of their usage, at the prices of the model that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from omni_audio.checks import require
from omni_audio.model.sequence import Mode
from omni_audio.serving.settings import PriceConfig
from omni_audio.serving.stream import Stream

PER_TOKENS = 1_000_000
"""Tokens that a price is of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """Positions that were read (in) and given (out), by what they hold; audio is frames of 80 ms."""

    text_in: int
    audio_in: int
    text_out: int
    audio_out: int

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def use_of(streams: Sequence[Stream]) -> TokenUse | None:
    """What `usage` says of an answer: the prompt once, what its readers got of all choices together.

    The letters of a given text are read, not given.

    Args:
        streams: of one request, all of the same prompt.

    Returns:
        None where none of them had a slot.
    """
    served = [stream for stream in streams if stream.times.admitted_s is not None]
    if not served:
        return None
    prompt, is_given = served[0].prompt, served[0].request.mode is Mode.SAY
    num_letters = sum(map(len, served[0].request.script)) if is_given else 0
    got = [stream.delivered for stream in served]
    return TokenUse(
        text_in=len(prompt) - prompt.num_frames + num_letters,
        audio_in=prompt.num_frames,
        text_out=0 if is_given else sum(counts.text_tokens + counts.tool_tokens for counts in got),
        audio_out=sum(counts.audio_frames for counts in got),
    )


class PriceTable:
    """The prices of a server's models.

    Args:
        prices: by model id, of the build or an alias; an alias without one has the build's.
        build_id: of the build.
        model_ids: of the build and its aliases.

    Raises:
        ValueError: a price is of no model of this server.
    """

    def __init__(self, prices: Mapping[str, PriceConfig], build_id: str, model_ids: Sequence[str]) -> None:
        unknown = [name for name in prices if name not in model_ids]
        allowed = f"models of this server: {', '.join(model_ids)}"
        require(not unknown, "server.prices", unknown, allowed, "Name one of them.")
        self._prices = dict(prices)
        self._build_id = build_id

    def costs(self, model: str, use: TokenUse) -> dict[str, float] | None:
        """What each kind of token comes to, by its name in TokenUse; None where the model has no price.

        Args:
            model: the id that was asked for.
            use: the tokens.
        """
        price = self._prices.get(model, self._prices.get(self._build_id))
        if price is None:
            return None
        return {name: num * getattr(price, name) / PER_TOKENS for name, num in use.as_dict().items()}
