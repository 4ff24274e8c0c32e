"""What is trained on: codes, batches as a function of (seed, step), the mixture of tasks."""

import itertools
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import lhotse.audio
import pytest
import torch
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

from omni_audio.data.codes_cache import AcousticCache, CodesCache
from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.data.datamodule import TaskMixConfig
from omni_audio.data.model_data import ModelCollate, by_voice, corpus_texts
from omni_audio.data.sampling import StepDataset, batches_of_cuts, step_loader
from omni_audio.model.sequence import LayoutConfig, SequenceBatch, SequenceBuilder
from omni_audio.model.text import Special, TextTokenizer, Vocabulary
from omni_audio.model.tool_text import tool_call_text, tools_text

NUM_SEMANTIC, NUM_CODEBOOKS, STATE_WIDTH = 16, 4, 6
VOCABULARY = Vocabulary(num_text=300, num_semantic=NUM_SEMANTIC)
CALL = {"name": next(iter(TOOLS)), "arguments": {"on": True}}


def recording(name: str, duration_s: float) -> Recording:
    source = lhotse.audio.AudioSource(type="file", channels=[0], source=f"/nowhere/{name}.flac")
    return Recording(
        id=name,
        sources=[source],
        sampling_rate=16_000,
        num_samples=int(duration_s * 16_000),
        duration=duration_s,
    )


def words_of_number(i: int) -> str:
    """Another text for each number, of letters alone."""
    return f"request {chr(ord('a') + i % 26) * (1 + i // 26)}"


def request_cut(i: int, call: dict[str, Any] | None) -> MonoCut:
    duration_s = 1.0 + (i * 7 % 10) / 10
    spoken = recording(f"request-{i}", duration_s)
    words = SupervisionSegment(
        id=f"s{i}", recording_id=spoken.id, start=0.0, duration=duration_s, text=words_of_number(i)
    )
    return MonoCut(
        id=f"cut-{i}",
        start=0.0,
        duration=duration_s,
        channel=0,
        recording=spoken,
        supervisions=[words],
        custom={
            "answer": "done",
            "plain_answer": "sorry",
            "tool_call": call,
            "tool_result": None,
            "answer_recording": recording("answer", 2.0),
            "plain_answer_recording": recording("plain", 2.0),
        },
    )


CUTS = CutSet.from_cuts([request_cut(i, CALL if i % 2 else None) for i in range(40)])


def make_cache(num_copies: int = 2) -> CodesCache:
    """Ten frames of every recording and copy, each with codes of its own."""
    generator = torch.Generator().manual_seed(0)
    keys = [f"request-{i}#{copy}" for i in range(40) for copy in range(num_copies)] + ["answer#0", "plain#0"]
    total = 10 * len(keys)
    acoustic = AcousticCache(
        torch.randint(16, (total, NUM_CODEBOOKS), generator=generator).short(),
        {key: (10 * n, 10) for n, key in enumerate(keys)},
        num_copies,
    )
    return CodesCache(
        acoustic,
        torch.randint(NUM_SEMANTIC, (total,), generator=generator).short(),
        torch.randn(total, STATE_WIDTH, generator=generator).half(),
    )


WORD_ENDS = {"answer": [10], "plain": [10]}


def collate_of(text: TextTokenizer, seed: int = 0, augmented: bool = True, **mix: float) -> ModelCollate:
    layout = LayoutConfig(interleave_text_tokens=12, interleave_frames=4)
    return ModelCollate(
        make_cache(),
        text,
        VOCABULARY,
        layout,
        TaskMixConfig(**mix),
        seed,
        STATE_WIDTH,
        augmented,
        (),
        WORD_ENDS,
    )


