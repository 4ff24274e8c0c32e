"""Spoken talks of the assistant domain: who says what, and the cuts of a manifest, one a turn of the user."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lhotse import MonoCut, Recording
from tqdm import tqdm

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.data.corpora.assistant.datasheet import Tally
from omni_audio.data.corpora.assistant.generate import generate_assistant_items
from omni_audio.data.corpora.assistant.item import AssistantItem, Turn
from omni_audio.data.corpora.manifests import (
    SPLITS,
    CorpusPaths,
    Drill,
    drill_cuts,
    held_out_facts,
    source_facts,
    synthetic_facts,
    whole_cut,
    write_atomic,
    write_cuts,
)
from omni_audio.data.corpora.voices import Voice
from omni_audio.plain import to_plain

TALK: Final = "talk"
"""The field of a cut that holds its talk up to and with its own turn."""


@dataclass(frozen=True, slots=True)
class RequestText:
    """What the user says in one turn, and the split that it belongs to."""

    split: str
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenTalk:
    """One talk: the voice of the user in all its turns, and the usual voice of the answers, if they are spoken."""

    item: AssistantItem
    voice: Voice
    output_voice: Voice
    is_answered_aloud: bool = True

    @property
    def requests(self) -> list[RequestText]:
        """What the user says, a turn each."""
        return [RequestText(self.item.split, turn.user) for turn in self.item.turns]

    def answer_voice(self, turn: Turn) -> Voice | None:
        """Who says the answer of a turn, at the speed that is due; None where it is text only."""
        if not (turn.answer.spoken and self.is_answered_aloud):
            return None
        voice = self.output_voice
        return voice if turn.answer.speed == 1.0 else replace(voice, speed=voice.speed * turn.answer.speed)

    def said(self) -> Iterator[tuple[Voice, str]]:
        """All that is spoken in it, in order."""
        for turn in self.item.turns:
            yield self.voice, turn.user
            voice = self.answer_voice(turn)
            if voice is not None:
                yield voice, turn.answer.text

    def cuts(self, recording_of: Callable[[Voice, str], Recording]) -> Iterator[MonoCut]:
        """One cut a turn; each holds the talk so far, so that an answer can be learnt with what led to it."""
        item, turns = self.item, []
        for number, turn in enumerate(self.item.turns):
            request = recording_of(self.voice, turn.user)
            voice = self.answer_voice(turn)
            answer = None if voice is None else recording_of(voice, turn.answer.text)
            turns.append(_facts(turn, request, answer))
            cut = whole_cut(f"{item.item_id}-{number}-{self.voice.name}", request, turn.user, self.voice.name)
            cut.custom = {
                "item_id": item.item_id,
                "template_ids": list(item.template_ids),
                "domain": item.area,
                "kind": item.kind,
                "answer": turn.answer.text,
                TALK: {"system_text": item.system_text, "tools": list(item.tools), "turns": list(turns)},
            }
            if answer is not None:
                cut.custom["answer_recording"] = answer
            yield cut


def result_text(result: dict[str, Any]) -> str:
    """How the result of a tool stands in the sequence: compact JSON."""
    return json.dumps(result, separators=(",", ":"))


def typed_talks(number: int, seed: int) -> list[bytes]:
    """Talks of the train split that nobody speaks: what stands in TALK, as JSON, which takes less memory than objects.

    Args:
        number: of talks, all distinct.
        seed: of the texts.
    """
    talks: list[bytes] = []
    for item in tqdm(
        generate_assistant_items(number, "train", seed), desc="typed talks", total=number, unit="talk"
    ):
        turns = [_facts(turn, None, None) for turn in item.turns]
        talk = {"system_text": item.system_text, "tools": list(item.tools), "turns": turns}
        talks.append(json.dumps(talk).encode())
    return talks


def _facts(turn: Turn, request: Recording | None, answer: Recording | None) -> dict[str, Any]:
    return {
        "user": turn.user,
        "recording_id": None if request is None else request.id,
        "calls": [to_plain(call) for call in turn.calls],
        "results": [result_text(result) for result in turn.results],
        "answer": turn.answer.text,
        "answer_recording_id": None if answer is None else answer.id,
    }


def write_talk_corpus(
    paths: CorpusPaths,
    config: dict[str, Any],
    digest: str,
    talks: list[SpokenTalk],
    drills: list[Drill],
    num_samples: dict[Path, int],
    recording_of: Callable[[Voice, str], Recording],
) -> None:
    """Writes the manifests, the items and, last, the datasheet `corpus.json`, which says that the corpus is complete.

    Args:
        paths: the corpus.
        config: what was asked for.
        digest: of the corpus.
        talks: of all splits.
        drills: of the train split.
        num_samples: samples of every sound file.
        recording_of: the sound of a text in a voice.
    """
    by_split = {split: [talk for talk in talks if talk.item.split == split] for split in SPLITS}
    seconds: Counter[str] = Counter()
    tally = Tally()
    items = {talk.item.item_id: talk.item for talk in talks}
    lines = []
    for item in items.values():
        tally.add(item)
        lines.append(json.dumps(item.to_json()) + "\n")
    write_atomic(paths.items, "".join(lines).encode())
    num_cuts: Counter[str] = Counter()
    for split, found in by_split.items():
        cuts = [cut for talk in found for cut in talk.cuts(recording_of)]
        num_cuts[split] = len(cuts)
        seconds[split] = round(sum(cut.duration for cut in cuts))
        write_cuts(paths.cuts(split), cuts)
    write_cuts(paths.drills, drill_cuts("drill", drills, num_samples))
    voices = {split: Counter(talk.voice.name for talk in found) for split, found in by_split.items()}
    engines = dict.fromkeys(
        [*(talk.voice.engine for talk in talks), *(talk.output_voice.engine for talk in talks)]
    )
    sheet = {
        **synthetic_facts("omni_audio talks with an assistant (synthetic)", paths, config, digest),
        "num_items": {split: len({talk.item.item_id for talk in found}) for split, found in by_split.items()},
        "num_cuts": dict(num_cuts),
        "request_hours": {split: round(total / 3600, 4) for split, total in seconds.items()},
        "hours": round(sum(num_samples.values()) / SAMPLE_RATE_HZ / 3600, 4),
        "num_drills": len(drills),
        "voices": {split: dict(found.most_common()) for split, found in voices.items()},
        "output_voice": talks[0].output_voice.name,
        "sources": source_facts(engines),
        **held_out_facts(
            config, "whole wordings and the values of open classes", "closed classes are shared"
        ),
        "texts": tally.sheet(config["seed"]),
    }
    write_atomic(paths.datasheet, (json.dumps(sheet, indent=2) + "\n").encode())
