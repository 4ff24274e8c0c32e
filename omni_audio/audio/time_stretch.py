"""Pitch-preserving change of speed of 16 kHz sound, streamed: waveform similarity overlap-add (WSOLA).

The output is made hop by hop. Hop k wants the input around k * hop * speed; of the pieces within the tolerance of that
place it takes the one that is most like what would follow the last piece, and fades over to it. Where the sound that
follows the last piece is itself within the tolerance it is simply played on, so that speed 1 gives the input back.

Source: Verhelst and Roelands 1993, "An overlap-add technique based on waveform similarity (WSOLA) for high quality
time-scale modification of speech", sections 3 and 4; here with normalised correlation as the similarity.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from omni_audio.audio.units import MAX_SPEED, MIN_SPEED
from omni_audio.checks import require, require_range

STRETCH_HOP_SAMPLES: Final = 160
"""Samples that are given out at a time: 10 ms."""

TOLERANCE_SAMPLES: Final = 128
"""How far from its due place a piece may be taken: 8 ms either way, so that every pitch above 63 Hz finds a match."""

PIECE_SAMPLES: Final = 2 * STRETCH_HOP_SAMPLES
"""Samples that are compared: the hop that fades in and the one after it."""

_Pcm = npt.NDArray[np.float32]

_FADE_IN_S: Final[_Pcm] = np.square(
    np.sin(np.arange(STRETCH_HOP_SAMPLES) * (math.pi / PIECE_SAMPLES))
).astype(np.float32)
_SILENT_ENERGY = 1e-6


@dataclass(slots=True)
class TimeStretchState:
    """What a stream of B rows remembers.

    Attributes:
        speed: 0.25..4; 2 is half as long.
        num_received: input samples so far.
        num_hops: hops given out so far.
        first_kept: index in the input of `kept_BS[:, 0]`.
        kept_BS: (B, S) input samples that later hops may need.
        sources_B: index in the input where each row's last hop began.
    """

    speed: float
    num_received: int
    num_hops: int
    first_kept: int
    kept_BS: Tensor
    sources_B: list[int]


def require_speed(speed: float) -> None:
    """Raises ValueError unless `speed` is one that sound can be stretched by, 0.25..4."""
    require_range("speed", speed, MIN_SPEED, MAX_SPEED)


def initial_stretch_state(
    speed: float, num_rows: int = 1, device: torch.device | None = None
) -> TimeStretchState:
    """Nothing was heard yet.

    Raises:
        ValueError: the speed is outside 0.25..4.
    """
    require_speed(speed)
    kept_BS = torch.zeros(num_rows, 0, device=device)
    return TimeStretchState(speed, 0, 0, 0, kept_BS, [-STRETCH_HOP_SAMPLES] * num_rows)


def stretch(pcm_BS: Tensor, state: TimeStretchState) -> tuple[Tensor, TimeStretchState]:
    """One chunk of samples, of any length.

    Args:
        pcm_BS: (B, S) float, the samples that follow.
        state: of the chunk before; it stays as it is.

    Returns:
        (B, S') samples that are complete, whole hops of them, and the new state. Any chunking gives the same samples.

    Raises:
        ValueError: another number of rows than the state has, or a sample is not a finite float.
    """
    _check_pcm(pcm_BS, state)
    num_received = state.num_received + pcm_BS.shape[1]
    num_hops = state.num_hops
    while _needed_samples(num_hops, state.speed) <= num_received:
        num_hops += 1
    return _advance(pcm_BS, state, num_received, num_hops)


def flush(state: TimeStretchState) -> Tensor:
    """The last samples, (B, S'), after which round(samples in / speed) were given out in all."""
    num_left = round(state.num_received / state.speed) - state.num_hops * STRETCH_HOP_SAMPLES
    num_hops = state.num_hops + -(-num_left // STRETCH_HOP_SAMPLES)
    num_silent = max(_needed_samples(num_hops - 1, state.speed) - state.num_received, 0)
    silence_BS = state.kept_BS.new_zeros(state.kept_BS.shape[0], num_silent)
    pcm_BS, _ = _advance(silence_BS, state, state.num_received + num_silent, num_hops)
    return pcm_BS[:, :num_left]


def stretch_whole(pcm_BS: Tensor, speed: float) -> Tensor:
    """Whole clips: (B, S) -> (B, round(S / speed)).

    Raises:
        ValueError: the speed is outside 0.25..4, or a sample is not a finite float.
    """
    ready_BS, state = stretch(pcm_BS, initial_stretch_state(speed, pcm_BS.shape[0], pcm_BS.device))
    return torch.cat([ready_BS, flush(state)], -1)


def _due(hop: int, speed: float) -> int:
    """Index in the input that this hop stands for."""
    return round(hop * STRETCH_HOP_SAMPLES * speed)


def _needed_samples(hop: int, speed: float) -> int:
    """Samples in that make this hop certain: all that it may look at, and all that it stands for."""
    last_source = max(_due(hop, speed), _due(hop - 1, speed) + STRETCH_HOP_SAMPLES) + TOLERANCE_SAMPLES
    return max(last_source + PIECE_SAMPLES, math.ceil((hop + 1) * STRETCH_HOP_SAMPLES * speed))


def _advance(
    pcm_BS: Tensor, state: TimeStretchState, num_received: int, num_hops: int
) -> tuple[Tensor, TimeStretchState]:
    """Gives out hops up to `num_hops`, for which the samples suffice, and keeps what later ones need."""
    joined_BS = torch.cat([state.kept_BS, pcm_BS.detach().to(state.kept_BS)], -1)
    rows, sources = [], []
    for row_S, source in zip(joined_BS.cpu().numpy(), state.sources_B, strict=True):
        pieces: list[_Pcm] = []
        for hop in range(state.num_hops, num_hops):
            following = source + STRETCH_HOP_SAMPLES
            source = _similar_source(row_S, state.first_kept, following, _due(hop, state.speed))
            pieces.append(_fade(row_S, following - state.first_kept, source - state.first_kept))
        rows.append(np.concatenate([np.zeros(0, np.float32), *pieces]))
        sources.append(source)
    next_due = _due(num_hops, state.speed) - TOLERANCE_SAMPLES
    first_kept = max(min(next_due, min(sources) + STRETCH_HOP_SAMPLES), state.first_kept)
    kept_BS = joined_BS[:, first_kept - state.first_kept :].clone()
    ready_BS = torch.from_numpy(np.stack(rows)).to(joined_BS)
    return ready_BS, TimeStretchState(state.speed, num_received, num_hops, first_kept, kept_BS, sources)


def _similar_source(kept_S: _Pcm, first_kept: int, following: int, due: int) -> int:
    """Index in the input of the piece near `due` that is most like the piece at `following`."""
    lowest, highest = max(due - TOLERANCE_SAMPLES, 0), due + TOLERANCE_SAMPLES
    if lowest <= following <= highest:
        return following
    wanted_S = kept_S[following - first_kept :][:PIECE_SAMPLES]
    near_S = kept_S[lowest - first_kept : highest - first_kept + PIECE_SAMPLES]
    sums = np.concatenate([[0.0], np.cumsum(np.square(near_S, dtype=np.float64))])
    energies = sums[PIECE_SAMPLES:] - sums[:-PIECE_SAMPLES]
    likeness = np.correlate(near_S, wanted_S) / np.sqrt(energies.clip(min=0.0) + _SILENT_ENERGY)
    return lowest + int(likeness.argmax())


def _fade(kept_S: _Pcm, old: int, new: int) -> _Pcm:
    """One hop that fades from the samples at `old` to those at `new`; exactly those samples where both agree."""
    old_S, new_S = kept_S[old:][:STRETCH_HOP_SAMPLES], kept_S[new:][:STRETCH_HOP_SAMPLES]
    return np.add(old_S, _FADE_IN_S * (new_S - old_S), dtype=np.float32)


def _check_pcm(pcm_BS: Tensor, state: TimeStretchState) -> None:
    num_rows = state.kept_BS.shape[0]
    require(
        pcm_BS.dim() == 2 and pcm_BS.shape[0] == num_rows,
        "pcm_BS.shape",
        tuple(pcm_BS.shape),
        f"({num_rows}, S), the rows that the state was made for",
        "Add a batch axis with pcm[None], or make the state with another num_rows.",
    )
    require(
        pcm_BS.is_floating_point() and bool(torch.isfinite(pcm_BS).all()),
        "pcm_BS",
        f"{pcm_BS.dtype} samples" if not pcm_BS.is_floating_point() else "NaN or infinite samples",
        "finite float samples in [-1, 1]",
        "Check the file or the step that made these samples.",
    )
