"""LibriSpeech: read English books, word error rate."""

from pathlib import Path

from omni_audio.checks import require
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.suites.base import SuiteOptions, SuiteSheet, SuiteSubject, drawn, require_part
from omni_audio.evaluation.suites.transcription import Utterance, add_wer

PARTS = ("test-clean", "test-other", "dev-clean", "dev-other")


class LibriSpeech:
    """Panayotov et al. 2015, "LibriSpeech: an ASR corpus based on public domain audio books"."""

    sheet = SuiteSheet(
        title="LibriSpeech",
        measures="WER of transcripts",
        download="test-clean.tar.gz and test-other.tar.gz from openslr.org/12",
        layout="LibriSpeech, holding test-clean/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt and the .flac files",
        licence="CC BY 4.0",
        parts=PARTS,
        default_parts=PARTS[:2],
    )

    def __call__(self, options: SuiteOptions, subject: SuiteSubject, results: Results) -> None:
        """One word error rate a part."""
        for part in options.parts:
            utterances = drawn(self.utterances(require_part(self.sheet, options.folder / part)), options)
            add_wer(results, subject, part, utterances, options.seed)

    def utterances(self, folder: Path) -> list[Utterance]:
        """All of a part, by name.

        Raises:
            ValueError: no transcripts, a line without words, or a sound is missing.
        """
        found: list[Utterance] = []
        for listing in sorted(folder.glob("*/*/*.trans.txt")):
            for line in listing.read_text(encoding="utf-8").splitlines():
                name, _, words = line.partition(" ")
                require(bool(words.strip()), str(listing), line, "an id and words", self.sheet.remedy())
                path = require_part(self.sheet, listing.parent / f"{name}.flac")
                found.append(Utterance(path=path, voice=name.partition("-")[0], words=words))
        require(bool(found), str(folder), "no *.trans.txt", "transcripts of chapters", self.sheet.remedy())
        return found
