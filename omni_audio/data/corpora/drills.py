"""Drills: fragments of requests in a new order, for hearing and, in the output voice, for speaking.

A recogniser that hears only whole requests learns the requests by heart. In a drill the next word cannot be guessed, so
that it must be heard. Drills have no answer: the semantic level hears all, the network transcribes those of other
voices and says those of its own.
"""

import random
from collections.abc import Collection, Sequence

MIN_WORDS, MAX_WORDS = 3, 9
MAX_FRAGMENT_WORDS = 3


def drill_texts(
    requests: Sequence[str],
    held_out: Collection[str],
    number: int,
    seed: str,
    words: Sequence[str] = (),
    words_share: float = 0.0,
) -> list[str]:
    """Texts of 3 to 9 words, made of fragments of 1 to 3 words from requests drawn at random, and of other words.

    Args:
        requests: of the train split, at least one.
        held_out: texts that must not come out: the requests of the other splits.
        number: how many.
        seed: the same seed gives the same texts.
        words: further words, all alike likely.
        words_share: 0..1, chance that one of these is drawn instead of a fragment.
    """
    rng = random.Random(seed)
    texts: list[str] = []
    while len(texts) < number:
        length = rng.randint(MIN_WORDS, MAX_WORDS)
        drawn: list[str] = []
        while len(drawn) < length:
            if words_share > 0 and rng.random() < words_share:
                drawn.append(rng.choice(words))
                continue
            source = rng.choice(requests).split()
            start = rng.randrange(len(source))
            drawn += source[start : start + rng.randint(1, MAX_FRAGMENT_WORDS)]
        text = " ".join(drawn[:length])
        if text not in held_out:
            texts.append(text)
    return texts
