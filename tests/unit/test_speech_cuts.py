"""Any lhotse cuts for the tokenizer: other rates, no words, and the fingerprint that knows them."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from tiny import tiny_tokenizer_config

from omni_audio.audio.io import save_wav
from omni_audio.data.corpora.manifests import CorpusPaths
from omni_audio.data.speech_cuts import (
    SpeechCutsConfig,
    balanced,
    kind_of,
    manifest_sources,
    pcm_of,
    spoken_cuts,
    tokenizer_cuts,
)
from omni_audio.data.tokenizer_data import TokenizerCollate, letters_of
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.optim import TaskTrainingConfig
from omni_audio.training.semantic_task import ctc_loss, ctc_wer_percent
from omni_audio.training.tokenizer_task import TokenizerLossConfig, TokenizerTask

NOWHERE = CorpusPaths.in_folder(Path("/nowhere"))


def cut_of(folder: Path, name: str, rate_hz: int, *texts: str | None) -> MonoCut:
    """Half a second of a 440 Hz tone at a rate, a supervision for each text."""
    tone_S = 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(rate_hz // 2) / rate_hz)
    save_wav(folder / f"{name}.wav", tone_S, rate_hz)
    recording = Recording.from_file(folder / f"{name}.wav", recording_id=name)
    words = [
        SupervisionSegment(id=f"{name}-{i}", recording_id=name, start=0.1 * i, duration=0.1, text=text)
        for i, text in enumerate(texts)
    ]
    return MonoCut(
        id=name, start=0.0, duration=recording.duration, channel=0, recording=recording, supervisions=words
    )


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    """Three rates; words of one cut, of a part of another, and none of the third."""
    cuts = [
        cut_of(tmp_path, "low", 8_000, "turn on", "the light"),
        cut_of(tmp_path, "same", 16_000, "half of it", None),
        cut_of(tmp_path, "high", 44_100),
    ]
    path = tmp_path / "cuts.jsonl.gz"
    CutSet.from_cuts(cuts).to_file(path)
    return str(path)


def test_rare_kinds_of_speech_come_again_under_other_ids(tmp_path: Path) -> None:
    def spoken(name: str, speaker: str, source: str | None = None) -> MonoCut:
        cut = cut_of(tmp_path, name, 16_000, "on")
        cut.supervisions[0].speaker = speaker
        cut.custom = None if source is None else {"source": source}
        return cut

    cuts = [spoken(f"e{i}", "espeak-en-us-m1") for i in range(5)]
    cuts += [spoken("k0", "kokoro-drawn-000"), spoken("k1", "kokoro-drawn-001"), spoken("a", "assistant")]
    cuts += [spoken("h", "somebody", "asterisk-es"), spoken("x", "somebody")]
    assert kind_of(spoken("f", "flite-drawn-00")) == "flite"
    assert [kind_of(cut) for cut in cuts[4:]] == [
        "espeak",
        "kokoro",
        "kokoro",
        "assistant",
        "asterisk-es",
        "other",
    ]
    even = balanced(cuts)
    assert Counter(map(kind_of, even)) == dict.fromkeys(
        ("espeak", "kokoro", "assistant", "asterisk-es", "other"), 5
    )
    assert len({cut.id for cut in even}) == len(even)
    assert Counter(cut.recording_id for cut in even if kind_of(cut) == "kokoro") == {"k0": 3, "k1": 2}
    assert {cut.recording_id for cut in even} == {cut.recording_id for cut in cuts}
    assert balanced([]) == []
    first = Counter(
        kind_of(cut)
        for cut in balanced([*cuts, *(spoken(f"f{i}", "espeak-en-us-m1") for i in range(95))])[:100]
    )
    assert min(first.values()) >= 8  # of 5 kinds with 100 cuts each: 20 expected


def test_balance_is_part_of_the_fingerprint(manifest: str) -> None:
    assert SpeechCutsConfig().is_plain
    assert not SpeechCutsConfig(is_balanced=True).is_plain
    assert SpeechCutsConfig(is_balanced=True).facts() != SpeechCutsConfig().facts()


def both(manifest: str) -> SpeechCutsConfig:
    return SpeechCutsConfig(train=[manifest], dev=[manifest], with_corpus=False)


def cuts_of(manifest: str) -> CutSet:
    return tokenizer_cuts(NOWHERE, both(manifest), "train")


def test_spoken_cuts_are_whole_recordings_with_words(tmp_path: Path, manifest: str) -> None:
    whole = cut_of(tmp_path, "whole", 16_000, "turn it on")
    part = whole.truncate(duration=0.2)
    for name, cut in (("whole", whole), ("part", part)):
        CutSet.from_cuts([cut]).to_file(tmp_path / f"{name}.jsonl")
    (found,) = spoken_cuts([str(tmp_path / "whole.jsonl")], "data.semantic_cuts")
    assert found.recording_id == "whole"
    with pytest.raises(ValueError, match="a whole recording"):
        spoken_cuts([str(tmp_path / "part.jsonl")], "data.semantic_cuts")
    with pytest.raises(ValueError, match=r"cuts\.jsonl\.gz.*in every supervision"):
        spoken_cuts([manifest], "data.semantic_cuts")
    other = tmp_path / "other"
    other.mkdir()
    CutSet.from_cuts([cut_of(other, "whole", 16_000, "off")]).to_file(other / "cuts.jsonl")
    with pytest.raises(ValueError, match="no other sound has"):
        spoken_cuts([str(tmp_path / "whole.jsonl"), str(other / "cuts.jsonl")], "data.semantic_cuts")
    with pytest.raises(ValueError, match=r"data\.semantic_cuts = .*none"):
        spoken_cuts([str(tmp_path / "none.jsonl")], "data.semantic_cuts")


def test_sources_are_those_of_the_datasheets_but_for_the_test_split(tmp_path: Path) -> None:
    sources = [{"name": "a", "split": "train"}, {"name": "b", "split": "test"}, {"name": "c"}]
    (tmp_path / "corpus.json").write_text(json.dumps({"sources": sources}))
    manifests = [str(tmp_path / f"cuts-{split}.jsonl.gz") for split in ("train", "dev")]
    assert [source["name"] for source in manifest_sources(manifests)] == ["a", "c"]
    assert manifest_sources([str(tmp_path / "elsewhere" / "cuts.jsonl")]) == []


def test_every_rate_becomes_16_khz(manifest: str) -> None:
    for cut in cuts_of(manifest):
        assert isinstance(cut, MonoCut)
        pcm_S = pcm_of(cut)
        assert abs(len(pcm_S) - 8000) <= 1
        spectrum = torch.fft.rfft(pcm_S[:8000]).abs()
        assert int(spectrum.argmax()) == 220, cut.id  # bins of 2 Hz
        assert float(pcm_S[100:-100].abs().max()) == pytest.approx(0.3, abs=0.02)


def test_words_that_are_not_all_there_are_no_words(manifest: str) -> None:
    letters = letters_of(cuts_of(manifest))
    assert letters.texts == ["turn on the light", "", ""]
    assert letters.rows_with_words == [0]
    assert letters.lengths_B.tolist() == [17, 0, 0]


@pytest.mark.parametrize("text", ["сферы разума", "größer", "42", "", None])
def test_words_of_another_alphabet_are_no_words(tmp_path: Path, text: str | None) -> None:
    cuts = [cut_of(tmp_path, "own", 16_000, "it's on, 42"), cut_of(tmp_path, "other", 16_000, text)]
    assert letters_of(CutSet.from_cuts(cuts)).texts == ["it's on", ""]


def test_rows_without_words_count_for_nothing(manifest: str) -> None:
    torch.manual_seed(0)
    tokenizer = AudioTokenizer(tiny_tokenizer_config())
    cuts = cuts_of(manifest)
    values_BFL = torch.randint(-1, 2, (3, 12, 2)).float()
    num_frames_B = torch.tensor([12, 10, 8])
    alone = letters_of(cuts.subset(first=1))
    mixed = letters_of(cuts)
    assert torch.equal(
        ctc_loss(tokenizer, values_BFL, num_frames_B, mixed),
        ctc_loss(tokenizer, values_BFL[:1], num_frames_B[:1], alone),
    )
    acoustic_BFK = torch.randint(16, (3, 12, 4))
    assert ctc_wer_percent(tokenizer, acoustic_BFK, num_frames_B, mixed) == ctc_wer_percent(
        tokenizer, acoustic_BFK[:1], num_frames_B[:1], alone
    )


def test_a_batch_without_words_has_no_letter_loss_and_every_gradient(manifest: str) -> None:
    torch.manual_seed(0)
    task = TokenizerTask(
        AudioTokenizer(tiny_tokenizer_config()), TokenizerLossConfig(), TaskTrainingConfig()
    ).train()
    batch = TokenizerCollate(None, 0)(cuts_of(manifest).subset(last=2), 0)
    losses, codes_NK = task._losses(batch)
    assert float(losses["ctc"].detach()) == 0.0
    assert codes_NK.shape == (int(batch.num_frames_B.sum()), 4)
    torch.stack(list(losses.values())).sum().backward()
    assert [n for n, p in task.named_parameters() if p.requires_grad and p.grad is None] == []
    assert not any(bool(p.grad.any()) for p in task.tokenizer.semantic.parameters() if p.grad is not None)


def test_the_facts_know_what_stands_in_a_manifest(manifest: str) -> None:
    path, facts = Path(manifest), both(manifest).facts()
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(text, 1, mtime=1))
    assert both(manifest).facts() == facts  # packed anew, the same
    path.write_bytes(gzip.compress(text.replace(b"turn on", b"turn of")))
    assert both(manifest).facts() != facts
    json.dumps(facts)


def test_a_manifest_that_cannot_be_used_is_named(tmp_path: Path, manifest: str) -> None:
    missing = str(tmp_path / "none.jsonl")
    with pytest.raises(
        ValueError, match=r"data.speech_cuts = .*none.jsonl.* is not allowed: expected an existing"
    ):
        both(missing).facts()
    cut = next(iter(cuts_of(manifest)))
    mixed = tmp_path / "mixed.jsonl"
    CutSet.from_cuts([cut.pad(2.0)]).to_file(mixed)
    with pytest.raises(ValueError, match=r"cut .* of .*mixed.jsonl = 'MixedCut' .*MonoCut with a recording"):
        cuts_of(str(mixed))
