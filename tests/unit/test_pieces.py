"""Pieces of utterances: of one length, from all over the utterance, the same for the same seed."""

from pathlib import Path

import pytest
import soundfile
import torch
from lhotse import CutSet, Recording

from omni_audio.audio.augment import Augment, AugmentConfig
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.data.tokenizer_data import TokenizerCollate
from omni_audio.training.tokenizer_task import TokenizerLossConfig

LENGTHS = (3000, 9000, 40_000)


@pytest.fixture
def cuts(tmp_path: Path) -> CutSet:
    """A ramp in each file, so that a sample tells its place."""
    made = []
    for number, length in enumerate(LENGTHS):
        path = tmp_path / f"{number}.flac"
        soundfile.write(path, torch.linspace(0.1, 0.9, length).numpy(), 16_000, subtype="PCM_24")
        made.append(Recording.from_file(path).to_cut())
    return CutSet.from_cuts(made)


def test_pieces_have_one_length_and_come_from_everywhere(cuts: CutSet) -> None:
    collate = TokenizerCollate(None, 0, piece_frames=5)
    first = [collate(cuts, epoch).pcm_BS for epoch in range(40)]
    assert all(batch.shape == (3, 5 * FRAME_SAMPLES) for batch in first)
    assert torch.equal(first[0], collate(cuts, 0).pcm_BS)
    assert torch.equal(collate(cuts, 0).num_frames_B, torch.tensor([5, 5, 5]))
    short, long = first[0][0], torch.stack([batch[2, 0] for batch in first])
    assert torch.all(short[3000:] == 0)
    assert torch.all(short[:3000] >= 0.099)
    assert float(long.min()) < 0.2
    assert float(long.max()) > 0.6
    assert float((first[0][2] > 0).float().mean()) == 1.0


def test_faster_pieces_are_still_full(cuts: CutSet) -> None:
    fast = Augment(
        AugmentConfig(
            speed_probability=1.0,
            min_speed=1.0,
            timbre_probability=0.0,
            room_probability=0.0,
            noise_probability=0.0,
            telephone_probability=0.0,
            gain_probability=0.0,
        )
    )
    collate = TokenizerCollate(fast, 0, piece_frames=5)
    for epoch in range(20):
        assert float((collate(cuts, epoch).pcm_BS[2].abs() > 1e-3).float().mean()) > 0.99


def test_clean_targets_are_the_pieces_without_the_noise(cuts: CutSet) -> None:
    noisy = Augment(AugmentConfig(noise_probability=1.0, telephone_probability=1.0))
    clean = TokenizerCollate(noisy, 0, piece_frames=5, clean_targets=True)(cuts, 0)
    usual = TokenizerCollate(noisy, 0, piece_frames=5)(cuts, 0)
    assert torch.equal(usual.target_BS, usual.pcm_BS)
    assert torch.equal(clean.pcm_BS, usual.pcm_BS)
    assert clean.target_BS.shape == clean.pcm_BS.shape
    assert torch.all((clean.target_BS != clean.pcm_BS).any(-1))


def test_pieces_have_no_letters() -> None:
    with pytest.raises(ValueError, match=r"ctc_weight = 0.3 .*a piece has no transcript"):
        TokenizerLossConfig(whole_utterances=False)