def test_codes_come_back(tmp_path: Path) -> None:
    cache = make_cache()
    cache.acoustic.save(tmp_path / "codes")
    cache.save(tmp_path / "semantic")
    loaded = CodesCache.load(tmp_path / "codes", tmp_path / "semantic")
    assert loaded.acoustic.index == cache.acoustic.index
    assert loaded.acoustic.copies("request-3") == [0, 1]
    assert loaded.acoustic.copies("answer") == [0]
    for key in ("request-3", "request-39"):
        for copy in (0, 1):
            ours, theirs = cache.codes(key, copy), loaded.codes(key, copy)
            assert torch.equal(ours.semantic_BF, theirs.semantic_BF)
            assert torch.equal(ours.acoustic_BFK, theirs.acoustic_BFK)
            assert ours.states_BFD is not None
            assert theirs.states_BFD is not None
            assert torch.equal(ours.states_BFD, theirs.states_BFD)
            assert ours.acoustic_BFK.shape == (1, 10, NUM_CODEBOOKS)
            assert ours.semantic_BF.dtype == torch.int64
    assert not torch.equal(cache.codes("request-3", 0).acoustic_BFK, cache.codes("request-3", 1).acoustic_BFK)
    assert sorted(path.name for path in (tmp_path / "codes").iterdir()) == ["codes.safetensors", "index.json"]


@pytest.mark.parametrize(("key", "copy"), [("nobody", 0), ("request-3", 2), ("answer", 1)])
def test_a_recording_without_codes_is_named(key: str, copy: int) -> None:
    with pytest.raises(ValueError, match=f"'{key}#{copy}' has no codes here.*Run stage codes"):
        make_cache().codes(key, copy)


def ids_of(cuts: CutSet, epoch: int) -> tuple[int, tuple[str, ...]]:
    return epoch, tuple(cut.id for cut in cuts)


@pytest.mark.parametrize("row_duration_s", [None, 1.1])
@pytest.mark.parametrize("start", [1, 7, 23])
def test_resumed_batches_are_the_tail_of_the_whole(start: int, row_duration_s: float | None) -> None:
    def run(start_step: int, num_batches: int, seed: int = 3) -> list[Any]:
        return list(StepDataset(CUTS, ids_of, 8.0, 2, seed, start_step, num_batches, row_duration_s))

    whole = run(0, 30)
    assert run(0, 30) == whole
    assert run(start, 30 - start) == whole[start:]
    assert run(0, 30, seed=4) != whole
    assert len({epoch for epoch, _ in whole}) > 2


def test_each_epoch_holds_every_cut_once_in_another_order() -> None:
    epochs: dict[int, list[str]] = {}
    for epoch, batch in itertools.takewhile(lambda found: found[0] < 3, batches_of_cuts(CUTS, 8.0, 2, 0)):
        epochs.setdefault(epoch, []).extend(cut.id for cut in batch)
        assert sum(cut.duration for cut in batch) <= 8.0
    assert all(sorted(ids) == sorted(CUTS.ids) for ids in epochs.values())
    assert len({tuple(ids) for ids in epochs.values()}) == 3


def test_batches_of_pieces_have_equally_many_rows_of_cuts_of_all_lengths() -> None:
    durations = {cut.id: cut.duration for cut in CUTS}
    batches = [ids for epoch, ids in StepDataset(CUTS, ids_of, 8.0, 2, 0, 0, 12, 1.5) if epoch == 0]
    assert all(len(ids) == 5 for ids in batches[:-1])
    assert sorted(itertools.chain(*batches)) == sorted(durations)
    long_s = sorted(durations.values())[len(durations) // 2]
    assert any(len({durations[key] < long_s for key in ids}) == 2 for ids in batches)


def test_no_cuts_and_many_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="cuts is empty"):
        StepDataset(CutSet.from_cuts([]), ids_of, 8.0, 2, 0)
    with pytest.raises(ValueError, match=r"num_workers = 2 .*0 or 1"):
        step_loader(StepDataset(CUTS, ids_of, 8.0, 2, 0), 2)


def test_a_worker_gives_the_same_batches_and_outlives_ctrl_c() -> None:
    dataset = StepDataset(CUTS, ids_of, 8.0, 2, 0, num_batches=12)
    batches: Any = iter(step_loader(dataset, 1))
    found = [next(batches)]
    for worker in batches._workers:
        os.kill(worker.pid, signal.SIGINT)
    assert [*found, *batches] == list(step_loader(dataset, 0))


