"""Config dataclasses as plain JSON values, and back."""

import dataclasses
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any, Final

LATER: Final = {"later": True}
"""Metadata of a field that older files do not have: its default is what they did."""


def to_plain(value: Any) -> Any:
    """Dataclasses become dicts, enums their values, paths strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    return value


def leaves(node: Any, prefix: str = "") -> dict[str, Any]:
    """The plain values in nested dicts, by their dotted keys."""
    if not isinstance(node, dict):
        return {prefix: node}
    inner = f"{prefix}." if prefix else ""
    return {key: value for name in node for key, value in leaves(node[name], f"{inner}{name}").items()}


def from_plain(kind: Any, value: Any, name: str = "config") -> Any:
    """Rebuilds a dataclass of `kind` from what to_plain gave; unknown or missing keys are errors.

    A key whose field is marked as LATER may be missing.

    Raises:
        ValueError: keys that do not fit the dataclass.
    """
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        if value is None:
            return None
        kind = next(option for option in typing.get_args(kind) if option is not type(None))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        of_class = typing.get_type_hints(kind)
        hints = {field.name: of_class[field.name] for field in dataclasses.fields(kind)}
        later = {field.name for field in dataclasses.fields(kind) if field.metadata == LATER}
        if not set(hints) - later <= set(value) <= set(hints):
            raise ValueError(
                f"{name} has keys {sorted(value)}: expected {sorted(hints)}. It was written by another version"
            )
        return kind(**{key: from_plain(hints[key], entry, f"{name}.{key}") for key, entry in value.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if typing.get_origin(kind) is list:
        return [from_plain(typing.get_args(kind)[0], entry, name) for entry in value]
    return value
