"""BFCL: functions to be called, single turns in Python; typed, or spoken where recordings of the requests are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from omni_audio.checks import require
from omni_audio.evaluation.bootstrap import share_interval
from omni_audio.evaluation.results import Figure, Results, Sample
from omni_audio.evaluation.suites.base import (
    Request,
    SuiteOptions,
    SuiteSheet,
    SuiteSubject,
    drawn,
    figure_name,
)
from omni_audio.evaluation.suites.bfcl_match import json_schema, same_calls
from omni_audio.evaluation.suites.tables import read_jsonl, recorded_request
from omni_audio.evaluation.tools import parse_call

NO_CALL = ("irrelevance", "live_irrelevance")
PARTS = (
    "simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple", "live_irrelevance",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One request: instructions, what is asked, the functions (name -> JSON schema), the calls that are due."""

    name: str
    system: str | None
    text: str
    functions: Mapping[str, Mapping[str, Any]]
    truth: Sequence[Mapping[str, Mapping[str, Any]]]


class BFCL:
    """Patil et al. 2025, "The Berkeley function calling leaderboard"."""

    sheet = SuiteSheet(
        title="BFCL",
        measures="share of requests with exactly the calls that are due, by name and arguments; none where none is",
        download="bfcl_eval/data of berkeley-function-call-leaderboard from github.com/ShishirPatil/gorilla",
        layout="DIR, holding BFCL_v4_PART.json and possible_answer/BFCL_v4_PART.json",
        licence="Apache-2.0",
        parts=PARTS,
        default_parts=("simple_python", "multiple", "irrelevance"),
        takes_sounds=True,
    )

    def __call__(self, options: SuiteOptions, subject: SuiteSubject, results: Results) -> None:
        """A share for each part, and that of all; typed and spoken by name."""
        way = "text" if options.sounds is None else "spoken"
        right: list[bool] = []
        for part in options.parts:
            right += self._part(options, subject, results, part, way)
        total = share_interval([float(one) for one in right], 100.0, options.seed)
        what = f"{way} requests of {', '.join(options.parts)} with exactly the due calls"
        results.add(Figure.of(figure_name(way, "exact_percent"), total, len(right), what))

    def _part(
        self, options: SuiteOptions, subject: SuiteSubject, results: Results, part: str, way: str
    ) -> list[bool]:
        items = drawn(self.items(options.folder, part), options)
        bar = tqdm(items, desc=f"ask {part}", unit="request")
        sounds = options.sounds
        replies = subject.reply(
            Request(
                said=item.text if sounds is None else recorded_request(sounds, item.name),
                system=item.system,
                tools=item.functions,
            )
            for item in bar
        )
        right: list[bool] = []
        unread = 0
        for item, reply in zip(items, replies, strict=True):
            try:
                calls = [parse_call(raw) for raw in reply.raw_calls]
                right.append(same_calls(calls, item.truth))
            except ValueError:
                unread += 1
                right.append(False)
            results.samples.append(
                Sample(
                    kind=part,
                    item_id=item.name,
                    voice="",
                    wanted=str(list(item.truth)),
                    got=" ".join(reply.raw_calls) or reply.text,
                    score=0.0 if right[-1] else 1.0,
                )
            )
        what = f"{way} requests of {part} with exactly the due calls; {unread} replies held calls that do not parse, "
        what += "and count as wrong; names of functions in the prompt, their schemas hold the call"
        share = share_interval([float(one) for one in right], 100.0, options.seed)
        results.add(Figure.of(figure_name(way, part, "exact_percent"), share, len(right), what))
        return right

    def items(self, folder: Path, part: str) -> list[Item]:
        """All of a part.

        Raises:
            ValueError: a file is missing or of another form, or an item has no key.
        """
        listing = self._file(folder, part)
        truths: dict[str, Any] = {}
        if part not in NO_CALL:
            answers = read_jsonl(self._file(folder / "possible_answer", part), ("id", "ground_truth"))
            truths = {row["id"]: row["ground_truth"] for row in answers}
        found: list[Item] = []
        for row in read_jsonl(listing, ("id", "question", "function")):
            name, talk = row["id"], row["question"]
            one_turn = isinstance(talk, list) and len(talk) == 1
            require(one_turn, f"{listing}: question of {name}", talk, "one turn", self.sheet.remedy())
            known = part in NO_CALL or name in truths
            require(known, f"{listing}: id", name, "an id of possible_answer", self.sheet.remedy())
            by_role = {
                role: [one["content"] for one in talk[0] if one["role"] == role]
                for role in ("system", "user")
            }
            one_request = len(by_role["user"]) == 1
            require(
                one_request,
                f"{listing}: {name}",
                len(by_role["user"]),
                "one user message",
                self.sheet.remedy(),
            )
            found.append(
                Item(
                    name=name,
                    system="\n".join(by_role["system"]) or None,
                    text=by_role["user"][0],
                    functions={one["name"]: json_schema(one["parameters"]) for one in row["function"]},
                    truth=truths.get(name, ()),
                )
            )
        return found

    def _file(self, folder: Path, part: str) -> Path:
        names = [f"BFCL_v4_{part}.json", f"BFCL_v3_{part.removesuffix('_python')}.json"]
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        require(
            path is not None, self.sheet.title, str(folder), f"a folder with {names[0]}", self.sheet.remedy()
        )
        assert path is not None
        return path
