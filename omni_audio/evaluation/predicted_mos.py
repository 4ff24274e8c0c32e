"""Predicted opinion scores of one clip, without its original. They are no human scores and are never mixed with those.

Source: Reddy et al. 2022, "DNSMOS P.835"; Stahl and Gamper 2025, "Distillation and pruning for scalable self-supervised
representation-based speech quality assessment" (DistillMOS).
"""

import contextlib
import io
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import import_optional, package_folder
from omni_audio.tokenizer.codec import check_clip

DNSMOS_CLIP_SAMPLES = round(9.01 * SAMPLE_RATE_HZ)
DNSMOS_CURVE = (
    -0.06766283,
    1.11546468,
    0.04602535,
)  # overall, not personalised: the package's own calibration


class PredictedMos(Protocol):
    """A network that says what listeners would say, 1 to 5."""

    name: str

    def score(self, pcm_S: Tensor) -> float:
        """The score of (S,) 16 kHz samples, S > 0."""
        ...


class Dnsmos:
    """DNSMOS P.835, overall, from the network inside the package speechmos, which itself is not imported.

    As that package does it: a clip under 9.01 s is doubled until it is longer, and the mean is taken of windows of
    9.01 s, one a second.

    Args:
        num_threads: of onnxruntime.

    Raises:
        ValueError: a package is missing.
    """

    name = "dnsmos"

    def __init__(self, num_threads: int = 1) -> None:
        folder = package_folder("speechmos", "dnsmos", "Install it with: pip install 'omni-audio[bench]'.")
        runtime = import_optional("onnxruntime", "dnsmos")
        path = folder / "dnsmos_models" / "sig_bak_ovr.onnx"
        options = runtime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        self._session = runtime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def score(self, pcm_S: Tensor) -> float:
        clip_S = check_clip(pcm_S).float().clamp(-1, 1).numpy()
        while clip_S.size < DNSMOS_CLIP_SAMPLES:
            clip_S = np.concatenate([clip_S, clip_S])
        num_windows = int(clip_S.size // SAMPLE_RATE_HZ - 9.01) + 1
        scores: list[float] = []
        for start in range(0, num_windows * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ):
            window_S = clip_S[start : start + DNSMOS_CLIP_SAMPLES]
            if window_S.size == DNSMOS_CLIP_SAMPLES:
                raw = float(self._session.run(None, {"input_1": window_S[None]})[0][0][2])
                scores.append(float(np.polyval(DNSMOS_CURVE, raw)))
        return float(np.mean(scores))


class DistillMos:
    """DistillMOS, a small network taught by a large one.

    Raises:
        ValueError: the package is missing.
    """

    name = "distillmos"

    def __init__(self) -> None:
        package = import_optional("distillmos", "distillmos")
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights lie
            self._model = package.ConvTransformerSQAModel().eval()

    @torch.no_grad()
    def score(self, pcm_S: Tensor) -> float:
        return float(self._model(check_clip(pcm_S)[None].float()).item())
