"""The units of time and frequency that the whole package agrees on.

Shape legend: B batch, S samples, F frames, M mels, T positions, D model, N heads, H head dim, K codebooks,
V vocab.
"""

from typing import Final

SAMPLE_RATE_HZ: Final = 16_000
"""Samples a second of every PCM tensor inside the package (mono)."""

HOP_SAMPLES: Final = 160
"""Samples between two mel frames."""

NUM_MELS: Final = 80
"""Mel bands of one mel frame."""

PATCH_MEL_FRAMES: Final = 8
"""Mel frames of one patch; one patch is one model frame."""

FRAME_SAMPLES: Final = HOP_SAMPLES * PATCH_MEL_FRAMES
"""Samples of one model frame: 1280, which is 80 ms."""

MEL_RATE_HZ: Final = SAMPLE_RATE_HZ / HOP_SAMPLES
"""Mel frames a second: 100."""

FRAME_RATE_HZ: Final = SAMPLE_RATE_HZ / FRAME_SAMPLES
"""Model frames a second: 12.5."""

MIN_SPEED: Final = 0.25
"""Slowest speed of spoken answers: four times as long."""

MAX_SPEED: Final = 4.0
"""Fastest speed of spoken answers: a quarter as long."""
