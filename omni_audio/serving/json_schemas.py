"""JSON schemas in requests: how large they may be, and what `strict` asks of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omni_audio.serving.errors import invalid_value

MAX_PROPERTIES = 5000
MAX_ENUM_VALUES = 1000
"""Of all enum and const together; of lists and objects among these, every value in them."""
MAX_DEPTH = 200
MAX_JSON_DEPTH = 2 * MAX_DEPTH
"""Of all of its text, values of const, enum, default and examples included: a property lies two deep."""
MAX_STRICT_LEVELS = 10


def check_schema(schema: dict[str, Any], param: str, *, strict: bool) -> None:
    """Refuses a schema that is too large, or breaks the rules of `strict`.

    Raises:
        ApiError: 400 that names `param`.
    """
    _require(not _is_deeper(schema, MAX_JSON_DEPTH), param, f"it is nested more than {MAX_JSON_DEPTH} deep")
    num_properties = num_values = 0
    for part, level, depth in _parts(schema):
        properties = part.get("properties")
        num_properties += len(properties) if isinstance(properties, dict) else 0
        num_values += sum(_num_values(part[key]) for key in ("enum", "const") if key in part)
        _require(depth <= MAX_DEPTH, param, f"its objects lie more than {MAX_DEPTH} deep")
        _require(num_properties <= MAX_PROPERTIES, param, f"it has more than {MAX_PROPERTIES} properties")
        _require(num_values <= MAX_ENUM_VALUES, param, f"it has more than {MAX_ENUM_VALUES} enum values")
        is_shallow = not strict or level <= MAX_STRICT_LEVELS
        _require(is_shallow, param, f"strict wants at most {MAX_STRICT_LEVELS} levels")
        if strict and (isinstance(properties, dict) or _is_object(part.get("type"))):
            required = part.get("required")
            names = (
                {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
            )
            _require(names >= set(properties or ()), param, "strict wants every property in required")
            _require(
                part.get("additionalProperties") is False, param, "strict wants additionalProperties false"
            )
    if strict:
        _require(schema.get("type") == "object", param, "strict wants an object at the root")


def _parts(schema: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Every object in the schema, its level (properties and items go one down) and how deep it lies, the root at 1."""
    waiting: list[tuple[Any, int, int]] = [(schema, 1, 1)]
    while waiting:
        part, level, depth = waiting.pop()
        if isinstance(part, list):
            waiting += [(item, level, depth + 1) for item in part]
        elif isinstance(part, dict):
            yield part, level, depth
            for key, value in part.items():
                if key == "properties" and isinstance(value, dict):
                    waiting += [(item, level + 1, depth + 1) for item in value.values()]
                elif key not in ("enum", "const", "default", "examples"):
                    waiting.append((value, level + (key == "items"), depth + 1))


def _is_object(kind: object) -> bool:
    """Whether a `type` takes objects."""
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _num_values(value: object) -> int:
    """Values in lists and objects, however deep; 1 for any other, and for an empty one."""
    num, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        inner = list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []
        num += not inner
        waiting += inner
    return num


def _is_deeper(value: object, limit: int) -> bool:
    """Whether lists and objects are nested deeper than `limit`."""
    level: list[object] = [value]
    for _ in range(limit + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, list):
                below += item
            elif isinstance(item, dict):
                below += item.values()
        if not below:
            return False
        level = below
    return True


def _require(ok: bool, param: str, reason: str) -> None:
    if not ok:
        raise invalid_value(param, f"Invalid '{param}': {reason}. Simplify the schema.", "invalid_schema")
