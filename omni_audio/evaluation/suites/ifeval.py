"""IFEval: written prompts with instructions that code can check; spoken where recordings of the prompts are given."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from omni_audio.checks import require
from omni_audio.evaluation.bootstrap import ratio_interval, share_interval
from omni_audio.evaluation.results import Figure, Results, Sample
from omni_audio.evaluation.suites.base import (
    Request,
    SuiteOptions,
    SuiteSheet,
    SuiteSubject,
    drawn,
    figure_name,
)
from omni_audio.evaluation.suites.ifeval_checks import CHECKS, LEFT_OUT, follows
from omni_audio.evaluation.suites.tables import read_jsonl, recorded_request

NAMES = ("ifeval_input_data.jsonl", "input_data.jsonl")
NEEDED = ("key", "prompt", "instruction_id_list", "kwargs")


class IFEval:
    """Zhou et al. 2023, "Instruction-following evaluation for large language models"."""

    sheet = SuiteSheet(
        title="IFEval",
        measures=f"strict share of prompts and of instructions followed, {len(CHECKS)} of "
        f"{len(CHECKS) + len(LEFT_OUT)} kinds; prompts with another kind are left out",
        download="ifeval_input_data.jsonl of the dataset google/IFEval from huggingface.co",
        layout=f"DIR, holding {NAMES[0]} (or {NAMES[1]}, as github.com/google-research has it)",
        licence="Apache-2.0",
        takes_sounds=True,
    )

    def __call__(self, options: SuiteOptions, subject: SuiteSubject, results: Results) -> None:
        """Shares of prompts and of instructions."""
        paths = [options.folder / name for name in NAMES]
        path = next(filter(Path.is_file, paths), None)
        found = str(options.folder)
        require(path is not None, self.sheet.title, found, f"a folder with {NAMES[0]}", self.sheet.remedy())
        assert path is not None
        rows = drawn(read_jsonl(path, NEEDED), options)
        sounds = options.sounds
        if sounds is None:
            add_ifeval(results, subject, "text", rows, options.seed, lambda row: row["prompt"])
        else:
            add_ifeval(
                results,
                subject,
                "spoken",
                rows,
                options.seed,
                lambda row: recorded_request(sounds, str(row["key"])),
            )


def add_ifeval(
    results: Results,
    subject: SuiteSubject,
    part: str,
    rows: Sequence[dict[str, Any]],
    seed: int,
    said: Callable[[dict[str, Any]], Tensor | str],
) -> None:
    """Asks the prompts and adds `PART_prompt_strict_percent` and `PART_instruction_strict_percent`.

    Raises:
        ValueError: a kind of instruction that IFEval does not have, or no prompt is left.
    """
    kinds = {kind for row in rows for kind in row["instruction_id_list"]}
    unknown = sorted(kinds - CHECKS.keys() - set(LEFT_OUT))
    require(not unknown, "instruction_id_list", unknown, "kinds of IFEval", "Download the file again.")
    kept = [row for row in rows if not set(row["instruction_id_list"]) & set(LEFT_OUT)]
    require(bool(kept), "prompts that can be checked", 0, "at least 1", "Draw more items.")
    bar = tqdm(kept, desc=f"ask {part}", unit="prompt")
    replies = subject.reply(Request(said=said(row)) for row in bar)
    followed: list[list[bool]] = []
    for row, reply in zip(kept, replies, strict=True):
        settings = [
            {name: value for name, value in given.items() if value is not None} for given in row["kwargs"]
        ]
        pairs = zip(row["instruction_id_list"], settings, strict=True)
        followed.append([follows(kind, reply.text, given) for kind, given in pairs])
        results.samples.append(
            Sample(
                kind=part,
                item_id=str(row.get("key", len(followed))),
                voice="",
                wanted=", ".join(row["instruction_id_list"]),
                got=reply.text,
                score=1 - sum(followed[-1]) / len(followed[-1]),
            )
        )
    note = f"strict; {len(rows) - len(kept)} of {len(rows)} prompts left out, for {', '.join(LEFT_OUT)}"
    whole = share_interval([float(all(one)) for one in followed], 100.0, seed)
    what = f"prompts all of whose instructions were followed, {note}"
    results.add(Figure.of(figure_name(part, "prompt_strict_percent"), whole, len(followed), what))
    counts = [float(sum(one)) for one in followed], [float(len(one)) for one in followed]
    what = f"instructions followed, {note}; the interval is over prompts"
    single = ratio_interval(*counts, 100.0, seed)
    name = figure_name(part, "instruction_strict_percent")
    results.add(Figure.of(name, single, int(sum(counts[1])), what))
