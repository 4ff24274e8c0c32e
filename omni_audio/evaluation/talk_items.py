"""Test talks read from a corpus of the assistant domain: what is due, and the sound of each turn of the user."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lhotse import CutSet, MonoCut
from torch import Tensor

from omni_audio.checks import require, require_file
from omni_audio.data.corpora.assistant.generate import generate_assistant_items
from omni_audio.data.corpora.assistant.item import AssistantItem
from omni_audio.data.corpora.manifests import CorpusPaths, each_cut, facts_of, words_of
from omni_audio.data.corpora.talks import TALK
from omni_audio.data.speech_cuts import pcm_of, spoken_answers
from omni_audio.evaluation.items import EvalItem

OF_SOUND = frozenset({"text_only", "slower", "faster"})
"""Instructions that a reply in text cannot be judged by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardTalk:
    """One talk in one voice; `cuts` hold the turns of the user, in order."""

    item: AssistantItem
    cuts: tuple[MonoCut, ...]

    @property
    def voice(self) -> str:
        """Who speaks."""
        return self.cuts[0].supervisions[0].speaker or ""

    def pcm(self, turn: int) -> Tensor:
        """What the user says in a turn, (S,) 16 kHz samples."""
        return pcm_of(self.cuts[turn])


def holds_talks(corpus: Path) -> bool:
    """Whether a corpus is of the assistant domain."""
    sheet = CorpusPaths.in_folder(corpus).datasheet
    return sheet.is_file() and json.loads(sheet.read_text())["config"].get("domain") == "assistant"


def load_talks(corpus: Path, split: str, num_talks: int | None, seed: int) -> list[HeardTalk]:
    """Draws talks of a split, all of them for None; for one seed the first n of a longer draw are the draw of n.

    Raises:
        ValueError: no manifest, fewer talks than asked for, or a corpus of other texts than this version's.
    """
    paths = CorpusPaths.in_folder(corpus)
    require_file("corpus manifest", paths.cuts(split))
    made = json.loads(paths.datasheet.read_text())["config"]
    texts = generate_assistant_items(made[f"num_{split}_items"], split, made["seed"])
    items = {item.item_id: item for item in texts}
    turns: dict[tuple[str, str], list[MonoCut]] = defaultdict(list)
    for cut in each_cut(CutSet.from_file(paths.cuts(split))):
        turns[facts_of(cut)["item_id"], cut.supervisions[0].speaker or ""].append(cut)
    talks = [_talk(items, item_id, cuts) for (item_id, _), cuts in sorted(turns.items())]
    require(
        num_talks is None or num_talks <= len(talks),
        "num_talks",
        num_talks,
        f"at most {len(talks)}, the talks of {paths.cuts(split)}",
        "Lower it, or make a larger corpus.",
    )
    random.Random(seed).shuffle(talks)
    return talks[:num_talks]


def judged_by_text(item: AssistantItem) -> AssistantItem:
    """The item without instructions that only sound can follow."""
    turns = tuple(
        replace(turn, instructions=tuple(one for one in turn.instructions if one.kind not in OF_SOUND))
        for turn in item.turns
    )
    return replace(item, turns=turns)


def rare_turns(item: AssistantItem) -> Counter[str]:
    """How many turns have something due that few have: an instruction that a text can follow, a refusal, a question."""
    found: Counter[str] = Counter()
    for turn in judged_by_text(item).turns:
        found += Counter(
            {"instruction": bool(turn.instructions), "refusal": turn.refuses, "question": bool(turn.asks_for)}
        )
    return found


def further_rare(talks: Sequence[HeardTalk], rest: Sequence[HeardTalk], num_turns: int) -> list[HeardTalk]:
    """Of `rest`, in order, the talks that are needed for `num_turns` rare turns of each kind, those of `talks` counted.

    There are fewer where `rest` has no more.
    """
    counts = sum((rare_turns(talk.item) for talk in talks), Counter[str]())
    found = []
    for talk in rest:
        turns = rare_turns(talk.item)
        if any(counts[kind] < num_turns for kind in turns):
            counts += turns
            found.append(talk)
    return found


def turn_items(talks: Sequence[HeardTalk], *, spoken_answer: bool = False) -> list[EvalItem]:
    """The turns of talks as single requests, as the scorers of speech and words take them.

    With `spoken_answer` only those whose answer is spoken at the usual speed.
    """
    found = []
    for talk in talks:
        for turn, cut in zip(talk.item.turns, talk.cuts, strict=True):
            is_usual = bool(spoken_answers(cut)) and turn.answer.speed == 1.0
            if spoken_answer and not is_usual:
                continue
            found.append(
                EvalItem(
                    item_id=talk.item.item_id,
                    template_id="+".join(talk.item.template_ids),
                    domain=talk.item.area,
                    voice=talk.voice,
                    request=turn.user,
                    answer=turn.answer.text,
                    plain_answer=turn.answer.text,
                    key=None,
                    cut=cut,
                )
            )
    return found


def talks_seen_in_training(corpus: Path, talks: Sequence[HeardTalk]) -> dict[str, int]:
    """How many of these talks share a voice, a wording, a request or the answer of some turn with training."""
    voices, templates, requests, answers = set(), set(), set(), set()
    for cut in each_cut(CutSet.from_file(CorpusPaths.in_folder(corpus).cuts("train"))):
        facts = facts_of(cut)
        voices.add(cut.supervisions[0].speaker)
        templates.update(facts["template_ids"])
        requests.add(words_of(cut))
        answers.add(facts["answer"])
    return {
        "items": len(talks),
        "voice": sum(talk.voice in voices for talk in talks),
        "template": sum(bool(templates & set(talk.item.template_ids)) for talk in talks),
        "request": sum(any(turn.user in requests for turn in talk.item.turns) for talk in talks),
        "answer": sum(any(turn.answer.text in answers for turn in talk.item.turns) for talk in talks),
    }


def _talk(items: dict[str, AssistantItem], item_id: str, cuts: list[MonoCut]) -> HeardTalk:
    cuts.sort(key=lambda cut: len(facts_of(cut)[TALK]["turns"]))
    said = [words_of(cut) for cut in cuts]
    due = [turn.user for turn in items[item_id].turns] if item_id in items else None
    require(said == due, f"turns of {item_id}", said, f"{due}", "Make the corpus with this version's recipe.")
    return HeardTalk(item=items[item_id], cuts=tuple(cuts))
