"""Features of a frozen teacher for every recording of a split, made once, beside the codes.

Only clean recordings are heard: what a teacher says of a distorted copy is a worse target, and the level that learns
to say of the copy what the teacher says of the clean sound learns to see through the distortion; time and disk are
those of one copy. Distortions keep the timing, but for the speed: a copy of another length takes the features stretched
over its frames, which is less than a frame off.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from lhotse import CutSet
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.data.corpora.manifests import each_cut
from omni_audio.data.speech_cuts import pcm_of
from omni_audio.data.teachers import Teacher
from omni_audio.files import written_whole

FEATURES, INDEX = "features", "index"


@dataclass(slots=True)
class TeacherCache:
    """Features (F, D), float16, of all frames of all recordings; where each recording lies: its start and length."""

    features_FD: Tensor
    index: dict[str, tuple[int, int]]

    def features(self, recording_id: str, num_frames: int) -> Tensor:
        """(num_frames, D) float32 features of a recording, or of a copy of it that has so many frames.

        Raises:
            ValueError: the recording is not in the cache.
        """
        if recording_id not in self.index:
            raise ValueError(
                f"recording {recording_id!r} has no teacher features here: expected one of {len(self.index)}. "
                "Delete the stage's folder and run stage semantic."
            )
        start, length = self.index[recording_id]
        clean_FD = self.features_FD[start : start + length].float()
        if num_frames == length:
            return clean_FD
        return F.interpolate(clean_FD.t()[None], size=num_frames, mode="linear")[0].t()

    @property
    def width(self) -> int:
        """D."""
        return self.features_FD.shape[1]

    def save(self, path: Path) -> None:
        """Writes one file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            save_file({FEATURES: self.features_FD}, temporary, metadata={INDEX: json.dumps(self.index)})

    @classmethod
    def load(cls, path: Path) -> "TeacherCache":
        """What save() wrote."""
        with safe_open(path, "pt") as file:
            index = json.loads(file.metadata()[INDEX])
            return cls(
                file.get_tensor(FEATURES), {key: (start, length) for key, (start, length) in index.items()}
            )


def make_teacher_features(teacher: Teacher, cuts: CutSet) -> TeacherCache:
    """Hears every recording once, each for itself: padding would change what some teachers say."""
    recordings = {cut.recording_id: cut for cut in each_cut(cuts)}
    lengths = {
        key: -(-round(cut.duration * SAMPLE_RATE_HZ) // FRAME_SAMPLES) for key, cut in recordings.items()
    }
    cache = TeacherCache(torch.zeros(sum(lengths.values()), teacher.width, dtype=torch.float16), {})
    start = 0
    for key, cut in tqdm(recordings.items(), desc="teacher", unit="recording"):
        length = lengths[key]
        cache.features_FD[start : start + length] = teacher.features(pcm_of(cut)).half()
        cache.index[key] = (start, length)
        start += length
    return cache
