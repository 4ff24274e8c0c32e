"""Drills: fragments of requests in a new order, for hearing and, in the output voice, for speaking.

A recogniser that hears only whole requests learns the requests by heart. In a drill the next word cannot be guessed, so
that it must be heard. Drills have no answer: the semantic level hears all, the network transcribes those of other
voices and says those of its own.
"""

import random
from collections.abc import Collection, Sequence

MIN_WORDS, MAX_WORDS = 3, 9
MAX_FRAGMENT_WORDS = 3


def drill_texts(requests: Sequence[str], held_out: Collection[str], number: int, seed: str) -> list[str]:
    """Texts of 3 to 9 words, made of fragments of 1 to 3 words from requests drawn at random.

    Args:
        requests: of the train split, at least one.
        held_out: texts that must not come out: the requests of the other splits.
        number: how many.
        seed: the same seed gives the same texts.
    """
    rng = random.Random(seed)
    texts: list[str] = []
    while len(texts) < number:
        length = rng.randint(MIN_WORDS, MAX_WORDS)
        words: list[str] = []
        while len(words) < length:
            source = rng.choice(requests).split()
            start = rng.randrange(len(source))
            words += source[start : start + rng.randint(1, MAX_FRAGMENT_WORDS)]
        text = " ".join(words[:length])
        if text not in held_out:
            texts.append(text)
    return texts
