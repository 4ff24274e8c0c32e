"""Pieces of utterances: of one length, from all over the utterance, the same for the same seed."""

from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from lhotse import CutSet, Recording
from tiny import tiny_tokenizer_config

from omni_audio.audio.augment import Augment, AugmentConfig
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.config.load import load_config
from omni_audio.data.corpora.manifests import CorpusPaths
from omni_audio.data.tokenizer_data import Letters, TokenizerBatch, TokenizerCollate
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training import tokenizer_phases
from omni_audio.training.optim import TaskTrainingConfig
from omni_audio.training.tokenizer_phases import TokenizerTraining
from omni_audio.training.tokenizer_task import TokenizerLossConfig, TokenizerTask

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
    noisy = Augment(
        AugmentConfig(
            noise_probability=1.0,
            telephone_probability=1.0,
            timbre_probability=0.0,
            speed_probability=0.0,
            gain_probability=0.0,
        )
    )
    clean = TokenizerCollate(noisy, 0, piece_frames=5, clean_targets=True)(cuts, 0)
    usual = TokenizerCollate(noisy, 0, piece_frames=5)(cuts, 0)
    assert torch.equal(usual.target_BS, usual.pcm_BS)
    assert torch.equal(clean.pcm_BS, usual.pcm_BS)
    assert torch.equal(clean.target_BS, TokenizerCollate(None, 0, piece_frames=5)(cuts, 0).pcm_BS)
    assert torch.all((clean.target_BS != clean.pcm_BS).any(-1))


def test_the_decoder_is_held_to_the_target_and_not_to_what_is_heard() -> None:
    task = TokenizerTask(
        AudioTokenizer(tiny_tokenizer_config()), TokenizerLossConfig(decoded_rows=2), TaskTrainingConfig()
    )
    heard, wanted = torch.zeros(2, 20 * FRAME_SAMPLES), torch.ones(2, 20 * FRAME_SAMPLES)
    letters = Letters(torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, dtype=torch.long), ["", ""])
    pieces = task._reconstruct(TokenizerBatch(heard, wanted, torch.tensor([20, 20]), letters))
    assert torch.all(pieces.target_BS == 1)


@pytest.mark.parametrize("clean", [True, False])
def test_the_config_decides_on_clean_targets(
    clean: bool, cuts: CutSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "cuts.jsonl"
    cuts.to_file(manifest)
    config = load_config(
        [
            "experiment=tiny",
            f"data.speech_cuts={{train: [{manifest}], dev: [{manifest}], with_corpus: false}}",
            f"tokenizer_loss.clean_targets={str(clean).lower()}",
        ]
    )
    given: list[Any] = []
    monkeypatch.setattr(tokenizer_phases, "fit", lambda *args: given.append(args))
    TokenizerTraining(config, CorpusPaths.in_folder(tmp_path), tmp_path, lambda *_, **__: None).spectral()
    (_, _, _, _, (_, train), (_, dev), *_) = given[0]
    assert train.clean_targets is clean
    assert dev.augment is None


def test_pieces_have_no_letters() -> None:
    with pytest.raises(ValueError, match=r"ctc_weight = 0.3 .*a piece has no transcript"):
        TokenizerLossConfig(whole_utterances=False)