def test_tasks_follow_cut_and_epoch_alone(tiny_text: TextTokenizer) -> None:
    collate = collate_of(tiny_text)
    few = CUTS.subset(first=6)

    def fields(batch: SequenceBatch) -> list[torch.Tensor]:
        return [batch.ids_BT, batch.codes_BTK, batch.target_BT]

    first = fields(collate(few, 0))
    assert all(torch.equal(a, b) for a, b in zip(first, fields(collate(few, 0)), strict=True))
    for other in (collate(few, 1), collate_of(tiny_text, seed=1)(few, 0)):
        assert not torch.equal(first[0], other.ids_BT)
    together = documents_of(collate(few, 0))
    apart = [document for cut in few for document in documents_of(collate(CutSet.from_cuts([cut]), 0))]
    assert sorted(together) == sorted(apart)


def documents_of(batch: SequenceBatch) -> list[list[int]]:
    """The ids of each document of a batch."""
    return [
        row[documents == number].tolist()
        for row, documents in zip(batch.ids_BT, batch.document_BT, strict=True)
        for number in range(int(documents.max()) + 1)
    ]


def test_short_documents_share_rows(tiny_text: TextTokenizer) -> None:
    batch = collate_of(tiny_text)(CUTS, 0)
    assert len(documents_of(batch)) == len(CUTS)
    assert batch.ids_BT.shape[0] < len(CUTS) / 2
    assert batch.ids_BT.shape[1] % 16 == 0
    for row, spans in zip(batch.ids_BT, batch.heard, strict=True):
        for span in spans:
            assert all(VOCABULARY.is_semantic(int(token)) for token in row[span.start : span.stop])
            assert int(row[span.start - 1]) == Special.AUDIO


def test_tasks_are_drawn_by_their_weights(tiny_text: TextTokenizer) -> None:
    mix = {"transcribe": 3.0, "say": 1.0, "reply_text": 0.0, "reply_audio": 1.0}
    collate = collate_of(tiny_text, **mix)
    modes = {Special.TRANSCRIBE, Special.SAY, Special.REPLY_TEXT, Special.REPLY_AUDIO}
    drawn = Counter(
        Special(mode)
        for i in range(1000)
        for mode in set(collate.sequence(CUTS[0], random.Random(i)).ids_T.tolist()) & modes
    )
    assert drawn[Special.REPLY_TEXT] == 0
    assert sum(drawn.values()) == 1000
    assert drawn[Special.TRANSCRIBE] == pytest.approx(600, abs=60)
    assert drawn[Special.SAY] == pytest.approx(200, abs=50)
    with pytest.raises(ValueError, match=r"data.tasks = .*one of them above 0"):
        TaskMixConfig(transcribe=0, say=0, reply_text=0, reply_audio=0)


def test_only_training_hears_augmented_copies(tiny_text: TextTokenizer) -> None:
    cache = make_cache()
    for augmented, wanted in ((True, 2), (False, 1)):
        collate = collate_of(tiny_text, augmented=augmented, transcribe=1, say=0, reply_text=0, reply_audio=0)
        heard = {tuple(collate.sequence(CUTS[0], random.Random(i)).codes_TK[3].tolist()) for i in range(50)}
        assert len(heard) == wanted
        assert tuple(cache.codes("request-0", 0).acoustic_BFK[0, 0].tolist()) in heard


def replies(text: TextTokenizer, cut: MonoCut, **mix: float) -> list[tuple[list[str] | None, list[int]]]:
    """(tools offered, ids) of many replies to one cut."""
    facts = {"transcribe": 0.0, "say": 0.0, "reply_text": 1.0, "reply_audio": 0.0}
    collate = collate_of(text, **{**facts, **mix})
    found = []
    for i in range(200):
        ids = collate.sequence(cut, random.Random(i)).ids_T.tolist()
        offered = None
        if Special.SYSTEM in ids:
            named = text.decode(ids[ids.index(Special.SYSTEM) + 1 : ids.index(Special.END)])
            assert named.startswith("tools: ")
            offered = named.removeprefix("tools: ").split()
        found.append((offered, ids))
    return found


def says(text: TextTokenizer, ids: list[int], words: str) -> bool:
    wanted = [*text.encode(words), Special.END]
    return ids[-len(wanted) :] == wanted


