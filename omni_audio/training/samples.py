"""Sounds of the dev split, as they were and as the tokenizer decodes them: files to look at and to listen to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from lhotse import CutSet
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from omni_audio.audio.io import save_wav
from omni_audio.audio.spectrogram import spectrogram_png
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require_positive, require_range
from omni_audio.data.corpora.manifests import each_cut
from omni_audio.data.speech_cuts import pcm_of
from omni_audio.tokenizer.tokenizer import AudioTokenizer

SAMPLES = "samples"


@dataclass(kw_only=True, slots=True)
class SamplesConfig:
    """How many dev clips each validation decodes to files (0: none), and the most that is taken of each, seconds."""

    num_clips: int = 3
    max_clip_s: float = 6.0

    def __post_init__(self) -> None:
        require_range("tokenizer_samples.num_clips", self.num_clips, 0, 100)
        require_positive("tokenizer_samples.max_clip_s", self.max_clip_s)


def sample_clips(cuts: CutSet, config: SamplesConfig) -> list[Tensor]:
    """The beginnings of a few cuts, evenly over the set, so that several voices are among them: (S,) samples each."""
    every = list(each_cut(cuts))
    number = min(config.num_clips, len(every))
    longest = round(config.max_clip_s * SAMPLE_RATE_HZ)
    return [pcm_of(every[i * len(every) // number])[:longest] for i in range(number)]


class DecodedSamples(Callback):
    """At each validation writes `samples/step-…/clip-i.wav` and `.png`, original above decoded.

    The originals are written once, into `samples/original`, when the training starts.

    Args:
        tokenizer: whose sound it is.
        folder: of the stage.
        clips: (S,) 16 kHz samples each.
    """

    def __init__(self, tokenizer: AudioTokenizer, folder: Path, clips: list[Tensor]) -> None:
        self.tokenizer, self.folder, self.clips = tokenizer, folder / SAMPLES, clips

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.is_global_zero:
            self._write("original", self.clips)

    def on_validation_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Inside validation, where the averaged weights are in place if there are any."""
        if not trainer.is_global_zero:
            return
        decoded = [self._decoded(pcm_S) for pcm_S in self.clips]
        folder = self._write(f"step-{trainer.global_step:07d}", decoded)
        for i, pair in enumerate(zip(self.clips, decoded, strict=True)):
            (folder / f"clip-{i}.png").write_bytes(spectrogram_png(pair))

    def _decoded(self, pcm_S: Tensor) -> Tensor:
        acoustic_BFK = self.tokenizer.acoustic_codes(pcm_S[None])
        return self.tokenizer.decode(acoustic_BFK)[0, : len(pcm_S)].float().cpu()

    def _write(self, place: str, sounds: list[Tensor]) -> Path:
        """One file a sound; returns their folder."""
        folder = self.folder / place
        folder.mkdir(parents=True, exist_ok=True)
        for i, sound_S in enumerate(sounds):
            save_wav(folder / f"clip-{i}.wav", sound_S)
        return folder
