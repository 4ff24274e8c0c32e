"""Sound of a recorded clip: decoded, normalised like the synthetic voices, stored as FLAC."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import torch
from av.error import FFmpegError

from omni_audio.audio.io import load_audio, write_flac
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.voice_engines import PcmArray
from omni_audio.data.corpora.voices import normalize_speech


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationLimits:
    """Shortest and longest clip that is kept, seconds of normalised sound."""

    min_s: float
    max_s: float

    def broken_by(self, num_samples: int) -> str | None:
        """Which limit a sound breaks, in words; None if it breaks none."""
        duration_s = num_samples / SAMPLE_RATE_HZ
        if duration_s < self.min_s:
            return f"shorter than {self.min_s:g} s"
        return f"longer than {self.max_s:g} s" if duration_s > self.max_s else None


def decode_clip(path: Path) -> PcmArray:
    """Decodes a G.722, wav or ogg file, (S,) float32 at 16 kHz, mono.

    Raises:
        ValueError: the file is damaged or something else.
    """
    if path.suffix != ".g722":
        return load_audio(path).numpy()
    try:
        with av.open(str(path), format="g722") as container:  # raw: it has no header to know it by
            frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    except FFmpegError as error:
        raise CorpusError(str(path), str(error), "a G.722 file", "Unpack the package again.") from error
    if not frames:
        raise CorpusError(str(path), "no sound", "a G.722 file", "Unpack the package again.")
    pcm = np.concatenate(frames, dtype=np.float32)
    pcm /= 2**15
    return pcm


def store_clip(source: Path, target: Path, limits: DurationLimits) -> int:
    """Decodes, trims and normalises a sound and writes it, unless its length breaks a limit or it is there.

    Args:
        source: the recorded file.
        target: the FLAC file; its folder must exist.
        limits: lengths that are kept.

    Returns:
        Samples of the normalised sound, written or not.
    """
    if target.exists():
        return soundfile.info(str(target)).frames
    pcm = normalize_speech(decode_clip(source), str(source))
    if limits.broken_by(len(pcm)) is None:
        write_flac(target, torch.from_numpy(pcm))
    return len(pcm)
