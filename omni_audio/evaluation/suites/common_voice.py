"""Common Voice: sentences read by many people on their own devices, word error rate."""

import csv
from pathlib import Path

from omni_audio.checks import require
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.suites.base import SuiteOptions, SuiteSheet, SuiteSubject, drawn, require_part
from omni_audio.evaluation.suites.transcription import Utterance, add_wer


class CommonVoice:
    """Ardila et al. 2020, "Common Voice: a massively-multilingual speech corpus"."""

    sheet = SuiteSheet(
        title="Common Voice",
        measures="WER of transcripts, English",
        download="a release of Common Voice in English from commonvoice.mozilla.org",
        layout="cv-corpus-VERSION/en, holding test.tsv and clips/*.mp3",
        licence="CC0",
        parts=("test", "dev"),
        default_parts=("test",),
    )

    def __call__(self, options: SuiteOptions, subject: SuiteSubject, results: Results) -> None:
        """One word error rate a part."""
        for part in options.parts:
            listing = require_part(self.sheet, options.folder / f"{part}.tsv")
            add_wer(
                results,
                subject,
                part,
                self.utterances(drawn(self.rows(listing), options), listing),
                options.seed,
            )

    def rows(self, listing: Path) -> list[dict[str, str]]:
        """The lines of a part.

        Raises:
            ValueError: a column is missing, or there are no lines.
        """
        with listing.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            names = reader.fieldnames or []
            for name in ("client_id", "path", "sentence"):
                require(
                    name in names, f"{listing}: columns", names, f"{name} among them", self.sheet.remedy()
                )
            found = list(reader)
        require(bool(found), str(listing), "no lines", "at least one clip", self.sheet.remedy())
        return found

    def utterances(self, rows: list[dict[str, str]], listing: Path) -> list[Utterance]:
        """The clips of lines.

        Raises:
            ValueError: a clip is missing.
        """
        clips = listing.parent / "clips"
        return [
            Utterance(
                path=require_part(self.sheet, clips / row["path"]),
                voice=row["client_id"][:12],
                words=row["sentence"],
            )
            for row in rows
        ]
