"""Short answers read out of replies by fixed rules. What is not clear is None, and None is wrong: no guessing."""

import re
from collections.abc import Collection
from itertools import pairwise

from omni_audio.evaluation.wer import normalize

NUMBER = re.compile(r"\d+(?:\.\d+)?")
LETTER_FORMS = (
    re.compile(r"^\W*([A-Da-d])\W*$"),  # the letter alone
    re.compile(r"^\W*([A-D])[.):]"),  # "B. because ..."
    re.compile(r"\(([A-D])\)"),
    re.compile(r"\b[Aa]nswer(?: is| would be)?:? (?:option )?([A-D])\b"),
    re.compile(r"\b[Oo]ption ([A-D])\b"),
    re.compile(r"\b(?:answer is|option) ([a-d])[.!]?$"),  # "a" in the middle may be the article
)


def said_word(reply: str, words: Collection[str]) -> str | None:
    """The one of the words that the reply says: its first word, or else the only one of them that occurs.

    A word behind "not" is none of them.
    """
    found = normalize(reply).split()
    if found and found[0] in words:
        return found[0]
    said = {word for word in found if word in words}
    negated = any(before == "not" and word in said for before, word in pairwise(found))
    return said.pop() if len(said) == 1 and not negated else None


def said_number(reply: str) -> float | None:
    """The only number of the reply, in digits or words; the same number may stand there more than once."""
    found = {float(number) for number in NUMBER.findall(normalize(reply))}
    return found.pop() if len(found) == 1 else None


def said_letter(reply: str) -> str | None:
    """The only letter A to D that the reply names as its answer, upper case."""
    found = {match.upper() for form in LETTER_FORMS for match in form.findall(reply.strip())}
    return found.pop() if len(found) == 1 else None
