"""Argument checks with one form of message: name, value, allowed, remedy."""

import math
from pathlib import Path


class NotAllowedError(ValueError):
    """A value that cannot be used.

    Attributes:
        name: what is wrong.
        value: what it was.
        allowed: what it may be.
        remedy: what to do.
    """

    def __init__(self, name: str, value: object, allowed: str, remedy: str) -> None:
        super().__init__(f"{name} = {value!r} is not allowed: expected {allowed}. {remedy}")
        self.name = name
        self.value = value
        self.allowed = allowed
        self.remedy = remedy


def require(ok: bool, name: str, value: object, allowed: str, remedy: str) -> None:
    """Raises ValueError naming the argument, its value, what is allowed and what to do, unless `ok`."""
    if not ok:
        raise NotAllowedError(name, value, allowed, remedy)


def require_positive(name: str, value: float) -> None:
    """Raises ValueError unless `value` is a finite number above 0."""
    require(
        math.isfinite(value) and value > 0, name, value, "a finite number above 0", f"Set {name} above 0."
    )


def require_range(name: str, value: float, low: float, high: float) -> None:
    """Raises ValueError unless low <= value <= high."""
    require(low <= value <= high, name, value, f"{low} to {high}", f"Set {name} inside that range.")


def require_file(name: str, path: Path) -> None:
    """Raises ValueError unless `path` is an existing file."""
    require(
        path.is_file(), name, str(path), "an existing file", "Check the path, or run the step that makes it."
    )
