"""Forms that text has to have: a JSON schema, as masks over text ids that llguidance computes.

Strings keep to the schema by construction, whatever is drawn; what they say is the network's.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from llguidance import LLMatcher

from omni_audio.checks import NotAllowedError, require
from omni_audio.model.form_compiler import FormCompiler, short_reason
from omni_audio.model.text import NUM_SPECIAL, TextTokenizer

_REMEDY = (
    "Give a JSON schema without remote references that something can satisfy; llguidance lists what it knows."
)


_VALUES = ("const", "enum", "default", "examples")
"""Keys of a schema under which stand values, not schemas."""

_NAMED_SCHEMAS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
"""Keys of a schema under which stand schemas by names that mean nothing."""


MAX_SCHEMA_BYTES = 256 * 2**10
"""Of one schema as JSON; a compiled form takes many times that."""
MAX_KEPT_BYTES = 256 * 2**20
"""Of all compiled forms that are kept, as far as somebody measured them."""

FormCheck = Callable[[str, Mapping[str, str]], int]
"""Tries a schema before it is compiled here, and its parts, by the names that errors give them.

It returns the bytes that the compiled schema takes, and raises ValueError where one of them should not be compiled.
"""


class FormError(NotAllowedError):
    """A form that was compiled and turned out to take too much when a text followed it."""


class FormState:
    """How far one text has come."""

    def __init__(self, matcher: LLMatcher, num_text: int) -> None:
        self._matcher, self._num_text = matcher, num_text

    def allowed(self) -> np.ndarray:
        """(num_text,) bool: the text ids, counted from the first, that may come next; none behind a text's end.

        Raises:
            FormError: following the form any further takes more than llguidance allows.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        return np.unpackbits(bits, count=self._num_text, bitorder="little").view(bool)

    @property
    def may_end(self) -> bool:
        """Whether the text is whole as it stands."""
        return self._matcher.is_accepting()

    def push(self, token: int) -> None:
        """Takes a text id, counted from the first.

        Raises:
            FormError: it was not allowed, or following it takes more than llguidance allows.
        """
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            reason = short_reason(self._matcher.get_error())
            raise FormError("schema", reason, "one whose texts can be followed", _REMEDY)


class TextForm:
    """A compiled form, which many texts can begin."""

    def __init__(self, start: LLMatcher, num_text: int) -> None:
        self._start, self._num_text = start, num_text

    def begin(self) -> FormState:
        """A text that is empty yet."""
        return FormState(self._start.deep_copy(), self._num_text)


class TextForms:
    """Compiles forms for one text vocabulary and keeps the last ones.

    Compiling takes milliseconds, and for hostile schemas minutes: let a check that can be ended try those first.

    Args:
        text: the vocabulary.
        num_text: ids it has room for.
        num_kept: compiled forms that are kept.

    Attributes:
        tokens: bytes of each id.
    """

    def __init__(self, text: TextTokenizer, num_text: int, num_kept: int = 64) -> None:
        self._num_text, self._num_kept = num_text, num_kept
        self.tokens = [text.token_bytes(NUM_SPECIAL + token) for token in range(num_text)]
        self._compiler = FormCompiler(
            self.tokens, lambda words: [token - NUM_SPECIAL for token in text.encode(words)]
        )
        self._kept: OrderedDict[bytes, tuple[TextForm, int]] = OrderedDict()

    def json(self, schema: Mapping[str, Any], check: FormCheck | None = None) -> TextForm:
        """The form of compact JSON that satisfies the schema; the keys of an object come in the schema's order.

        Args:
            schema: as JSON can hold it.
            check: what tries it first; None compiles it at once.

        Raises:
            ValueError: the schema is none, nothing satisfies it, it asks for what llguidance does not know, or it is
                longer than MAX_SCHEMA_BYTES.
        """
        return self._form(json.dumps(schema), {}, check)

    def call(self, tools: Mapping[str, Mapping[str, Any] | None], check: FormCheck | None = None) -> TextForm:
        """The form of a call of one of the tools: name -> schema of its arguments, None for any object.

        Args:
            tools: one at least.
            check: as of json(); it tries each tool by itself, too.

        Raises:
            ValueError: as json(), with the name of the tool.
        """
        whole = json.dumps(_calls_schema(tools))
        if len(tools) > 1:
            parts = {f"tool {name!r}": json.dumps(_calls_schema({name: of})) for name, of in tools.items()}
            return self._form(whole, parts, check)
        try:
            return self._form(whole, {}, check)
        except ValueError as error:
            raise ValueError(f"tool {next(iter(tools))!r}: {error}") from error

    def _form(self, schema: str, parts: Mapping[str, str], check: FormCheck | None) -> TextForm:
        limit = f"at most {MAX_SCHEMA_BYTES} bytes, those of all tools together"
        require(len(schema) <= MAX_SCHEMA_BYTES, "schema", f"{len(schema)} bytes", limit, "Simplify it.")
        key = hashlib.sha256(schema.encode()).digest()
        if key not in self._kept:
            num_bytes = (check or self._check_here)(schema, parts)
            matcher, reason = self._compiler.compile(schema)
            require_followable(reason)
            self._kept[key] = (TextForm(matcher, self._num_text), num_bytes)
        self._kept.move_to_end(key)
        self._forget_the_oldest()
        return self._kept[key][0]

    def _check_here(self, _: str, parts: Mapping[str, str]) -> int:
        """Compiles the parts, and measures nothing."""
        for name, part in parts.items():
            require_followable(self._compiler.compile(part)[1], name)
        return 0

    def _forget_the_oldest(self) -> None:
        num_bytes = sum(each for _, each in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > self._num_kept or num_bytes > MAX_KEPT_BYTES):
            num_bytes -= self._kept.popitem(last=False)[1][1]


def require_followable(reason: str, part: str | None = None) -> None:
    """Raises ValueError unless `reason`, why a schema cannot be used, is empty.

    Args:
        reason: as of FormCompiler.compile().
        part: names the part of the schema that it holds for.
    """
    name = "schema" if part is None else f"{part}: schema"
    require(not reason, name, reason, "one that can be followed", _REMEDY)


def _calls_schema(tools: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """The schema of a call of one of the tools; each one's parameters lie under $defs, where their pointers lead."""
    definitions: dict[str, Any] = {}
    calls = []
    for index, (name, parameters) in enumerate(tools.items()):
        place = f"#/$defs/p{index}"
        own = {} if parameters is None else _with_moved_pointers(parameters, place)
        own.pop("$id", None)  # pointers would begin there
        definitions[f"p{index}"] = {"type": "object", **own}
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": name}, "arguments": {"$ref": place}},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return {"$defs": definitions, "anyOf": calls}


def _with_moved_pointers(schema: Any, place: str, *, has_names: bool = False) -> Any:
    """A schema, or schemas by names, whose pointers into the whole lead to `place`, where it will lie."""
    if isinstance(schema, list):
        return [_with_moved_pointers(each, place) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    moved = {}
    for key, value in schema.items():
        is_pointer = key == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/"))
        if is_pointer and not has_names:
            moved[key] = place + value[1:]
        elif key in _VALUES and not has_names:
            moved[key] = value
        else:
            are_named = not has_names and key in _NAMED_SCHEMAS
            moved[key] = _with_moved_pointers(value, place, has_names=are_named)
    return moved
