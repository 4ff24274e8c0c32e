"""Measures of decoded sound: the same sound is best, noise makes it worse, a delay is found."""

import importlib.util
from pathlib import Path

import pytest
import torch
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

from omni_audio.audio.io import load_audio
from omni_audio.evaluation import signal_quality
from omni_audio.evaluation.codec_clips import SpeechClip, clips_of_cuts, clips_of_folder
from omni_audio.evaluation.codec_quality import (
    Heard,
    Instruments,
    QualityRow,
    codec_row,
    hear,
    open_instruments,
    original_row,
    same_speaker_similarities,
    semantic_ctc_wer,
)
from omni_audio.evaluation.codec_report import plot_quality, quality_table
from omni_audio.evaluation.judge import JudgeKind
from omni_audio.evaluation.predicted_mos import DistillMos, Dnsmos
from omni_audio.evaluation.signal_quality import (
    align,
    find_lag_samples,
    mel_distance,
    pesq_wb,
    si_sdr_db,
    stoi,
)
from omni_audio.evaluation.speaker_similarity import SpeakerEncoder, window_starts
from omni_audio.tokenizer.codec import TokenizerCodec
from omni_audio.tokenizer.opus_baseline import OpusBaseline

DATA = Path("tests/data")


def needs(*packages: str):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed (extra bench): {missing}")


@pytest.fixture(scope="module")
def speech():
    return load_audio(DATA / "allison-vm-newpassword.flac")


def noisy(pcm_S: torch.Tensor, scale: float) -> torch.Tensor:
    return pcm_S + scale * torch.randn(pcm_S.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("measure", "best"),
    [
        pytest.param(stoi, 1.0, marks=needs("pystoi")),
        pytest.param(pesq_wb, 4.644, marks=needs("pesq")),
        (si_sdr_db, 100.0),
        (mel_distance, 0.0),
    ],
)
def test_identity_is_best_and_noise_is_worse(speech, measure, best):
    same = measure(speech, speech.clone())
    little, much = measure(speech, noisy(speech, 0.01)), measure(speech, noisy(speech, 0.1))
    assert same == pytest.approx(best, abs=1e-3)
    assert abs(same - best) < abs(little - best) < abs(much - best)


def test_si_sdr_is_the_noise_that_was_added(speech):
    noise_S = torch.randn(speech.shape, generator=torch.Generator().manual_seed(0))
    noise_S *= speech.norm() / noise_S.norm() / 10
    assert si_sdr_db(speech, 0.3 * (speech + noise_S)) == pytest.approx(20, abs=0.2)


def test_what_cannot_be_measured_is_none(speech):
    assert si_sdr_db(speech, torch.zeros_like(speech)) is None
    with pytest.raises(ValueError, match="Align the clips first"):
        mel_distance(speech, speech[1:])


@needs("pystoi", "pesq")
def test_clips_too_short_are_none(speech):
    short_S = speech[16000:19000]
    assert stoi(short_S, short_S) is None
    assert pesq_wb(short_S, short_S) is None


@pytest.mark.parametrize("lag", [-160, 0, 37, 400, 1600])
def test_a_delay_is_found_to_the_sample(lag):
    clips = [load_audio(path) for path in sorted(DATA.glob("*.flac"))[:3]]
    late = [torch.cat([torch.zeros(max(0, lag)), pcm_S[max(0, -lag) :]])[: pcm_S.numel()] for pcm_S in clips]
    late = [noisy(0.5 * pcm_S, 0.005) for pcm_S in late]
    assert find_lag_samples(clips, late) == lag
    for reference_S, decoded_S in zip(clips, late, strict=True):
        ratio = si_sdr_db(*align(reference_S, decoded_S, lag))
        assert ratio is not None
        assert ratio > 10


def test_alignment_needs_clips():
    with pytest.raises(ValueError, match="at least 1"):
        find_lag_samples([], [])
    with pytest.raises(ValueError, match="lag_samples"):
        align(torch.zeros(100), torch.zeros(100), 100)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(Dnsmos, marks=needs("speechmos", "onnxruntime")),
        pytest.param(DistillMos, marks=needs("distillmos")),
    ],
)
def test_predicted_mos_falls_with_noise(speech, make):
    mos = make()
    clean, bad = mos.score(speech), mos.score(noisy(speech, 0.1))
    assert 3 < clean < 5
    assert 1 <= bad < clean - 0.5


@needs("resemblyzer")
def test_speakers():
    encoder = SpeakerEncoder()
    first_S, second_S = (
        load_audio(DATA / f"allison-{name}.flac") for name in ("vm-newpassword", "privacy-prompt")
    )
    assert encoder.similarity(first_S, first_S) == pytest.approx(1.0, abs=1e-5)
    assert encoder.similarity(first_S, 3 * first_S) == pytest.approx(1.0, abs=0.02)
    slow_S = torch.nn.functional.interpolate(second_S[None, None], scale_factor=1.4, mode="linear")[0, 0]
    assert encoder.similarity(first_S, second_S) > encoder.similarity(first_S, slow_S) + 0.1