def test_a_tool_is_called_exactly_where_it_is_offered(tiny_text: TextTokenizer) -> None:
    found = replies(tiny_text, CUTS[1], tools_offered=0.7, own_tool_offered=0.6, max_tools=4)
    kinds = Counter()
    for offered, ids in found:
        own = offered is not None and CALL["name"] in offered
        kinds[None if offered is None else own] += 1
        assert (Special.TOOL_CALL in ids) == (Special.TOOL in ids) == own
        assert says(tiny_text, ids, "done" if own else "sorry")
        if offered is not None:
            assert 1 <= len(set(offered)) == len(offered) <= 4
            assert set(offered) <= set(TOOLS)
    assert min(kinds[None], kinds[True], kinds[False]) > 20


def test_a_request_without_a_tool_never_calls_one(tiny_text: TextTokenizer) -> None:
    for _, ids in replies(tiny_text, CUTS[0], tools_offered=1.0):
        assert Special.TOOL_CALL not in ids
        assert says(tiny_text, ids, "sorry")


def test_requests_are_typed_as_often_as_asked(tiny_text: TextTokenizer) -> None:
    found = replies(tiny_text, CUTS[0], tools_offered=0.0, text_request=0.25)
    typed = sum(Special.AUDIO not in ids for _, ids in found)
    assert typed == pytest.approx(50, abs=20)
    assert all(offered is None for offered, _ in found)
    assert all(Special.AUDIO in ids for _, ids in replies(tiny_text, CUTS[0], text_request=0.0))


def test_bpe_learns_from_every_kind_of_text() -> None:
    texts = corpus_texts(CutSet.from_cuts([CUTS[0], CUTS[1]]))
    assert {words_of_number(0), words_of_number(1), "done", "sorry", "ok"} <= set(texts)
    assert tool_call_text(**CALL) in texts
    assert {tools_text([name]) for name in TOOLS} <= set(texts)


def test_an_answer_whose_words_outlast_its_sound_is_named_before_training(tiny_text: TextTokenizer) -> None:
    collate = collate_of(tiny_text)
    collate.check_answers(CUTS)
    broken = request_cut(3, CALL)
    assert broken.custom is not None
    broken.custom["answer"] = "many more words than ten frames can say, " * 3
    with pytest.raises(ValueError, match=r"'cut-3', answer 'many more .*outlasts its 10 frames"):
        collate.check_answers(CutSet.from_cuts([request_cut(0, None), broken]))
    never_spoken = request_cut(3, None)
    assert never_spoken.custom is not None
    never_spoken.custom["answer"] = broken.custom["answer"]
    collate.check_answers(CutSet.from_cuts([never_spoken]))


def test_say_learns_from_answers_and_from_requests_in_the_same_voice(tiny_text: TextTokenizer) -> None:
    own = request_cut(7, None)
    own.supervisions[0].speaker = "joe"
    other = request_cut(1, None)
    assert by_voice([other, own], "joe") == ([own], [other])
    collate = collate_of(tiny_text, transcribe=0, say=1, reply_text=0, reply_audio=0)
    collate.own_voice = [own]
    collate.word_ends = {}
    with pytest.raises(ValueError, match="has no word_ends"):
        collate.sequence(CUTS[0], random.Random(0))
    collate.word_ends = {**WORD_ENDS, "request-7": [4, 10]}
    collate.tasks.own_voice = 0.4
    first = Counter(
        tuple(sequence.codes_TK[sequence.codes_TK[:, 0] >= 0][0].tolist())
        for sequence in (collate.sequence(CUTS[0], random.Random(i)) for i in range(200))
    )
    kinds = {
        tuple(make_cache().codes(name, 0).acoustic_BFK[0, 0].tolist())
        for name in ("request-7", "answer", "plain")
    }
    assert set(first) == kinds
    assert first[tuple(make_cache().codes("request-7", 0).acoustic_BFK[0, 0].tolist())] == pytest.approx(
        80, abs=25
    )


def test_each_distinct_answer_is_laid_out_once(
    tiny_text: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out: list[str] = []
    lay_out = SequenceBuilder.answer_speech

    def counted(builder: SequenceBuilder, text: str, codes: Any) -> SequenceBuilder:
        laid_out.append(text)
        return lay_out(builder, text, codes)

    monkeypatch.setattr(SequenceBuilder, "answer_speech", counted)
    collate_of(tiny_text).check_answers(CUTS)
    assert sorted(laid_out) == ["done", "sorry"]
