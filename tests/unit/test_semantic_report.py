"""Phones of eSpeak's recordings, units against phones, and the report on a tokenizer's codes."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.data.corpora.espeak_phones import SILENCE, Phone, frame_phones, phones_of_recording
from omni_audio.data.corpora.voices import speak, voice_of
from omni_audio.evaluation.codec_clips import SpeechClip, clips_of_folder
from omni_audio.evaluation.phone_units import count_pairs, unit_scores
from omni_audio.evaluation.semantic_codes import (
    CodedClip,
    LabelledClip,
    code_clip,
    label_clips,
    phone_counts,
    shuffled_counts,
)
from omni_audio.evaluation.semantic_report import (
    letters_rows,
    phone_rows,
    plot_codes,
    semantic_tables,
    summary,
    usage_rows,
)

DATA = Path(__file__).resolve().parents[1] / "data"
TEXT = "turn on the kitchen light"
FRAME_S = 0.08


def test_units_that_are_phones_are_pure():
    scores = unit_scores(count_pairs(list("aabbcc"), [7, 7, 3, 3, 9, 9]))
    assert (scores.phone_purity, scores.cluster_purity) == pytest.approx((1, 1))
    assert scores.pnmi == pytest.approx(1)
    assert (scores.num_frames, scores.num_phones, scores.num_units) == (6, 3, 3)


def test_purities_by_hand():
    # unit 0: a a b, unit 1: b
    scores = unit_scores(count_pairs(list("aabb"), [0, 0, 0, 1]))
    assert scores.phone_purity == pytest.approx(3 / 4)
    assert scores.cluster_purity == pytest.approx(3 / 4)
    left = 3 / 4 * -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert scores.pnmi == pytest.approx(1 - left / math.log(2))


def test_units_that_know_nothing_tell_nothing():
    generator = np.random.default_rng(0)
    phones, units = generator.choice(list("abcd"), 20_000).tolist(), generator.integers(0, 8, 20_000).tolist()
    assert unit_scores(count_pairs(phones, units)).pnmi < 0.01
    assert unit_scores(count_pairs(["a"] * 3, [1, 2, 3])).pnmi == 0


def test_shuffling_keeps_the_frames_and_loses_the_phones():
    counts = count_pairs(list("abcd") * 500, [0, 1, 2, 3] * 500)
    chance = shuffled_counts(counts)
    assert chance.frames_PU.sum(axis=0).tolist() == counts.frames_PU.sum(axis=0).tolist()
    assert chance.frames_PU.sum(axis=1).tolist() == counts.frames_PU.sum(axis=1).tolist()
    assert unit_scores(chance).pnmi < 0.05 < unit_scores(counts).pnmi


def test_frames_and_phones_must_fit():
    with pytest.raises(ValueError, match="one phone and one unit a frame"):
        count_pairs(["a"], [1, 2])
    with pytest.raises(ValueError, match="at least one frame"):
        count_pairs([], [])


def test_a_frame_bears_the_phone_that_covers_most_of_it():
    phones = [Phone("a", -0.02, 0.05), Phone("b", 0.05, 0.13), Phone("c", 0.13, 0.17)]
    assert frame_phones(phones, 4, FRAME_S) == ["a", "b", SILENCE, SILENCE]
    # two short pieces of one phone are more than another's longer one
    phones = [Phone("a", 0.0, 0.03), Phone("b", 0.03, 0.06), Phone("a", 0.06, 0.08)]
    assert frame_phones(phones, 1, FRAME_S) == ["a"]


def test_a_code_may_come_later_than_its_phone():
    codes_F = torch.tensor([0, 0, 1, 2])
    coded = CodedClip(SpeechClip("x", "v", None, torch.zeros(1)), codes_F, codes_F[:, None], None, None)
    clips = [LabelledClip(coded, list("aabb"))]
    assert phone_counts(clips, -1).frames_PU.tolist() == [[2, 0, 0], [0, 1, 1]]
    late = phone_counts(clips, -1, delay_frames=1)
    assert (late.phones, late.units) == (["a", "b"], [0, 1, 2])
    assert late.frames_PU.tolist() == [[1, 1, 0], [0, 0, 1]]


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    pytest.importorskip("espeakng_loader", reason="needs the extra `corpus`")
    return speak(voice_of("espeak-en-us-m1"), TEXT)


@pytest.mark.parametrize("added_samples", [0, 800])
def test_phones_lie_where_they_are_heard(recording, added_samples):
    quiet = np.zeros(added_samples, dtype=np.float32)
    pcm_S = np.concatenate([quiet, recording])
    phones = phones_of_recording(voice_of("espeak-en-us-m1"), TEXT, pcm_S)
    names = [phone.name for phone in phones if phone.name != SILENCE]
    assert names[:3] == ["t", "ɜː", "n"]
    assert (names[-3], names[-1]) == ("l", "t")
    first = next(phone for phone in phones if phone.name == "ɜː")
    vowel = pcm_S[int(first.start_s * 16000) : int(first.end_s * 16000)]
    plain = phones_of_recording(voice_of("espeak-en-us-m1"), TEXT, recording)
    moved_s = first.start_s - next(phone for phone in plain if phone.name == "ɜː").start_s
    assert moved_s == pytest.approx(added_samples / 16000, abs=0.011)
    labels = frame_phones(phones, -(-len(pcm_S) // FRAME_SAMPLES), FRAME_S)
    assert {"t", "ɜː", "n", "l"} <= set(labels)
    assert np.sqrt(np.square(vowel).mean()) > np.sqrt(np.square(pcm_S).mean())


def test_what_cannot_be_labelled_is_refused(recording):
    with pytest.raises(ValueError, match="another version of eSpeak, or says another text"):
        phones_of_recording(voice_of("espeak-en-us-m1"), "what is the weather in paris", recording)
    with pytest.raises(ValueError, match="'pico' is not allowed: expected espeak"):
        phones_of_recording(voice_of("pico-en-gb"), TEXT, recording)


def test_the_report(tiny_tokenizer, recording, tmp_path):
    spoken = SpeechClip("one", "espeak-en-us-m1", TEXT, torch.from_numpy(recording))
    pico = SpeechClip("two", "pico-en-gb", TEXT, torch.from_numpy(recording))
    silent = SpeechClip("three", "espeak-en-us-m1", None, torch.from_numpy(recording))
    people = [code_clip(tiny_tokenizer, clip) for clip in clips_of_folder(DATA, 2)]
    clips = [code_clip(tiny_tokenizer, clip) for clip in (spoken, pico, silent)]
    assert clips[2].words is None
    labelled, absent = label_clips([*clips[:2], *people], FRAME_S)
    assert [clip.coded.clip.clip_id for clip in labelled] == ["one"]
    assert "pico does not tell" in absent["pico-en-gb"]
    assert len(absent) == 2

    usage, letters = usage_rows(clips, tiny_tokenizer.config), letters_rows("all", clips)
    assert [row.codebook for row in usage] == [*(f"acoustic {k}" for k in range(1, 5)), "semantic"]
    assert {sum(row.uses) for row in usage} == {sum(len(clip.semantic_F) for clip in clips)}
    assert [(row.group, row.words.n) for row in letters] == [
        ("all", 2),
        ("espeak-en-us-m1", 1),
        ("pico-en-gb", 1),
    ]
    assert letters[0].words.value > 50  # untrained
    assert letters_rows("none", [clips[2]]) == []

    phones = phone_rows(labelled)
    line = summary(usage, letters, phones)
    assert len(line["acoustic_entropy_fractions"]) == 4
    assert line["phone_purity"] == pytest.approx(phones["semantic"].phone_purity, abs=1e-4)
    assert {
        "semantic_ctc_wer_percent",
        "semantic_ctc_cer_percent",
        "pnmi",
        "semantic_entropy_fraction",
    } <= set(line)
    assert "phone_purity" not in summary(usage, letters, {})  # not measured is absent
    assert "phone purity" in semantic_tables(usage, letters, phones)
    plot_codes(usage, phone_counts(labelled, -1), tmp_path / "codes.png")
    plot_codes(usage, None, tmp_path / "usage.png")
    assert (tmp_path / "codes.png").stat().st_size > (tmp_path / "usage.png").stat().st_size > 5000
