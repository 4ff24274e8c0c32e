"""How many takes of a text there may be; apart from takes.py, so that a command can tell them without loading torch."""

from typing import Final

from omni_audio.checks import require

DEFAULT_TAKES: Final = 8
MAX_TAKES: Final = 64


def check_takes(num_takes: int, name: str = "takes") -> None:
    """Raises ValueError unless it is a number of takes that can be asked for."""
    require(1 <= num_takes <= MAX_TAKES, name, num_takes, f"1 to {MAX_TAKES}", "1 keeps the first.")
