"""A listener who plays an answer from its first sound on, as it comes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Playback:
    """What a listener hears of an answer.

    Attributes:
        num_underruns: how often the sound stopped, since what was due had not come.
        silent_s: seconds that it stood still in all.
    """

    num_underruns: int
    silent_s: float


def play(arrivals: Sequence[tuple[float, float]], buffer_s: float = 0.0) -> Playback:
    """Plays pieces of sound in the order in which they come.

    Args:
        arrivals: when each piece came and how long it is, both in seconds; times do not fall.
        buffer_s: how long the listener waits after the first piece before it plays; after a stop it plays on at once.
    """
    num_underruns, silent_s = 0, 0.0
    played_until_s: float | None = None
    for came_s, length_s in arrivals:
        if length_s <= 0:
            continue
        if played_until_s is None:
            played_until_s = came_s + buffer_s
        elif came_s > played_until_s:
            num_underruns += 1
            silent_s += came_s - played_until_s
            played_until_s = came_s
        played_until_s += length_s
    return Playback(num_underruns, silent_s)
