"""Change of speed in the decoder: a row of latents is read faster or slower, with linear interpolation in between.

Any (B, T, D) sequence will do: the quantised latents at 12.5 Hz, or the vocoder's hidden columns at 100 Hz. Latent k of
the output stands at (k + 0.5) * speed - 0.5 of the input, so that both cover the same time; before the first and after
the last latent these are held. The vocoder then makes sound of as many latents as there are, at its own pitch.

Answers are stretched in the waveform (audio/time_stretch.py), which benchmarks/time_stretch.py finds better; this
is what it is measured against.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from omni_audio.audio.time_stretch import require_speed
from omni_audio.checks import require


@dataclass(slots=True)
class LatentStretchState:
    """What a stream of B rows remembers.

    Attributes:
        speed: 0.25..4; 2 is half as many latents.
        num_received: latents in so far.
        num_given: latents out so far.
        last_BTD: (B, T, D) the last latent, T = 1; T = 0 before the first.
    """

    speed: float
    num_received: int
    num_given: int
    last_BTD: Tensor


def initial_latent_state(
    speed: float, num_rows: int, width: int, device: torch.device | None = None
) -> LatentStretchState:
    """No latent came yet; `width` is D.

    Raises:
        ValueError: the speed is outside 0.25..4.
    """
    require_speed(speed)
    return LatentStretchState(speed, 0, 0, torch.zeros(num_rows, 0, width, device=device))


def stretch_latents(latent_BTD: Tensor, state: LatentStretchState) -> tuple[Tensor, LatentStretchState]:
    """One chunk of latents, of any length.

    Args:
        latent_BTD: (B, T, D), the latents that follow.
        state: of the chunk before; it stays as it is.

    Returns:
        (B, T', D) latents that are complete, perhaps none, and the new state. Any chunking gives the same latents.

    Raises:
        ValueError: rows or width are not those that the state was made for.
    """
    num_rows, _, width = state.last_BTD.shape
    require(
        latent_BTD.dim() == 3 and (latent_BTD.shape[0], latent_BTD.shape[2]) == (num_rows, width),
        "latent_BTD.shape",
        tuple(latent_BTD.shape),
        f"({num_rows}, T, {width}), as the state was made for",
        "Make the state with these num_rows and width.",
    )
    num_received = state.num_received + latent_BTD.shape[1]
    num_given = state.num_given
    while num_received > 0 and _place(num_given, state.speed) <= num_received - 1:
        num_given += 1
    joined_BTD = torch.cat([state.last_BTD, latent_BTD], 1)
    ready_BTD = _read(joined_BTD, num_received, state, num_given)
    return ready_BTD, LatentStretchState(state.speed, num_received, num_given, joined_BTD[:, -1:].clone())


def flush_latents(state: LatentStretchState) -> Tensor:
    """The last latents, (B, T', D), after which round(latents in / speed) were given out in all."""
    num_given = round(state.num_received / state.speed)
    return _read(state.last_BTD, state.num_received, state, num_given)


def stretch_latents_whole(latent_BTD: Tensor, speed: float) -> Tensor:
    """Whole utterances: (B, T, D) -> (B, round(T / speed), D).

    Raises:
        ValueError: the speed is outside 0.25..4.
    """
    num_rows, _, width = latent_BTD.shape
    ready_BTD, state = stretch_latents(
        latent_BTD, initial_latent_state(speed, num_rows, width, latent_BTD.device)
    )
    return torch.cat([ready_BTD, flush_latents(state)], 1)


def _place(index: int, speed: float) -> float:
    """Where an output latent stands among the input's, in latents."""
    return (index + 0.5) * speed - 0.5


def _read(joined_BTD: Tensor, num_received: int, state: LatentStretchState, num_given: int) -> Tensor:
    """Output latents `state.num_given` up to `num_given`; `joined_BTD` ends with the last latent received."""
    if num_given == state.num_given:
        return joined_BTD[:, :0]
    first = num_received - joined_BTD.shape[1]
    index_T = torch.arange(state.num_given, num_given, dtype=torch.float64)
    place_T = ((index_T + 0.5) * state.speed - 0.5).clamp(first, num_received - 1)
    before_T = place_T.floor().long()
    weight_TD = (place_T - before_T)[:, None].to(joined_BTD)
    before_T = (before_T - first).to(joined_BTD.device)
    after_T = (before_T + 1).clamp_max(joined_BTD.shape[1] - 1)
    before_BTD = joined_BTD[:, before_T]
    return before_BTD + weight_TD * (joined_BTD[:, after_T] - before_BTD)
