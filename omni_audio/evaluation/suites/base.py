"""What every public suite has: a sheet that says what it is, options, and a way to run."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor

from omni_audio.checks import require
from omni_audio.evaluation.judge import Judge
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.subject import TextAnswer
from omni_audio.tokenizer.tokenizer import AudioTokenizer

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteSheet:
    """What a user has to know; docs/suites.md holds the same.

    Attributes:
        title: the test set.
        measures: what is measured, and how.
        download: what to download, and from where.
        layout: what the folder must hold then.
        licence: of the data, as its makers state it; whoever downloads it checks it.
        parts: those that `suite_parts` may name; empty where there are none.
        default_parts: those that run where nothing is named.
        takes_sounds: whether `suite_sounds` may name recordings of the requests.
    """

    title: str
    measures: str
    download: str
    layout: str
    licence: str
    parts: tuple[str, ...] = ()
    default_parts: tuple[str, ...] = ()
    takes_sounds: bool = False

    def remedy(self) -> str:
        """What to do about a missing file."""
        return f"Download {self.download}, and put it so: suite_folder={self.layout}."


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteOptions:
    """What is run.

    Attributes:
        folder: of the test set.
        parts: of it; already checked against the sheet.
        num_items: of each part, drawn by the seed; None takes all.
        sounds: folder with recordings of the requests, by the ids of the items; None types them.
        num_takes: of each text that the build speaks.
        seed: of draws and bootstrap.
        load_judge: gives the independent recogniser, or None where the config names none.
    """

    folder: Path
    parts: tuple[str, ...] = ()
    num_items: int | None = None
    sounds: Path | None = None
    num_takes: int = 1
    seed: int = 0
    load_judge: Callable[[], Judge | None] = field(default=lambda: None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One question: said (S,) or typed, under instructions and tools (name -> JSON schema of the arguments)."""

    said: Tensor | str
    system: str | None = None
    tools: Mapping[str, Mapping[str, Any]] | None = None


class SuiteSubject(Protocol):
    """The build as the suites ask it. Answers come in the order of the questions."""

    def transcribe(self, requests: Iterable[Tensor]) -> list[str]:
        """The words of each (S,) samples."""
        ...

    def say(self, texts: Iterable[str], takes: int) -> list[Tensor]:
        """(S,) samples of each text; empty where it stays silent or the text cannot be spoken."""
        ...

    def reply(self, requests: Iterable[Request]) -> list[TextAnswer]:
        """Greedy answers in text; calls are JSON held to the schemas."""
        ...

    @property
    def tokenizer(self) -> AudioTokenizer:
        """Of the build."""
        ...


class Suite(Protocol):
    """A public test set."""

    sheet: SuiteSheet

    def __call__(self, options: SuiteOptions, subject: SuiteSubject, results: Results) -> None:
        """Measures, and adds figures to the results.

        Raises:
            ValueError: a file is missing or is not what it should be; the message says what to download.
        """
        ...


def require_part(sheet: SuiteSheet, path: Path) -> Path:
    """The path of a file or folder of a test set, if it is there.

    Raises:
        ValueError: it is not; the message says what to download and where to put it.
    """
    require(path.exists(), f"{sheet.title}", str(path), "a file or folder that is there", sheet.remedy())
    return path


def drawn(items: Sequence[Item], options: SuiteOptions) -> list[Item]:
    """`num_items` of them, drawn by the seed, in their order; all where it is None.

    Raises:
        ValueError: there are fewer.
    """
    num = options.num_items
    if num is None:
        return list(items)
    allowed = f"at most {len(items)}, the items of a part"
    require(1 <= num <= len(items), "suite_items", num, allowed, "Lower it, or leave it out for all.")
    places = sorted(random.Random(options.seed).sample(range(len(items)), num))
    return [items[place] for place in places]


def figure_name(*parts: str) -> str:
    """A name for results: parts joined, with nothing but letters, digits and underscores."""
    return "".join(letter if letter.isalnum() else "_" for letter in "_".join(parts)).lower()
