"""Logarithms of the probabilities of text ids, as the network gives them before anything changes them."""

from dataclasses import dataclass

from torch import Tensor

from omni_audio.model.text import TextTokenizer, Vocabulary

MAX_TOP_LOGPROBS = 20
"""Of one place in a text, at most so many ids come with their probability."""


@dataclass(frozen=True, slots=True)
class IdLogprobs:
    """Natural logarithms of probabilities at one place of a text.

    Attributes:
        logprob: of the id that stands there.
        top: the most probable text ids, best first, each with its own.
    """

    logprob: float
    top: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """The same with the UTF-8 bytes of the ids; they may end inside a letter."""

    token: bytes
    logprob: float
    top: list[tuple[bytes, float]]


def id_logprobs(logits_V: Tensor, token: int, num_top: int, vocabulary: Vocabulary) -> IdLogprobs:
    """What the network's own distribution says of the id and of the text ids that lead it.

    It is the softmax over the whole vocabulary, control ids and codes of sound included, at temperature 1, before
    the form of the answer, penalties and filters: the chosen id need not be among the best, an id among the best may be
    one that the form forbids, and the text ids alone do not sum up to 1.

    Args:
        logits_V: finite, of the whole vocabulary.
        token: the id that was chosen.
        num_top: how many of the best text ids are listed, 0 to MAX_TOP_LOGPROBS.
        vocabulary: says which ids are text.
    """
    logprobs_V = logits_V.float().log_softmax(-1)
    text = logprobs_V[vocabulary.text_start : vocabulary.semantic_start]
    best = text.topk(min(num_top, vocabulary.num_text))
    ids = (best.indices + vocabulary.text_start).tolist()
    return IdLogprobs(float(logprobs_V[token]), list(zip(ids, best.values.tolist(), strict=True)))


def token_logprobs(token: int, logprobs: IdLogprobs, text: TextTokenizer) -> TokenLogprobs:
    """The same with bytes in the place of ids."""
    top = [(text.token_bytes(other), logprob) for other, logprob in logprobs.top]
    return TokenLogprobs(text.token_bytes(token), logprobs.logprob, top)