def test_windows_of_a_clip():
    assert window_starts(8000) == [0]
    assert window_starts(16000 * 4) == [0, 77, 154, 231]  # the last is covered by more than three quarters


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(signal_quality, "import_optional", lambda *_: pytest.fail("not asked"))
    monkeypatch.setattr("omni_audio.checks.importlib.util.find_spec", lambda name: None)
    tools = open_instruments(JudgeKind.none)
    assert set(tools.signal) == {"si_sdr_db", "mel_distance"}
    assert set(tools.absent) == {
        "stoi",
        "pesq_wb",
        "dnsmos",
        "distillmos",
        "speaker_similarity",
        "wer_percent",
    }
    assert "omni-audio[bench]" in tools.absent["pesq_wb"]
    assert "--no-deps Resemblyzer" in tools.absent["speaker_similarity"]


class Parrot:
    """A judge that hears what it was told to."""

    name = "parrot"

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def transcribe(self, clips):
        return [self.words.pop(0) for _ in clips]


def test_rows_of_codecs(tiny_tokenizer, tmp_path):
    clips = clips_of_folder(DATA, 2)
    right = [clip.text for clip in clips]
    tools = Instruments(signal={"si_sdr_db": si_sdr_db, "mel_distance": mel_distance})
    tools.judge = Parrot([*right, right[0], "", *right])
    originals = hear(clips, [clip.pcm_S for clip in clips], tools, 1)
    rows = [original_row("human", clips, originals)]
    for codec in (TokenizerCodec(tiny_tokenizer, 4), OpusBaseline(12)):
        rows.append(codec_row("human", codec, clips, originals, tools, 1))
    source, ours, opus = rows
    assert source.scores["wer_percent"].value == 0
    assert ours.scores["wer_delta_points"].value == ours.scores["wer_percent"].value > 0
    assert opus.scores["wer_delta_points"].value == 0
    assert opus.scores["si_sdr_db"].value > ours.scores["si_sdr_db"].value
    assert opus.scores["mel_distance"].n == 2
    assert "stoi" not in ours.scores  # not measured is absent
    table = quality_table(rows)
    assert "STOI" not in table
    assert "WER delta" in table
    plot_quality(rows, tmp_path / "quality.svg")
    assert (tmp_path / "quality.svg").stat().st_size > 5000
    heard = semantic_ctc_wer(tiny_tokenizer, clips)
    assert heard is not None
    assert heard.value > 50  # untrained


def test_the_level_of_one_speaker_is_that_of_two_of_its_clips():
    voices = {"a": [[1.0, 0.0], [0.6, 0.8], [0.6, 0.8]], "b": [[0.0, 1.0]]}
    order = ("a", "b", "a", "a")
    clips = [SpeechClip(str(place), voice, None, torch.zeros(1)) for place, voice in enumerate(order)]
    heard = [Heard({}, None, torch.tensor(voices[voice].pop(0))) for voice in order]
    assert same_speaker_similarities(clips, heard) == pytest.approx([0.6, 1.0])
    row = original_row("human", clips, heard)
    assert row.scores["speaker_similarity"].value == pytest.approx(0.8)
    assert row.scores["speaker_similarity"].n == 2
    assert same_speaker_similarities(clips[:2], heard[:2]) == []


def test_nothing_measured_is_no_column():
    row = QualityRow(clips="human", codec="opus", kbps=6.0, n=3)
    assert quality_table([row]).splitlines()[0].split() == [
        "|",
        "clips",
        "|",
        "codec",
        "|",
        "kbit/s",
        "|",
        "n",
        "|",
    ]


def test_clips_of_a_cuts_file(tmp_path):
    cuts = []
    for index, name in enumerate(("vm-newpassword", "privacy-prompt", "tt-weasels")):
        recording = Recording.from_file(DATA / f"allison-{name}.flac")
        supervision = SupervisionSegment(
            id=name,
            recording_id=recording.id,
            start=0,
            duration=recording.duration,
            speaker="ab"[index % 2],
            text="some words" if index else None,
            language=["en", None, "it"][index],
        )
        cuts.append(
            MonoCut(
                id=name,
                start=0,
                duration=recording.duration,
                channel=0,
                recording=recording,
                supervisions=[supervision],
            )
        )
    path = tmp_path / "cuts.jsonl.gz"
    CutSet.from_cuts(cuts).to_file(path)
    clips = clips_of_cuts(path, 10)
    assert [clip.voice for clip in clips] == ["a", "b", "a"]
    texts = {clip.clip_id: clip.text for clip in clips}
    assert texts == {"vm-newpassword": None, "privacy-prompt": "some words", "tt-weasels": None}  # Italian
    assert [clip.clip_id for clip in clips_of_cuts(path, 10, languages=["it"])] == ["tt-weasels"]
    with pytest.raises(ValueError, match="no cuts"):
        clips_of_cuts(path, 10, languages=["fr"])
    assert all(clip.pcm_S.dtype == torch.float32 and clip.pcm_S.dim() == 1 for clip in clips)
    assert [clip.clip_id for clip in clips_of_cuts(path, 2)] == [clip.clip_id for clip in clips[:2]]
