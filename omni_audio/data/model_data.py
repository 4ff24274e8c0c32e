"""Batches for the network: each cut becomes a sequence of one of the tasks."""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lhotse import CutSet, MonoCut

from omni_audio.data.codes_cache import CodesCache
from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.data.corpora.manifests import each_cut, facts_of, is_drill, words_of
from omni_audio.data.corpora.talks import TALK
from omni_audio.data.datamodule import TaskMixConfig
from omni_audio.data.draws import draw_seed
from omni_audio.data.speech_cuts import ANSWER_FIELDS, spoken_answers
from omni_audio.model.sequence import (
    LayoutConfig,
    Mode,
    SequenceBatch,
    SequenceBuilder,
    TokenSequence,
    first_fit,
    pack,
)
from omni_audio.model.text import TextTokenizer, Vocabulary
from omni_audio.model.tool_text import append_calls, tool_call_text, tools_text

TOOL_RESULT_OK = "ok"
LENGTH_MULTIPLE, ROWS_MULTIPLE = 16, 2
"""Batches come in few shapes: see model/shapes.py."""
MIN_ROW_POSITIONS = 128
"""Short documents share a row of at least so many positions: on their own, more than half of a batch was padding."""


def corpus_texts(cuts: CutSet) -> list[str]:
    """Every kind of text the sequences of these cuts hold: what the BPE is learnt from."""
    texts = [tools_text([name]) for name in TOOLS]
    for cut in each_cut(cuts):
        facts = facts_of(cut)
        if TALK in facts:
            texts += talk_texts(facts[TALK])
            continue
        texts += [
            words_of(cut),
            facts["answer"],
            facts["plain_answer"],
            facts["tool_result"] or TOOL_RESULT_OK,
        ]
        if facts["tool_call"] is not None:
            texts.append(tool_call_text(**facts["tool_call"]))
    return texts


def talk_texts(talk: dict[str, Any]) -> list[str]:
    """Every text of the last turn of a talk, and its system text; earlier turns have cuts of their own."""
    turn = talk["turns"][-1]
    calls = [tool_call_text(**call) for call in turn["calls"]]
    return [talk["system_text"], turn["user"], *calls, *turn["results"], turn["answer"]]


def _answer_fields(facts: dict[str, Any]) -> list[str]:
    """Which answers of a cut are spoken in replies."""
    if TALK in facts:
        return ["answer"] if ANSWER_FIELDS["answer"] in facts else []
    return ["plain_answer", "answer"] if facts["tool_call"] is not None else ["plain_answer"]


def by_voice(cuts: Iterable[MonoCut], voice: str) -> tuple[list[MonoCut], list[MonoCut]]:
    """What this voice speaks, and what others do.

    Requests and drills give more speech of the output voice than the answers alone; its drills are for speaking only.
    """
    own: list[MonoCut] = []
    others: list[MonoCut] = []
    for cut in cuts:
        (own if cut.supervisions[0].speaker == voice else others).append(cut)
    return own, others


