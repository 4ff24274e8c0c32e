"""What LibriSpeech and Common Voice share: utterances with their words, and the word error rate of a part."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from omni_audio.audio.io import load_audio
from omni_audio.evaluation.results import Figure, Results, Sample
from omni_audio.evaluation.suites.base import SuiteSubject, figure_name
from omni_audio.evaluation.wer import NORMALIZER, corpus_rate_percent, count_words


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """A recording, who speaks, and the words."""

    path: Path
    voice: str
    words: str


def add_wer(
    results: Results, subject: SuiteSubject, part: str, utterances: Sequence[Utterance], seed: int
) -> None:
    """The word error rate of a part, as `PART_wer_percent`."""
    bar = tqdm(utterances, desc=f"transcribe {part}", unit="clip")
    heard = subject.transcribe(load_audio(utterance.path) for utterance in bar)
    counts = [count_words(one.words, text) for one, text in zip(utterances, heard, strict=True)]
    name = figure_name(part, "wer_percent")
    results.add(
        Figure.of(
            name,
            corpus_rate_percent(counts, seed),
            len(counts),
            f"word error rate of the build's transcripts on {part}; errors by all words; {NORMALIZER}",
        )
    )
    for one, text, count in zip(utterances, heard, counts, strict=True):
        results.samples.append(
            Sample(
                kind=part,
                item_id=one.path.stem,
                voice=one.voice,
                wanted=one.words,
                got=text,
                score=count.rate,
            )
        )
