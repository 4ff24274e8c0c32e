"""Forms that text has to have: a JSON schema, as masks over text ids that llguidance computes.

Strings keep to the schema by construction, whatever is drawn; what they say is the network's.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from omni_audio.checks import NotAllowedError, require
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
            reason = _reason(self._matcher.get_error())
            raise FormError("schema", reason, "one whose texts can be followed", _REMEDY)


class TextForm:
    """A compiled form, which many texts can begin."""

    def __init__(self, start: LLMatcher, num_text: int) -> None:
        self._start, self._num_text = start, num_text

    def begin(self) -> FormState:
        """A text that is empty yet."""
        return FormState(self._start.deep_copy(), self._num_text)


class _Ids:
    """The text ids of a vocabulary, as llguidance asks for them; the end of a text is one id more."""

    bos_token_id = None

    def __init__(self, text: TextTokenizer, num_text: int) -> None:
        self._text = text
        self.eos_token_id = num_text
        self.special_token_ids = [num_text]
        self.tokens = [text.token_bytes(NUM_SPECIAL + token) for token in range(num_text)] + [b"<end>"]

    def __call__(self, text: str) -> list[int]:
        return [token - NUM_SPECIAL for token in self._text.encode(text)]


class TextForms:
    """Compiles forms for one text vocabulary and keeps the last ones.

    Compiling takes milliseconds, for hostile schemas a second: keep it away from the loop that serves other streams.

    Args:
        text: the vocabulary.
        num_text: ids it has room for.
        num_kept: compiled forms that are kept.
    """

    def __init__(self, text: TextTokenizer, num_text: int, num_kept: int = 64) -> None:
        self._num_text, self._num_kept = num_text, num_kept
        self._ids = LLTokenizer(TokenizerWrapper(_Ids(text, num_text)))
        self._kept: OrderedDict[bytes, TextForm] = OrderedDict()

    def json(self, schema: Mapping[str, Any]) -> TextForm:
        """The form of compact JSON that satisfies the schema; the keys of an object come in the schema's order.

        Raises:
            ValueError: the schema is none, nothing satisfies it, it asks for what llguidance does not know, or it is
                longer than MAX_SCHEMA_BYTES.
        """
        text = json.dumps(schema)
        limit = f"at most {MAX_SCHEMA_BYTES} bytes, those of all tools together"
        require(len(text) <= MAX_SCHEMA_BYTES, "schema", f"{len(text)} bytes", limit, "Simplify it.")
        key = hashlib.sha256(text.encode()).digest()
        if key not in self._kept:
            self._kept[key] = self._compiled(text)
            if len(self._kept) > self._num_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def call(self, tools: Mapping[str, Mapping[str, Any] | None]) -> TextForm:
        """The form of a call of one of the tools: name -> schema of its arguments, None for any object.

        Raises:
            ValueError: as json(), with the name of the tool.
        """
        for name, parameters in tools.items():
            try:
                self.json(_calls_schema({name: parameters}))
            except ValueError as error:
                raise ValueError(f"tool {name!r}: {error}") from error
        return self.json(_calls_schema(tools))

    def _compiled(self, schema: str) -> TextForm:
        # As calls stand in training: no blanks outside strings.
        grammar = LLMatcher.grammar_from_json_schema(
            schema, overrides={"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
        )
        matcher = LLMatcher(self._ids, grammar, log_level=0)
        if not matcher.is_error():
            matcher.compute_bitmask()  # some schemas fail at the first step
        error = _reason(matcher.get_error())
        require(not error, "schema", error, "one that can be followed", _REMEDY)
        return TextForm(matcher, self._num_text)


def _reason(error: str) -> str:
    """What llguidance says, as one line; of a panic, which names its own insides, only what it means."""
    if error.startswith("panic"):
        return "too large or too complex to be compiled"
    return " ".join(error.split())[:300]


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