class ModelCollate:
    """Cuts -> SequenceBatch. The task of a cut is drawn by (seed, epoch, cut id) alone; a drill is transcribed.

    Beside each cut stand `tasks.typed_talks` of the talks `typed`, drawn by (seed, epoch, cut id) too.

    Mode.SAY learns from the cut's answers and, `tasks.own_voice` of the time, from `own_voice`: requests and drills in
    the voice of the answers. `word_ends` tells of these recordings when each word ends (data.alignment.align).
    """

    def __init__(
        self,
        codes: CodesCache,
        text: TextTokenizer,
        vocabulary: Vocabulary,
        layout: LayoutConfig,
        tasks: TaskMixConfig,
        seed: int,
        state_width: int,
        augmented: bool = True,
        own_voice: Sequence[MonoCut] = (),
        word_ends: Mapping[str, list[int]] | None = None,
        typed: Sequence[bytes] = (),
    ) -> None:
        self.codes, self.text, self.vocabulary, self.layout, self.tasks = (
            codes,
            text,
            vocabulary,
            layout,
            tasks,
        )
        self.seed, self.state_width, self.augmented = seed, state_width, augmented
        self.own_voice, self.word_ends, self.typed = own_voice, word_ends or {}, typed

    def __call__(self, cuts: CutSet, epoch: int) -> SequenceBatch:
        documents: list[TokenSequence] = []
        for cut in each_cut(cuts):
            rng = random.Random(draw_seed(self.seed, epoch, cut.id))
            documents.append(self.sequence(cut, rng))
            documents += self._typed(rng)
        capacity = max(MIN_ROW_POSITIONS, *(len(document) for document in documents))
        return pack(first_fit(documents, capacity), LENGTH_MULTIPLE, ROWS_MULTIPLE)

    def sequence(self, cut: MonoCut, rng: random.Random) -> TokenSequence:
        """One document of a task drawn for this cut."""
        if is_drill(cut):
            return self._transcribe(cut, rng)
        mix = self.tasks
        weights = [mix.transcribe, mix.say, mix.reply_text, mix.reply_audio]
        mode = rng.choices([Mode.TRANSCRIBE, Mode.SAY, Mode.REPLY_TEXT, Mode.REPLY_AUDIO], weights)[0]
        if mode is Mode.TRANSCRIBE:
            return self._transcribe(cut, rng)
        if mode is Mode.SAY:
            return self._say(cut, rng)
        return self._reply(cut, rng, mode)

    def _typed(self, rng: random.Random) -> list[TokenSequence]:
        """The talks without sound that stand beside a cut."""
        if not self.typed:
            return []
        number = int(self.tasks.typed_talks + rng.random())
        talks = [json.loads(self.typed[rng.randrange(len(self.typed))]) for _ in range(number)]
        return [self._talk(talk, rng, Mode.REPLY_TEXT) for talk in talks]

    def check_answers(self, cuts: CutSet) -> None:
        """Lays out everything that is spoken in these cuts once, before a training meets it at some step.

        Raises:
            ValueError: a transcript outlasts its sound, or was not aligned; the first such item is named.
        """
        if self.tasks.say > 0:
            for cut in self.own_voice:
                self._check(cut, "text", words_of(cut), cut.recording_id, self._script)
        seen: set[tuple[str, str]] = set()
        for cut in each_cut(cuts):
            facts = facts_of(cut)
            for field in _answer_fields(facts):
                key = facts[field], facts[ANSWER_FIELDS[field]].id
                if key in seen:
                    continue
                seen.add(key)
                for lay_out in (self._speech, self._script) if self.tasks.say > 0 else (self._speech,):
                    self._check(cut, field, *key, lay_out)

    def _check(self, cut: MonoCut, field: str, words: str, recording_id: str, lay_out: Callable) -> None:
        try:
            lay_out(self._builder(), words, recording_id)
        except ValueError as error:
            raise ValueError(f"item {cut.id!r}, {field} {words!r}: {error}") from error

    def _speech(self, builder: SequenceBuilder, words: str, recording_id: str) -> SequenceBuilder:
        return builder.answer_speech(words, self.codes.codes(recording_id, 0))

    def _script(self, builder: SequenceBuilder, words: str, recording_id: str) -> SequenceBuilder:
        return builder.answer_script(words, self.codes.codes(recording_id, 0), self._word_ends(recording_id))

    def _word_ends(self, recording_id: str) -> list[int]:
        if recording_id not in self.word_ends:
            raise ValueError(
                f"recording {recording_id!r} has no word_ends: expected one of {len(self.word_ends)}. Align it."
            )
        return self.word_ends[recording_id]

    def _builder(self) -> SequenceBuilder:
        return SequenceBuilder(
            self.text, self.vocabulary, self.codes.num_codebooks, self.layout, self.state_width
        )

    def _request(self, builder: SequenceBuilder, words: str, recording_id: str, rng: random.Random) -> None:
        copy = rng.randrange(self.codes.acoustic.num_copies) if self.augmented else 0
        builder.user_audio(self.codes.codes(recording_id, copy), words)

    def _transcribe(self, cut: MonoCut, rng: random.Random) -> TokenSequence:
        builder = self._builder()
        self._request(builder, words_of(cut), cut.recording_id, rng)
        return builder.assistant(Mode.TRANSCRIBE).answer_text(words_of(cut)).end().build()

    def _say(self, cut: MonoCut, rng: random.Random) -> TokenSequence:
        """A given text in the voice of the answers; where the answer is text only, the request is transcribed."""
        answers = spoken_answers(cut)
        if self.own_voice and rng.random() < self.tasks.own_voice:
            spoken = rng.choice(self.own_voice)
            words, recording_id = words_of(spoken), spoken.recording_id
        elif answers:
            words, recording = rng.choice(answers)
            recording_id = recording.id
        else:
            return self._transcribe(cut, rng)
        builder = self._builder().assistant(Mode.SAY)
        return self._script(builder, words, recording_id).end().build()

    def _reply(self, cut: MonoCut, rng: random.Random, mode: Mode) -> TokenSequence:
        facts = facts_of(cut)
        if TALK in facts:
            return self._talk(facts[TALK], rng, mode)
        call = facts["tool_call"]
        offered = self._offered(call, rng)
        builder = self._builder()
        if offered:
            builder.system(tools_text(offered))
        if rng.random() < self.tasks.text_request:
            builder.user_text(words_of(cut))
        else:
            self._request(builder, words_of(cut), cut.recording_id, rng)
        field = "plain_answer"
        if call is not None and call["name"] in offered:
            builder.assistant(mode).answer_tool_call(tool_call_text(**call)).end()
            builder.tool_result(facts["tool_result"] or TOOL_RESULT_OK)
            field = "answer"
        builder.assistant(mode)
        if mode is Mode.REPLY_TEXT:
            return builder.answer_text(facts[field]).end().build()
        return self._speech(builder, facts[field], facts[f"{field}_recording"].id).end().build()

    def _talk(self, talk: dict[str, Any], rng: random.Random, mode: Mode) -> TokenSequence:
        """A talk up to the answer of its last turn; every turn of the user is typed or spoken by itself."""
        builder = self._builder()
        if talk["system_text"]:
            builder.system(talk["system_text"])
        for turn in talk["turns"]:
            if turn["recording_id"] is None or rng.random() < self.tasks.text_request:
                builder.user_text(turn["user"])
            else:
                self._request(builder, turn["user"], turn["recording_id"], rng)
            sound = turn["answer_recording_id"] if mode is Mode.REPLY_AUDIO else None
            turn_mode = Mode.REPLY_TEXT if sound is None else mode
            calls = [tool_call_text(**call) for call in turn["calls"]]
            in_one_answer = self.tasks.parallel_calls
            append_calls(builder, turn_mode, calls, turn["results"], in_one_answer=in_one_answer)
            builder.assistant(turn_mode)
            if sound is None:
                builder.answer_text(turn["answer"]).end()
            else:
                self._speech(builder, turn["answer"], sound).end()
        return builder.build()

    def _offered(self, call: dict[str, Any] | None, rng: random.Random) -> list[str]:
        """Names of the offered tools; how many are offered says nothing of whether a call is due."""
        mix = self.tasks
        if rng.random() >= mix.tools_offered:
            return []
        number = mix.max_tools if rng.random() < mix.all_tools_offered else rng.randint(1, mix.max_tools)
        names = [name for name in TOOLS if call is None or name != call["name"]]
        rng.shuffle(names)
        if call is None or rng.random() >= mix.own_tool_offered:
            return names[:number]
        names = names[: number - 1]
        names.insert(rng.randint(0, len(names)), call["name"])
        return names
