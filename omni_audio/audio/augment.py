"""Random distortions of speech for training: timbre, speed, room, noise, telephone and level.

All parameters are drawn from the given generator, so the same clip and generator state give the same result.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torchaudio.functional as AF
from torch import Tensor

from omni_audio.audio.timbre import change_timbre
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require, require_range

_SPEED_GRID = 50
"""Speeds are multiples of 1/50, so that the resampling filter stays small."""
_NUM_MU_LAW_LEVELS = 256
_NUM_COLOURS = 4


@dataclass(kw_only=True, slots=True)
class AugmentConfig:
    """How often and how much.

    Attributes:
        timbre_probability: of moved formants and a coloured spectrum, pitch and tempo kept.
        min_formant: factor of the lowest formants, 0.5..1.
        max_formant: factor of the highest formants, 1..2.
        max_colour_db: largest gain of each of the slow waves over the spectrum, 0..20.
        speed_probability: of playing faster or slower, with the pitch.
        min_speed: slowest factor, 0.5..1.
        max_speed: fastest factor, 1..2.
        room_probability: of a synthetic room.
        min_rt60_s: shortest time in which the echo falls by 60 dB, seconds.
        max_rt60_s: longest such time.
        noise_probability: of added noise (white, pink, brown or babble-like, evenly).
        min_snr_db: strongest noise, -20..60.
        max_snr_db: weakest noise.
        telephone_probability: of the telephone band with mu-law.
        telephone_low_hz: lower edge of the telephone band.
        telephone_high_hz: upper edge of the telephone band.
        gain_probability: of a change of level.
        min_gain_db: quietest, -60..0.
        max_gain_db: loudest, 0..20; the result saturates at -1..1.
    """

    timbre_probability: float = 0.5
    min_formant: float = 0.85
    max_formant: float = 1.18
    max_colour_db: float = 4.0
    speed_probability: float = 0.6
    min_speed: float = 0.85
    max_speed: float = 1.18
    room_probability: float = 0.3
    min_rt60_s: float = 0.08
    max_rt60_s: float = 0.5
    noise_probability: float = 0.5
    min_snr_db: float = 5.0
    max_snr_db: float = 30.0
    telephone_probability: float = 0.15
    telephone_low_hz: float = 300.0
    telephone_high_hz: float = 3400.0
    gain_probability: float = 0.7
    min_gain_db: float = -12.0
    max_gain_db: float = 6.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name.endswith("_probability"):
                require_range(field.name, getattr(self, field.name), 0.0, 1.0)
        require_range("min_formant", self.min_formant, 0.5, 1.0)
        require_range("max_formant", self.max_formant, 1.0, 2.0)
        require_range("max_colour_db", self.max_colour_db, 0.0, 20.0)
        require_range("min_speed", self.min_speed, 0.5, 1.0)
        require_range("max_speed", self.max_speed, 1.0, 2.0)
        require_range("min_rt60_s", self.min_rt60_s, 0.01, 2.0)
        require_range("max_rt60_s", self.max_rt60_s, self.min_rt60_s, 2.0)
        require_range("min_snr_db", self.min_snr_db, -20.0, 60.0)
        require_range("max_snr_db", self.max_snr_db, self.min_snr_db, 60.0)
        require_range("telephone_high_hz", self.telephone_high_hz, 1000.0, SAMPLE_RATE_HZ / 2)
        require_range("telephone_low_hz", self.telephone_low_hz, 0.0, self.telephone_high_hz - 500.0)
        require_range("min_gain_db", self.min_gain_db, -60.0, 0.0)
        require_range("max_gain_db", self.max_gain_db, 0.0, 20.0)


class Augment:
    """Distorts one clip at a time: `augment(pcm_S, generator) -> pcm_S`.

    Timbre, speed and level make another speaker of it; room, noise and telephone lie between the speaker and the
    microphone, and `heard_and_spoken` can tell the two apart.

    Args:
        config: how often and how much.
    """

    def __init__(self, config: AugmentConfig) -> None:
        self.config = config

    def __call__(self, pcm_S: Tensor, generator: torch.Generator) -> Tensor:
        """Distorts a clip; its length changes only with the speed.

        Args:
            pcm_S: (S,) float32 at 16 kHz, S >= 1, on the CPU; not changed.
            generator: CPU generator that decides everything random.

        Returns:
            (S',) float32 in -1..1, S' = S / speed.

        Raises:
            ValueError: for a bad shape or type, or samples that are not finite.
        """
        return self.heard_and_spoken(pcm_S, generator)[0]

    def heard_and_spoken(self, pcm_S: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What the microphone gets and what the speaker said: the same draws without room, noise and telephone.

        Args, errors: as when called.

        Returns:
            Two clips of (S',) float32 in -1..1, one in time with the other; the first is what a call returns.
        """
        is_mono = pcm_S.dim() == 1 and pcm_S.numel() > 0
        require(is_mono, "pcm_S.shape", tuple(pcm_S.shape), "(S,) with S >= 1", "Give one mono clip.")
        require(
            pcm_S.dtype == torch.float32, "pcm_S.dtype", str(pcm_S.dtype), "float32", "Call .float() first."
        )
        require(
            bool(torch.isfinite(pcm_S).all()), "pcm_S", "NaN or infinity", "finite samples", "Check the clip."
        )
        config = self.config
        steps: tuple[tuple[float, Callable[[Tensor, torch.Generator], Tensor], bool], ...] = (
            (config.timbre_probability, self._timbre, True),
            (config.speed_probability, self._speed, True),
            (config.room_probability, self._room, False),
            (config.noise_probability, self._noise, False),
            (config.telephone_probability, self._telephone, False),
        )
        heard_S = spoken_S = pcm_S
        for probability, step, is_of_speaker in steps:
            if _uniform(0.0, 1.0, generator) < probability:
                heard_S = step(heard_S, generator)
                spoken_S = heard_S if is_of_speaker else spoken_S
        if _uniform(0.0, 1.0, generator) < config.gain_probability:
            gain = 10 ** (_uniform(config.min_gain_db, config.max_gain_db, generator) / 20)
            heard_S, spoken_S = heard_S * gain, spoken_S * gain
        return heard_S.clamp(-1.0, 1.0), spoken_S.clamp(-1.0, 1.0)

    def _timbre(self, pcm_S: Tensor, generator: torch.Generator) -> Tensor:
        factor = _uniform(self.config.min_formant, self.config.max_formant, generator)
        colour_db = (2 * torch.rand(_NUM_COLOURS, generator=generator) - 1) * self.config.max_colour_db
        return change_timbre(pcm_S, factor, colour_db)

    def _speed(self, pcm_S: Tensor, generator: torch.Generator) -> Tensor:
        low = math.ceil(self.config.min_speed * _SPEED_GRID - 1e-6)
        high = math.floor(self.config.max_speed * _SPEED_GRID + 1e-6)
        steps = int(torch.randint(low, high + 1, (), generator=generator))
        if steps == _SPEED_GRID:
            return pcm_S
        return AF.resample(pcm_S, steps, _SPEED_GRID)

    def _room(self, pcm_S: Tensor, generator: torch.Generator) -> Tensor:
        """Direct sound, then noise that decays exponentially; the energy of the clip stays."""
        rt60_s = _uniform(self.config.min_rt60_s, self.config.max_rt60_s, generator)
        num_samples = round(rt60_s * SAMPLE_RATE_HZ)
        time_s = torch.arange(num_samples) / SAMPLE_RATE_HZ
        response = torch.randn(num_samples, generator=generator) * 10 ** (-3.0 * time_s / rt60_s)
        first_echo = round(_uniform(0.001, 0.008, generator) * SAMPLE_RATE_HZ)
        response[:first_echo] = 0.0
        direct_to_echo_db = _uniform(0.0, 12.0, generator)
        response *= 10 ** (-direct_to_echo_db / 20) / response.norm().clamp_min(1e-6)
        response[0] = 1.0
        wet_S = _convolve(pcm_S, response)[: len(pcm_S)]
        return wet_S * (_rms(pcm_S) / _rms(wet_S).clamp_min(1e-8))

    def _noise(self, pcm_S: Tensor, generator: torch.Generator) -> Tensor:
        kind = int(torch.randint(0, 4, (), generator=generator))
        noise_S = _babble(pcm_S, generator) if kind == 3 else _colored(len(pcm_S), kind, generator)
        snr_db = _uniform(self.config.min_snr_db, self.config.max_snr_db, generator)
        level = _rms(pcm_S) * 10 ** (-snr_db / 20)
        return pcm_S + noise_S * (level / _rms(noise_S).clamp_min(1e-8))

    def _telephone(self, pcm_S: Tensor, generator: torch.Generator) -> Tensor:
        spectrum, num_padded = _spectrum(pcm_S)
        hz = torch.linspace(0.0, SAMPLE_RATE_HZ / 2, spectrum.shape[-1])
        low, high = self.config.telephone_low_hz, self.config.telephone_high_hz
        # soft edges, about 100 Hz wide, do not ring
        mask = torch.sigmoid((hz - low) / 25.0) * torch.sigmoid((high - hz) / 25.0)
        band_S = torch.fft.irfft(spectrum * mask, n=num_padded)[: len(pcm_S)].clamp(-1.0, 1.0)
        codes_S = AF.mu_law_encoding(band_S, _NUM_MU_LAW_LEVELS)
        return AF.mu_law_decoding(codes_S, _NUM_MU_LAW_LEVELS)


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _rms(pcm_S: Tensor) -> Tensor:
    return pcm_S.square().mean().sqrt()


def _fast_length(num_samples: int) -> int:
    """A length that is quick for an FFT: a multiple of a power of two near an eighth of the length."""
    step = 2 ** max(0, math.ceil(math.log2(max(num_samples, 1))) - 3)
    return math.ceil(num_samples / step) * step


def _spectrum(pcm_S: Tensor) -> tuple[Tensor, int]:
    num_padded = max(2, _fast_length(len(pcm_S)))
    return torch.fft.rfft(pcm_S, n=num_padded), num_padded


def _convolve(pcm_S: Tensor, response: Tensor) -> Tensor:
    num_padded = _fast_length(len(pcm_S) + len(response) - 1)
    product = torch.fft.rfft(pcm_S, n=num_padded) * torch.fft.rfft(response, n=num_padded)
    return torch.fft.irfft(product, n=num_padded)


def _colored(num_samples: int, kind: int, generator: torch.Generator) -> Tensor:
    """Noise whose power falls as 1 / f**kind: 0 white, 1 pink, 2 brown."""
    white_S = torch.randn(num_samples, generator=generator)
    if kind == 0:
        return white_S
    spectrum, num_padded = _spectrum(white_S)
    hz = torch.linspace(0.0, SAMPLE_RATE_HZ / 2, spectrum.shape[-1]).clamp_min(20.0)
    return torch.fft.irfft(spectrum * hz ** (-kind / 2), n=num_padded)[:num_samples]


def _babble(pcm_S: Tensor, generator: torch.Generator) -> Tensor:
    """Noise with the long-term spectrum of the clip (at random phases) that swells at syllable rate."""
    spectrum, num_padded = _spectrum(pcm_S)
    phase = 2 * math.pi * torch.rand(spectrum.shape, generator=generator)
    noise_S = torch.fft.irfft(torch.polar(spectrum.abs(), phase), n=num_padded)[: len(pcm_S)]
    time_s = torch.arange(len(pcm_S)) / SAMPLE_RATE_HZ
    swell_S = torch.ones(len(pcm_S))
    for _ in range(3):
        rate_hz, offset = _uniform(2.0, 7.0, generator), _uniform(0.0, 2 * math.pi, generator)
        swell_S += 0.3 * torch.sin(2 * math.pi * rate_hz * time_s + offset)
    return noise_S * swell_S
