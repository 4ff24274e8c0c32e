"""Big Bench Audio: a thousand spoken questions of reasoning."""

from typing import Any

from omni_audio.checks import require
from omni_audio.evaluation.bootstrap import share_interval
from omni_audio.evaluation.results import Figure, Results
from omni_audio.evaluation.suites.base import SuiteOptions, SuiteSheet, SuiteSubject, drawn, figure_name
from omni_audio.evaluation.suites.questions import Question, add_share
from omni_audio.evaluation.suites.strict_answers import said_number, said_word
from omni_audio.evaluation.suites.tables import read_rows, sound_of

YES_NO = ("yes", "no")
WORDS = {"formal_fallacies": ("valid", "invalid"), "navigate": YES_NO, "web_of_lies": YES_NO}
NUMBERS = "object_counting"
PARTS = (*WORDS, NUMBERS)
READING = "the reply's first word, or its only yes/no (valid/invalid, number)"


class BigBenchAudio:
    """Artificial Analysis 2024, after Suzgun et al. 2022, "Challenging BIG-bench tasks"."""

    sheet = SuiteSheet(
        title="Big Bench Audio",
        measures=f"share of right answers to spoken questions; read: {READING}",
        download="the dataset ArtificialAnalysis/big_bench_audio from huggingface.co, its folder data",
        layout="DIR, holding data/*.parquet, or data/*.jsonl beside the sounds that file_name names",
        licence="MIT, as its card says",
        parts=PARTS,
        default_parts=PARTS,
    )

    def __call__(self, options: SuiteOptions, subject: SuiteSubject, results: Results) -> None:
        """A share for each category, and that of all."""
        folder = options.folder / "data"
        rows = read_rows(self.sheet, folder, ("category", "official_answer"))
        right: list[bool] = []
        for part in options.parts:
            of_part = [row for row in rows if row["category"] == part]
            require(bool(of_part), f"{folder}: category {part}", 0, "at least one row", self.sheet.remedy())
            questions = [
                Question(
                    name=str(row.get("id", place)),
                    said=lambda row=row: sound_of(row, folder),
                    wanted=str(row["official_answer"]),
                    judge=self.judge(row),
                )
                for place, row in enumerate(drawn(of_part, options))
            ]
            definition = (
                f"right answers to spoken {part} of Big Bench Audio, no prompt added; read: {READING}"
            )
            right += add_share(results, subject, part, questions, definition, options.seed)
        total = share_interval([float(one) for one in right], 100.0, options.seed)
        what = f"right answers over {', '.join(options.parts)}"
        results.add(Figure.of(figure_name("all", "accuracy_percent"), total, len(right), what))

    def judge(self, row: dict[str, Any]):
        """How a reply to this row is held against its key.

        Raises:
            ValueError: the key itself cannot be read.
        """
        part, key = row["category"], str(row["official_answer"])
        due = said_number(key) if part == NUMBERS else said_word(key, WORDS[part])
        require(
            due is not None, f"official_answer of {part}", key, "an answer of its kind", self.sheet.remedy()
        )

        def judged(reply: str) -> bool | None:
            found = said_number(reply) if part == NUMBERS else said_word(reply, WORDS[part])
            return None if found is None else found == due

        return judged
