"""What suites of questions share: ask all, hold each reply against its key, add the share of right ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from tqdm import tqdm

from omni_audio.evaluation.bootstrap import share_interval
from omni_audio.evaluation.results import Figure, Results, Sample
from omni_audio.evaluation.suites.base import Request, SuiteSubject, figure_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One item.

    Attributes:
        name: its id.
        said: gives the request when it is asked: sound (S,) or text.
        wanted: the key, for the report.
        judge: reply -> whether it is right; None where it cannot be read, which counts as wrong.
        system: instructions.
    """

    name: str
    said: Callable[[], Tensor | str]
    wanted: str
    judge: Callable[[str], bool | None]
    system: str | None = None


def add_share(
    results: Results,
    subject: SuiteSubject,
    part: str,
    questions: Sequence[Question],
    definition: str,
    seed: int,
    measure: str = "accuracy_percent",
) -> list[bool]:
    """Asks and adds `PART_accuracy_percent`; returns whether each reply was right."""
    bar = tqdm(questions, desc=f"ask {part}", unit="question")
    replies = subject.reply(Request(said=one.said(), system=one.system) for one in bar)
    verdicts = [one.judge(reply.text) for one, reply in zip(questions, replies, strict=True)]
    unread = sum(verdict is None for verdict in verdicts)
    right = [bool(verdict) for verdict in verdicts]
    note = f"{definition}; {unread} replies could not be read and count as wrong"
    name = figure_name(part, measure)
    results.add(Figure.of(name, share_interval([float(one) for one in right], 100.0, seed), len(right), note))
    for one, reply, is_right in zip(questions, replies, right, strict=True):
        results.samples.append(
            Sample(
                kind=part,
                item_id=one.name,
                voice="",
                wanted=one.wanted,
                got=reply.text,
                score=0.0 if is_right else 1.0,
            )
        )
    return right
