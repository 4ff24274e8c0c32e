"""Compiles JSON schemas by llguidance, with limits; loads no PyTorch, so that a small process can do it too."""

from collections.abc import Callable, Sequence

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

MAX_GRAMMAR_SYMBOLS = 60_000
"""llguidance cannot number more than 65 000; five thousand optional properties have 40 000."""
MAX_ROW_ITEMS = 50_000
"""Ways that a text may go on at one place; an optional property has four, and one step over 20 000 takes 3 ms."""
MAX_LEXER_STATES = 50_000
"""Of one text that follows a form; a state takes one to two kilobytes."""


class _Vocabulary:
    """The ids, as llguidance asks for them; the end of a text is one id more."""

    bos_token_id = None

    def __init__(self, tokens: Sequence[bytes], encode: Callable[[str], list[int]]) -> None:
        self._encode = encode
        self.eos_token_id = len(tokens)
        self.special_token_ids = [len(tokens)]
        self.tokens = [*tokens, b"<end>"]

    def __call__(self, text: str) -> list[int]:
        return self._encode(text)


class FormCompiler:
    """Compiles for one vocabulary.

    Args:
        tokens: bytes of each id.
        encode: ids of a text.
    """

    def __init__(self, tokens: Sequence[bytes], encode: Callable[[str], list[int]]) -> None:
        self._tokenizer = LLTokenizer(TokenizerWrapper(_Vocabulary(tokens, encode)))
        self._limits = LLParserLimits(
            max_grammar_size=MAX_GRAMMAR_SYMBOLS,
            max_items_in_row=MAX_ROW_ITEMS,
            max_lexer_states=MAX_LEXER_STATES,
            verbose_errors=False,
        )

    def compile(self, schema: str) -> tuple[LLMatcher, str]:
        """What follows compact JSON of the schema, given as JSON; and why it cannot be used, "" where it can.

        The limits of llguidance leave out intersections of patterns, factors of `multipleOf` and chains of references:
        on those it may work for minutes. Where strangers send schemas, a process that can be ended should try first.
        """
        # As calls stand in training: no blanks outside strings.
        grammar = LLMatcher.grammar_from_json_schema(
            schema, overrides={"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
        )
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0, limits=self._limits)
        if not matcher.is_error():
            matcher.compute_bitmask()  # some schemas fail at the first step
        return matcher, short_reason(matcher.get_error())


def short_reason(error: str) -> str:
    """What llguidance says, as one line; of a panic, which names its own insides, only what it means."""
    if error.startswith("panic"):
        return "too large or too complex to be compiled"
    return " ".join(error.split())[:300]
