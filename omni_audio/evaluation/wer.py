"""Word and character error rates, counted over a corpus, with the normaliser stated.

Both sides pass through `normalize`: Whisper's English normaliser (lower case, no punctuation, contractions
spelled out, British spellings mapped, number words to digits), then clock times: `7:30` as spoken (`730`) and
`a m` / `p m` as one word. The same text therefore counts as right in digits and in words.

Source: Radford et al. 2022, appendix C (the normaliser); Morris et al. 2004 (the rates).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

from omni_audio.checks import require
from omni_audio.evaluation.bootstrap import Interval, ratio_interval

CLOCK_TIME = re.compile(r"\b(\d{1,2})[:.](\d{2})(?=\s*[ap]\.?\s?m\b)|\b(\d{1,2}):(\d{2})\b", re.IGNORECASE)
HALF_OF_DAY = re.compile(r"\b([ap]) m\b")
SIGNS = "%$£€¢"  # the signs that the English normaliser keeps as words; a lone full stop is no word
NORMALIZER = "whisper_normalizer EnglishTextNormalizer (number words to digits), clock times joined"


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Errors of one utterance against its reference, in words or in characters.

    An empty reference is counted, not skipped: it has 0 units; each unit said in its place is an insertion.
    """

    substitutions: int
    deletions: int
    insertions: int
    num_units: int

    @property
    def errors(self) -> int:
        """All three kinds together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference unit; with an empty reference, errors per one unit."""
        return self.errors / max(self.num_units, 1)


@cache
def _english() -> EnglishTextNormalizer:
    return EnglishTextNormalizer()


def normalize(text: str) -> str:
    """The form in which texts are compared; may be empty."""
    joined = CLOCK_TIME.sub(lambda found: "".join(group for group in found.groups() if group), text)
    words = HALF_OF_DAY.sub(r"\1m", _english()(joined)).split()
    return " ".join(word for word in words if any(letter.isalnum() or letter in SIGNS for letter in word))


def count_words(reference: str, hypothesis: str) -> ErrorCounts:
    """Word errors of `hypothesis` against `reference`, both normalised here."""
    return _count(normalize(reference), normalize(hypothesis), words=True)


def count_characters(reference: str, hypothesis: str) -> ErrorCounts:
    """Character errors, single spaces between words counted as characters, both sides normalised here."""
    return _count(normalize(reference), normalize(hypothesis), words=False)


def _count(reference: str, hypothesis: str, *, words: bool) -> ErrorCounts:
    reference_units = reference.split() if words else list(reference)
    hypothesis_units = hypothesis.split() if words else list(hypothesis)
    if not reference_units or not hypothesis_units:
        return ErrorCounts(0, len(reference_units), len(hypothesis_units), len(reference_units))
    output = (jiwer.process_words if words else jiwer.process_characters)(reference, hypothesis)
    return ErrorCounts(output.substitutions, output.deletions, output.insertions, len(reference_units))


def corpus_rate_percent(counts: Sequence[ErrorCounts], seed: int = 0) -> Interval:
    """100 * all errors / all reference units, with the bootstrap over utterances. May pass 100.

    Raises:
        ValueError: no utterances, or no reference holds any unit.
    """
    require(len(counts) > 0, "len(counts)", 0, "at least 1 utterance", "Leave the figure out instead.")
    return ratio_interval([c.errors for c in counts], [c.num_units for c in counts], 100.0, seed)


def wer_percent(references: Sequence[str], hypotheses: Sequence[str], seed: int = 0) -> Interval:
    """Corpus-level word error rate in percent.

    Raises:
        ValueError: unequal lengths, no utterances, or all references empty.
    """
    return corpus_rate_percent(_pairs(references, hypotheses, count_words), seed)


def cer_percent(references: Sequence[str], hypotheses: Sequence[str], seed: int = 0) -> Interval:
    """Corpus-level character error rate in percent.

    Raises:
        ValueError: unequal lengths, no utterances, or all references empty.
    """
    return corpus_rate_percent(_pairs(references, hypotheses, count_characters), seed)


def _pairs(references: Sequence[str], hypotheses: Sequence[str], count) -> list[ErrorCounts]:
    require(
        len(references) == len(hypotheses),
        "len(hypotheses)",
        len(hypotheses),
        f"{len(references)}, one per reference",
        "Give an empty string where nothing was recognised.",
    )
    return [
        count(reference, hypothesis) for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
