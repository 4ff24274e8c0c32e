"""Whether two clips sound like the same speaker: cosine of speaker embeddings.

The network is the GE2E encoder of Resemblyzer (Wan et al. 2018, "Generalized end-to-end loss for speaker
verification"). Only the weights are read out of the package: importing it would need webrtcvad, whose release does not
load beside current setuptools. Unlike the package, silences are not cut out, so that an original and its decoded copy
are heard in the same places, and loud clips are brought to its level as quiet ones are: the network hears a louder copy
as somebody else.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import package_folder
from omni_audio.tokenizer.codec import check_clip

REMEDY = "Install it with: pip install --no-deps Resemblyzer==0.1.4 (its own requirements are not needed)."
NUM_MELS = 40
HOP_SAMPLES = 160
WINDOW_FRAMES = 160  # 1.6 s
STEP_FRAMES = 77  # 1.3 windows a second
MIN_COVERAGE = 0.75  # of the last window by the clip
TARGET_DBFS = -30.0


class SpeakerEncoder(nn.Module):
    """(S,) 16 kHz samples -> (256,) embedding of length 1.

    Raises:
        ValueError: the package with the weights is missing.
    """

    def __init__(self) -> None:
        super().__init__()
        path = package_folder("resemblyzer", "speaker_similarity", REMEDY) / "pretrained.pt"
        self.lstm = nn.LSTM(NUM_MELS, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        self.load_state_dict({name: state[name] for name in self.state_dict()})
        self.mel = MelSpectrogram(
            sample_rate=SAMPLE_RATE_HZ,
            n_fft=400,
            hop_length=HOP_SAMPLES,
            n_mels=NUM_MELS,
            norm="slaney",
            mel_scale="slaney",
            pad_mode="constant",
        )
        self.eval()

    @torch.no_grad()
    def embed(self, pcm_S: Tensor) -> Tensor:
        """The mean embedding of windows of 1.6 s that overlap by about half."""
        starts = window_starts(check_clip(pcm_S).numel())
        missing = (starts[-1] + WINDOW_FRAMES) * HOP_SAMPLES - pcm_S.numel()
        mel_MT = self.mel(F.pad(at_target_level(pcm_S.float()), (0, max(0, missing))))
        windows_BTM = torch.stack([mel_MT[:, start : start + WINDOW_FRAMES].T for start in starts])
        _, (hidden_LBD, _) = self.lstm(windows_BTM)
        embeddings_BD = F.normalize(self.linear(hidden_LBD[-1]).relu(), dim=-1)
        return F.normalize(embeddings_BD.mean(0), dim=-1)

    def similarity(self, first_S: Tensor, second_S: Tensor) -> float:
        """Cosine, 0 to 1: about 0.9 for two clips of one speaker, 0.5 for two speakers."""
        return float(self.embed(first_S) @ self.embed(second_S))


def window_starts(num_samples: int) -> list[int]:
    """First mel frame of each window; a last window that the clip fills by less than three quarters is left out."""
    num_frames = -(-(num_samples + 1) // HOP_SAMPLES)
    starts = list(range(0, max(1, num_frames - WINDOW_FRAMES + STEP_FRAMES + 1), STEP_FRAMES))
    covered = (num_samples - starts[-1] * HOP_SAMPLES) / (WINDOW_FRAMES * HOP_SAMPLES)
    return starts[:-1] if len(starts) > 1 and covered < MIN_COVERAGE else starts


def at_target_level(pcm_S: Tensor) -> Tensor:
    """The clip at -30 dBFS; silence stays as it is."""
    level = pcm_S.square().mean().sqrt()
    return pcm_S * 10 ** (TARGET_DBFS / 20) / level if level > 1e-6 else pcm_S
