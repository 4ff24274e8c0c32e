"""Instructions that code can check: what they ask of an answer, and the checker of each kind.

Words are compared in small letters without the marks `, . ? !`, so that a comma more or less does not matter.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from omni_audio.data.corpora.assistant.facts import MEMBERS
from omni_audio.data.corpora.assistant.number_words import spell_number
from omni_audio.data.corpora.commands_slots import CorpusError


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is due, or as it was given.

    Attributes:
        text: its words; speakable where it is spoken.
        spoken: whether there is sound; False is text only.
        speed: of the sound, relative to the usual rate of speech; 1 is usual, below 1 slower.
    """

    text: str
    spoken: bool = True
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Instruction:
    """What an answer must be like.

    Attributes:
        kind: a key of `INSTRUCTION_KINDS`.
        arguments: what the checker of the kind takes.
    """

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


SLOWER, FASTER = 0.8, 1.25
"""Due speeds of slower and faster answers."""
_SLOW_ENOUGH, _FAST_ENOUGH = 0.9, 1.1
_MARKS = re.compile(r"[,.?!;:]")
_DIGITS = re.compile(r"-?\d+(\.\d+)?")


def plain_letters(text: str) -> str:
    """Small letters, apostrophes straight."""
    return text.lower().replace("\u2019", "'")


def words_of(text: str) -> list[str]:
    """The words of an answer: small letters, marks left out, apostrophes straight."""
    return _MARKS.sub(" ", plain_letters(text)).split()


def _one_word(answer: Answer) -> bool:
    return len(words_of(answer.text)) == 1


def _at_most_words(answer: Answer, number: int) -> bool:
    return 1 <= len(words_of(answer.text)) <= number


def _exactly_words(answer: Answer, number: int) -> bool:
    return len(words_of(answer.text)) == number


def _only(answer: Answer, text: str) -> bool:
    return words_of(answer.text) == words_of(text)


def _spell(answer: Answer, word: str) -> bool:
    return answer.text.lower().replace("-", " ").translate(str.maketrans(",.", "  ")).split() == list(word)


def _repeat(answer: Answer, phrase: str, times: int) -> bool:
    return words_of(answer.text) == words_of(phrase) * times


def _count(answer: Answer, start: int, stop: int, step: int) -> bool:
    numbers = range(start, stop + (1 if step > 0 else -1), step)
    return words_of(answer.text) == " ".join(map(spell_number, numbers)).split()


def _yes_or_no(answer: Answer, truth: str) -> bool:
    return words_of(answer.text) == [truth]


def _begin_with(answer: Answer, word: str) -> bool:
    return words_of(answer.text)[: len(word.split())] == word.split() and not _only(answer, word)


def _end_with(answer: Answer, word: str) -> bool:
    return words_of(answer.text)[-len(word.split()) :] == word.split() and not _only(answer, word)


def _without_word(answer: Answer, word: str) -> bool:
    return word not in words_of(answer.text) and bool(words_of(answer.text))


def _digits(answer: Answer, value: float) -> bool:
    text = answer.text.strip().rstrip(".")
    return _DIGITS.fullmatch(text) is not None and float(text) == value


def _list_of(answer: Answer, number: int, category: str) -> bool:
    if category not in MEMBERS:
        raise CorpusError("category", category, f"one of {sorted(MEMBERS)}", "name a known category")
    named = [word for word in words_of(answer.text) if word != "and"]
    return len(named) == len(set(named)) == number and set(named) <= set(MEMBERS[category])


def _in_order(answer: Answer, things: list[str]) -> bool:
    return [word for word in words_of(answer.text) if word != "and"] == sorted(things)


def _text_only(answer: Answer) -> bool:
    return not answer.spoken and bool(answer.text.strip())


def _slower(answer: Answer) -> bool:
    return answer.spoken and answer.speed <= _SLOW_ENOUGH


def _faster(answer: Answer) -> bool:
    return answer.spoken and answer.speed >= _FAST_ENOUGH


_CHECKERS: Final[dict[str, Callable[..., bool]]] = {
    "one_word": _one_word,
    "at_most_words": _at_most_words,
    "exactly_words": _exactly_words,
    "only": _only,
    "spell": _spell,
    "repeat": _repeat,
    "count": _count,
    "yes_or_no": _yes_or_no,
    "begin_with": _begin_with,
    "end_with": _end_with,
    "without_word": _without_word,
    "digits": _digits,
    "list_of": _list_of,
    "in_order": _in_order,
    "text_only": _text_only,
    "slower": _slower,
    "faster": _faster,
}
INSTRUCTION_KINDS: Final = tuple(_CHECKERS)


def check(answer: Answer, instruction: Instruction) -> bool:
    """Whether an answer complies with an instruction. It does not judge whether a fact in it is right.

    Raises:
        CorpusError: the kind of the instruction is unknown, or its arguments are not those of its kind.
    """
    if instruction.kind not in _CHECKERS:
        raise CorpusError(
            "instruction.kind", instruction.kind, f"one of {INSTRUCTION_KINDS}", "use a known kind"
        )
    try:
        return _CHECKERS[instruction.kind](answer, **instruction.arguments)
    except TypeError as error:
        raise CorpusError(
            f"arguments of {instruction.kind}",
            dict(instruction.arguments),
            "those of its checker",
            str(error),
        ) from error
