"""How close decoded sound is to what went in: STOI, PESQ-WB, SI-SDR and mel distance, after alignment.

**Alignment.** A codec delays by a constant time, which these measures would punish. One lag for each codec and
operating point is found over all clips together, never clip by clip, in two steps: the lag (-20 to 120 ms) where the
energy envelopes (1 ms steps) of originals and decoded clips correlate best, summed over the clips; then, within 3 ms of
it, the lag where the waveforms do, to the sample. The first step also works for vocoders that keep no waveform. Both
signals are then cut to the part that they share. No gain and no polarity is fitted.

Source: Taal et al. 2011 (STOI), ITU-T P.862.2 (PESQ-WB), Le Roux et al. 2019 (SI-SDR).
"""

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor

from omni_audio.audio.mel import LOG_SCALE, LogMel, LogMelConfig
from omni_audio.audio.units import HOP_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.checks import import_optional, require

MIN_LAG_MS, MAX_LAG_MS = -20, 120
FINE_LAG_MS = 3
MS_SAMPLES = SAMPLE_RATE_HZ // 1000
MAX_SI_SDR_DB = 100.0


def find_lag_samples(references: Sequence[Tensor], decoded: Sequence[Tensor]) -> int:
    """By how many samples the decoded clips lag behind the originals, one number for all.

    Args:
        references: (S,) each, 16 kHz.
        decoded: (S,) each, in the same order.

    Raises:
        ValueError: no clips, or unequal numbers of clips.
    """
    require(
        0 < len(references) == len(decoded),
        "len(decoded)",
        len(decoded),
        f"{len(references)} clips, at least 1",
        "Decode every clip.",
    )
    steps = MAX_LAG_MS - MIN_LAG_MS + 1
    coarse_L = torch.zeros(steps, dtype=torch.float64)
    for reference_S, decoded_S in zip(references, decoded, strict=True):
        coarse_L += _correlation(_envelope(reference_S), _envelope(decoded_S), MIN_LAG_MS, steps)
    coarse = (int(coarse_L.argmax()) + MIN_LAG_MS) * MS_SAMPLES
    first, width = coarse - FINE_LAG_MS * MS_SAMPLES, 2 * FINE_LAG_MS * MS_SAMPLES + 1
    fine_L = torch.zeros(width, dtype=torch.float64)
    for reference_S, decoded_S in zip(references, decoded, strict=True):
        fine_L += _correlation(reference_S, decoded_S, first, width)
    return first + int(fine_L.argmax())


def _envelope(pcm_S: Tensor) -> Tensor:
    """Root mean square of each millisecond."""
    padded_S = F.pad(pcm_S.double(), (0, -pcm_S.numel() % MS_SAMPLES))
    return reduce(padded_S**2, "(steps ms) -> steps", "mean", ms=MS_SAMPLES).sqrt()


def _correlation(reference_S: Tensor, decoded_S: Tensor, first_lag: int, num_lags: int) -> Tensor:
    """Normalised correlation at `num_lags` lags from `first_lag` on; zeros for a clip without any change."""
    reference_S, decoded_S = reference_S.double(), decoded_S.double()
    reference_S, decoded_S = reference_S - reference_S.mean(), decoded_S - decoded_S.mean()
    size = reference_S.numel() + decoded_S.numel() + abs(first_lag) + num_lags
    spectrum_S = torch.fft.rfft(decoded_S, size) * torch.fft.rfft(reference_S, size).conj()
    scale = (reference_S.norm() * decoded_S.norm()).clamp_min(1e-12)
    lags_L = torch.arange(first_lag, first_lag + num_lags) % size
    return torch.fft.irfft(spectrum_S, size)[lags_L] / scale


def align(reference_S: Tensor, decoded_S: Tensor, lag_samples: int) -> tuple[Tensor, Tensor]:
    """The parts that both share, equally long, when the decoded clip lags by `lag_samples`.

    Raises:
        ValueError: nothing is shared.
    """
    reference_S = reference_S[max(0, -lag_samples) :]
    decoded_S = decoded_S[max(0, lag_samples) :]
    shared = min(reference_S.numel(), decoded_S.numel())
    require(shared > 0, "lag_samples", lag_samples, "less than the clip's length", "Drop clips this short.")
    return reference_S[:shared], decoded_S[:shared]


def si_sdr_db(reference_S: Tensor, decoded_S: Tensor) -> float | None:
    """Scale-invariant signal-to-distortion ratio, dB, at most 100; None where either is silent."""
    reference_S, decoded_S = _same_length(reference_S, decoded_S)
    reference_S, decoded_S = reference_S.double(), decoded_S.double()
    reference_S, decoded_S = reference_S - reference_S.mean(), decoded_S - decoded_S.mean()
    if reference_S.norm() < 1e-8 or decoded_S.norm() < 1e-8:
        return None
    target_S = (decoded_S @ reference_S) / (reference_S @ reference_S) * reference_S
    ceiling = 10 ** (-MAX_SI_SDR_DB / 10)
    noise = (decoded_S - target_S).square().sum() + ceiling * decoded_S.square().sum()
    signal = target_S.square().sum() + ceiling * decoded_S.square().sum()
    return float((10 * torch.log10(signal / noise)).clamp(-MAX_SI_SDR_DB, MAX_SI_SDR_DB))


def mel_distance(reference_S: Tensor, decoded_S: Tensor) -> float:
    """Mean absolute difference of the natural logarithms of 80 mels, 100 columns a second; 0 is equal.

    Raises:
        ValueError: unequal lengths, or less than one column (160 samples).
    """
    reference_S, decoded_S = _same_length(reference_S, decoded_S)
    whole = reference_S.numel() // HOP_SAMPLES * HOP_SAMPLES
    with torch.no_grad():
        mel_BTM, _ = LogMel(LogMelConfig())(torch.stack([reference_S[:whole], decoded_S[:whole]]))
    return float((mel_BTM[0] - mel_BTM[1]).abs().mean()) * LOG_SCALE


def stoi(reference_S: Tensor, decoded_S: Tensor) -> float | None:
    """Short-time objective intelligibility, 0 to 1; None where there is too little speech (under 0.4 s).

    Raises:
        ValueError: the package is missing, or unequal lengths.
    """
    package = import_optional("pystoi", "stoi")
    reference_S, decoded_S = _same_length(reference_S, decoded_S)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = float(package.stoi(reference_S.numpy(), decoded_S.numpy(), SAMPLE_RATE_HZ))
    return None if any("Not enough STFT frames" in str(warning.message) for warning in caught) else value


def pesq_wb(reference_S: Tensor, decoded_S: Tensor) -> float | None:
    """Wide-band PESQ, 1.04 to 4.64; None where it finds no utterance.

    Raises:
        ValueError: the package is missing, or unequal lengths.
    """
    package = import_optional("pesq", "pesq_wb")
    reference_S, decoded_S = _same_length(reference_S, decoded_S)
    try:
        return float(package.pesq(SAMPLE_RATE_HZ, reference_S.numpy(), decoded_S.numpy(), "wb"))
    except (package.NoUtterancesError, package.BufferTooShortError):
        return None


def _same_length(reference_S: Tensor, decoded_S: Tensor) -> tuple[Tensor, Tensor]:
    require(
        reference_S.dim() == 1 and reference_S.shape == decoded_S.shape and reference_S.numel() > 0,
        "decoded_S.shape",
        tuple(decoded_S.shape),
        f"{tuple(reference_S.shape)}, that of the original",
        "Align the clips first.",
    )
    return reference_S.float(), decoded_S.float()
