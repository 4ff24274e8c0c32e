"""Writes sound files of any length block by block."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from omni_audio.audio.block_reader import check_rate
from omni_audio.audio.formats import AudioError
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.files import written_whole

_MAX_WAV_SAMPLES = (2**32 - 2**12) // 2
"""A wav counts its bytes in 32 bits."""


@contextlib.contextmanager
def open_writer(path: Path, rate_hz: int = SAMPLE_RATE_HZ, container: str = "WAV") -> Iterator["SoundWriter"]:
    """Opens a 16-bit mono sound file to write; it appears whole at the end, or not at all.

    Args:
        path: where; the folder must exist.
        rate_hz: sample rate, 8000..192000.
        container: "WAV" or "FLAC".

    Raises:
        AudioError: for a bad rate, a folder that does not exist, or if nothing was written.
    """
    check_rate(rate_hz)
    if not path.parent.is_dir():
        raise AudioError("path", str(path), "a path in an existing folder", f"Make {path.parent} first.")
    with written_whole(path) as temporary:
        with soundfile.SoundFile(
            str(temporary), "w", rate_hz, channels=1, format=container, subtype="PCM_16"
        ) as file:
            writer = SoundWriter(file)
            yield writer
        if writer.num_samples == 0:
            raise AudioError(str(path), "0 samples", "at least one sample", "Give some sound.")


class SoundWriter:
    """Takes the sound of one file, block by block.

    Args:
        file: open for writing, mono.

    Attributes:
        num_samples: written so far.
    """

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.num_samples = 0

    def write(self, pcm_S: Tensor) -> None:
        """Appends a block.

        Args:
            pcm_S: (S,) float, perhaps empty, finite. Samples outside -1..1 saturate, as PCM16 does.

        Raises:
            AudioError: for a bad shape or type, samples that are not finite, or a wav of more than 4 GB.
        """
        if pcm_S.dim() != 1:
            raise AudioError("pcm_S.shape", tuple(pcm_S.shape), "(S,)", "Give one mono sound.")
        if not pcm_S.is_floating_point():
            raise AudioError(
                "pcm_S.dtype", str(pcm_S.dtype), "a float type", "Scale integers to -1..1 first."
            )
        if not torch.isfinite(pcm_S).all():
            raise AudioError("pcm_S", "NaN or infinity", "finite samples", "Check what made the sound.")
        self.num_samples += len(pcm_S)
        if self._file.format == "WAV" and self.num_samples > _MAX_WAV_SAMPLES:
            raise AudioError(
                "num_samples", self.num_samples, f"at most {_MAX_WAV_SAMPLES} in a wav", "Split the sound."
            )
        self._file.write(pcm_S.detach().float().clamp(-1.0, 1.0).cpu().numpy())
