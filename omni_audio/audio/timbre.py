"""Another speaker's timbre for a clip: formants moved, spectrum coloured, pitch and tempo untouched.

The spectral envelope of each STFT column (the low quefrencies of its cepstrum) is stretched along the frequency axis;
what remains, the excitation with its harmonics and phase, stays. Source: cepstral envelope (Oppenheim and Schafer
1968); vocal tract length perturbation (Jaitly and Hinton 2013), here on the waveform.
"""

import math

import torch
from torch import Tensor

_FFT_SAMPLES = 512
_HOP_SAMPLES = 128
_NUM_QUEFRENCIES = 32
"""2 ms at 16 kHz: below the pitch period of every voice."""
_MAGNITUDE_FLOOR = 1e-5


def change_timbre(pcm_S: Tensor, formant_factor: float, colour_db: Tensor) -> Tensor:
    """Moves formants and colours the spectrum.

    Args:
        pcm_S: (S,) float32 at 16 kHz.
        formant_factor: above 1 moves formants up, as in a shorter vocal tract.
        colour_db: (C,) gains in dB of the first C cosines over the frequency axis (0 Hz to 8 kHz); the first tilts it.

    Returns:
        (S,) samples with the energy of the input.
    """
    window = torch.hann_window(_FFT_SAMPLES)
    padded_S = torch.nn.functional.pad(pcm_S, (_FFT_SAMPLES, _FFT_SAMPLES))
    spectrum_KT = torch.stft(padded_S, _FFT_SAMPLES, _HOP_SAMPLES, window=window, return_complex=True)
    log_KT = spectrum_KT.abs().clamp_min(_MAGNITUDE_FLOOR).log()
    envelope_KT = _envelope(log_KT)
    place_K = torch.linspace(0.0, 1.0, log_KT.shape[0])
    gain_KT = _stretched(envelope_KT, formant_factor) - envelope_KT
    waves_CK = torch.cos(math.pi * torch.arange(1, len(colour_db) + 1)[:, None] * place_K)
    gain_KT = gain_KT + (colour_db @ waves_CK * (math.log(10) / 20))[:, None]
    changed_S = torch.istft(
        spectrum_KT * gain_KT.exp(), _FFT_SAMPLES, _HOP_SAMPLES, window=window, length=len(padded_S)
    )[_FFT_SAMPLES : _FFT_SAMPLES + len(pcm_S)]
    energy, changed_energy = pcm_S.square().sum(), changed_S.square().sum()
    return changed_S * (energy / changed_energy.clamp_min(1e-12)).sqrt()


def _envelope(log_KT: Tensor) -> Tensor:
    cepstrum_QT = torch.fft.irfft(log_KT, n=_FFT_SAMPLES, dim=0)
    cepstrum_QT[_NUM_QUEFRENCIES : _FFT_SAMPLES - _NUM_QUEFRENCIES + 1] = 0.0
    return torch.fft.rfft(cepstrum_QT, dim=0).real


def _stretched(envelope_KT: Tensor, factor: float) -> Tensor:
    """The envelope at frequency f taken from f / factor; above the last bin it stays level."""
    last = envelope_KT.shape[0] - 1
    source_K = (torch.arange(last + 1) / factor).clamp_max(last)
    below_K = source_K.floor().long().clamp_max(last - 1)
    share_K1 = (source_K - below_K)[:, None]
    return envelope_KT[below_K] * (1 - share_K1) + envelope_KT[below_K + 1] * share_K1
