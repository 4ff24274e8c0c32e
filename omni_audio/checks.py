"""Checks of arguments and optional packages with one form of message: name, value, allowed, remedy."""

import importlib
import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType


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

    def __reduce__(self) -> tuple[type, tuple[str, object, str, str]]:
        """So that a worker process can hand it on: an exception is rebuilt from its arguments."""
        return type(self), (self.name, self.value, self.allowed, self.remedy)


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


def unreadable(path: Path, why: str) -> ValueError:
    """The error of a build's file that cannot be read."""
    return ValueError(
        f"{path} cannot be read: {' '.join(why.split())}. Expected a file of a whole build. "
        "Copy or make the build again."
    )


def require_same_tensors(
    path: Path,
    found: Mapping[str, object],
    own: Mapping[str, object],
    allowed: str = "the tensors of its config.json",
    remedy: str = "Take both files from the same build.",
) -> None:
    """Raises ValueError with the first names where a file holds other tensors than it should; values are shapes."""
    differing = sorted(name for name in own.keys() | found.keys() if own.get(name) != found.get(name))
    require(not differing, str(path), differing[:3], allowed, remedy)


def require_package(module: str, wanted_for: str, remedy: str, chosen: str | None = None) -> None:
    """Checks that an optional package is there, without importing it.

    Args:
        module: its top name.
        wanted_for: what needs it.
        remedy: how to install it.
        chosen: where `wanted_for` is a setting, the value that needs the package.

    Raises:
        ValueError: it is not installed; the message says how to install it.
    """
    value, allowed = f"package {module} is missing", f"package {module} to be installed"
    if chosen is not None:
        value, allowed = chosen, f"a {wanted_for} whose package is installed ({module} is missing)"
    require(importlib.util.find_spec(module) is not None, wanted_for, value, allowed, remedy)


def package_folder(module: str, wanted_for: str, remedy: str) -> Path:
    """Where an optional package lies, without importing it.

    Raises:
        ValueError: it is not installed; the message says how to install it.
    """
    require_package(module, wanted_for, remedy)
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def import_optional(module: str, wanted_for: str, extra: str = "bench") -> ModuleType:
    """Imports a package that only an extra installs.

    Raises:
        ValueError: it is not installed; the message names the extra.
    """
    require_package(
        module.partition(".")[0], wanted_for, f"Install it with: pip install 'omni-audio[{extra}]'."
    )
    return importlib.import_module(module)
