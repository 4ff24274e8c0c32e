"""Log-mel columns as what the semantic level reads: cached beside the codes, distorted in training, streamed whole."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from tiny import tiny_tokenizer_config

from omni_audio.audio.augment import Augment, AugmentConfig
from omni_audio.audio.io import save_wav
from omni_audio.audio.mel import SILENCE, LogMel, LogMelConfig
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.data.codes_cache import AcousticCache, add_semantics, make_codes
from omni_audio.data.column_augment import ColumnAugment, ColumnAugmentConfig
from omni_audio.data.tokenizer_data import SemanticCollate
from omni_audio.tokenizer.column_stem import ColumnStem
from omni_audio.tokenizer.semantic import SemanticConfig, SemanticInput
from omni_audio.tokenizer.tokenizer import AudioTokenizer, TokenizerConfig

MEL = LogMelConfig()


def tone(hz: float, num_samples: int = 8000) -> torch.Tensor:
    return 0.3 * torch.sin(2 * torch.pi * hz * torch.arange(num_samples) / SAMPLE_RATE_HZ)


def columns_of(pcm_S: torch.Tensor) -> torch.Tensor:
    """Frames (F, 8 * 80)."""
    return LogMel(MEL)(pcm_S[None])[0][0].reshape(-1, 8 * MEL.num_mels)


@pytest.fixture(scope="module")
def tokenizer() -> AudioTokenizer:
    torch.manual_seed(0)
    config = tiny_tokenizer_config()
    made = AudioTokenizer(
        replace(config, semantic=replace(config.semantic, reads=SemanticInput.columns))
    ).eval()
    for book in made.quantizer.codebooks:
        book.get_buffer("vectors").normal_()
    return made


@pytest.fixture(scope="module")
def cuts(tmp_path_factory: pytest.TempPathFactory) -> CutSet:
    """Tones of 0.5 and 0.81 s with words."""
    folder, rows = tmp_path_factory.mktemp("tones"), []
    for n, samples in enumerate((8000, 12960)):
        path = folder / f"r{n}.wav"
        save_wav(path, tone(200.0 * (n + 1), samples))
        recording = Recording.from_file(path, recording_id=f"r{n}")
        words = SupervisionSegment(f"r{n}", f"r{n}", 0.0, recording.duration, text="stop", speaker="someone")
        rows.append(MonoCut(f"r{n}", 0.0, recording.duration, 0, recording=recording, supervisions=[words]))
    return CutSet.from_cuts(rows)


def test_a_shift_is_silence_before_the_sound() -> None:
    augment = ColumnAugment(ColumnAugmentConfig(max_shift_columns=7, max_warp=0.0), MEL)
    frames_FX = columns_of(tone(300.0, 6400))
    columns_TM, shifts = frames_FX.reshape(-1, 80), set()
    for seed in range(60):
        moved_TM = augment(frames_FX, torch.Generator().manual_seed(seed)).reshape(-1, 80)
        shift = next(n for n, row in enumerate(moved_TM) if not torch.equal(row, torch.full((80,), SILENCE)))
        torch.testing.assert_close(moved_TM[shift : shift + len(columns_TM)], columns_TM)
        assert len(moved_TM) == len(columns_TM) + (8 if shift else 0)
        shifts.add(shift)
    assert shifts == set(range(8))
    assert torch.allclose(columns_of(torch.zeros(1280)), torch.tensor(SILENCE))


@pytest.mark.parametrize("warp", [-0.1, 0.1])
def test_a_warp_moves_the_pitch_of_a_tone(warp: float) -> None:
    augment = ColumnAugment(ColumnAugmentConfig(), MEL)
    plain_TM, other_TM = (columns_of(tone(hz, 6400)).reshape(-1, 80) for hz in (2000.0, 2000.0 / (1 + warp)))
    peaks = [int(TM[5:].mean(0).argmax()) for TM in (augment.warped(plain_TM, warp), other_TM, plain_TM)]
    assert abs(peaks[0] - peaks[1]) <= 1 < abs(peaks[2] - peaks[1])
    torch.testing.assert_close(augment.warped(plain_TM, 0.0), plain_TM)


@pytest.mark.parametrize("setting", [{"max_shift_columns": -1}, {"max_warp": 0.6}])
def test_a_distortion_out_of_range_is_refused(setting: dict[str, float]) -> None:
    (name,) = setting
    with pytest.raises(ValueError, match=f"data.columns.{name} = "):
        ColumnAugmentConfig(**setting)  # type: ignore[arg-type]


def test_columns_are_cached_with_the_codes_and_give_the_codes_of_the_sound(
    tokenizer: AudioTokenizer, cuts: CutSet, tmp_path: Path
) -> None:
    none = {cut.id: 0 for cut in cuts}
    make_codes(tokenizer, cuts, Augment(AugmentConfig()), none, 0, num_workers=0).save(tmp_path)
    assert AcousticCache.load(tmp_path).columns_FX is None
    cache = AcousticCache.load(tmp_path, with_columns=True)
    codes = add_semantics(tokenizer, cache)
    for cut in cuts:
        audio = cut.load_audio()
        assert audio is not None
        whole = tokenizer.encode(torch.from_numpy(audio))
        cached = codes.codes(cut.recording_id, 0)
        assert torch.equal(cached.acoustic_BFK, whole.acoustic_BFK)
        assert torch.equal(cached.semantic_BF, whole.semantic_BF)
        pcm_S = torch.from_numpy(audio[0])
        padded_S = torch.nn.functional.pad(pcm_S, (0, -len(pcm_S) % 1280))
        torch.testing.assert_close(
            cache.frames(cut.recording_id, 0), columns_of(padded_S), atol=2e-3, rtol=2e-3
        )


def test_a_batch_of_columns_is_distorted_anew_in_each_epoch(tokenizer: AudioTokenizer, cuts: CutSet) -> None:
    none = {cut.id: 0 for cut in cuts}
    cache = make_codes(tokenizer, cuts, Augment(AugmentConfig()), none, 0, num_workers=0)
    augment = ColumnAugment(ColumnAugmentConfig(), tokenizer.config.mel)
    plain = SemanticCollate(cache, 0, False)(cuts, 0)
    assert plain.frames_BFX.shape == (2, 16, 640)
    assert torch.equal(plain.frames_BFX[0, :7], cache.frames("r0", 0))
    drawn = [SemanticCollate(cache, 0, True, None, augment)(cuts, epoch) for epoch in (0, 0, 1)]
    assert torch.equal(drawn[0].frames_BFX, drawn[1].frames_BFX)
    assert not torch.equal(drawn[0].frames_BFX, drawn[2].frames_BFX)
    assert {int(batch.num_frames_B[0]) for batch in drawn} <= {7, 8}


def test_the_stem_hears_a_later_sound_as_the_same_sound() -> None:
    """Moved by whole frames the vectors are the same ones; the stem sees nothing that comes later."""
    torch.manual_seed(0)
    stem = ColumnStem(4, [6, 7, 8])
    frames_BFX = torch.randn(1, 6, 32)
    vectors_BFD, _ = stem(frames_BFX, stem.initial_state(1))
    assert vectors_BFD.shape == (1, 6, 8)
    moved_BFX = torch.cat([torch.zeros(1, 2, 32), frames_BFX], 1)
    silent, _ = stem(torch.zeros(1, 8, 32), stem.initial_state(1))
    moved_BFD, _ = stem(moved_BFX, stem.initial_state(1))
    torch.testing.assert_close(moved_BFD[:, 5:], vectors_BFD[:, 3:])
    torch.testing.assert_close(moved_BFD[:, :2], silent[:, :2])


def test_a_stem_that_does_not_fit_the_frame_is_refused() -> None:
    semantic = SemanticConfig(reads=SemanticInput.columns)
    with pytest.raises(ValueError, match=r"tokenizer.semantic.stem_widths = \[128, 192\].*\[192\] with 4"):
        TokenizerConfig(patch_mel_frames=4, semantic=semantic)
    TokenizerConfig(patch_mel_frames=4)


def test_another_semantic_level_over_the_same_sound(
    tokenizer: AudioTokenizer, tiny_tokenizer: AudioTokenizer
) -> None:
    other = AudioTokenizer(tokenizer.config).eval()
    other.take_sound(tiny_tokenizer)
    pcm_BS = tone(250.0)[None]
    codes, theirs = other.encode(pcm_BS), tiny_tokenizer.encode(pcm_BS)
    assert torch.equal(codes.acoustic_BFK, theirs.acoustic_BFK)
    assert torch.equal(other.decode(codes.acoustic_BFK), tiny_tokenizer.decode(codes.acoustic_BFK))
    assert other.fingerprint() != tiny_tokenizer.fingerprint()
