"""Text ids: byte-level BPE, the special ids around it, and the one vocabulary of the main softmax."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from omni_audio.checks import require, require_file, unreadable
from omni_audio.tokenizer.semantic import CTC_ALPHABET


class Special(IntEnum):
    """Control ids. Text never encodes to them: they stand outside the BPE."""

    PAD = 0
    BOS = 1
    SYSTEM = 2
    USER = 3
    ASSISTANT = 4
    TOOL = 5
    END = 6
    AUDIO = 7
    TRANSCRIBE = 8
    SAY = 9
    REPLY_TEXT = 10
    REPLY_AUDIO = 11
    TOOL_CALL = 12
    TEXT_END = 13
    NEXT_WORD = 14
    HIDDEN = 15


NUM_SPECIAL = 16

_LONG_TEXT = 4096
"""Letters from which on other threads run while a text is encoded."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Where the ids of the main softmax lie: specials, then text, then semantic codes."""

    num_text: int
    num_semantic: int

    @property
    def text_start(self) -> int:
        return NUM_SPECIAL

    @property
    def semantic_start(self) -> int:
        return NUM_SPECIAL + self.num_text

    @property
    def size(self) -> int:
        return self.semantic_start + self.num_semantic

    def is_text(self, token: int) -> bool:
        return self.text_start <= token < self.semantic_start

    def is_semantic(self, token: int) -> bool:
        return self.semantic_start <= token < self.size


SPOKEN_MARKS = ",.?"
"""Marks that stand in the texts of the corpora; others are read as blanks."""


def spoken_words(text: str) -> list[str]:
    """The words of a text as training writes them: small letters a-z, apostrophes and the marks behind a word.

    Capital letters become small ones. All marks but `SPOKEN_MARKS` are read as blanks, and a mark that stands alone
    goes to the word before it.

    Raises:
        ValueError: the text has no letter a-z, or digits or letters of another alphabet, which were never heard.
    """
    remedy = "Give English words; spell numbers out."
    lower = text.lower().replace("\u2019", "'")
    strange = [
        word for word in text.split() if any(s.isalnum() and s not in CTC_ALPHABET for s in word.lower())
    ]
    require(
        not strange, "text", " ".join(strange), "words of letters a-z, no digits or other letters", remedy
    )
    read = "".join(sign if sign in CTC_ALPHABET or sign in SPOKEN_MARKS else " " for sign in lower)
    words: list[str] = []
    for word in read.split():
        if any(sign.isalpha() for sign in word):
            words.append(word)
        elif words:
            words[-1] += word
    require(len(words) > 0, "text", text, "at least one letter a-z", remedy)
    return words


def _bytes_of_letters() -> dict[str, int]:
    """Byte of each letter that a byte-level BPE writes in its place (GPT-2's table).

    Printable Latin-1 letters stand for themselves, all other bytes for letters from U+0100 on, in order.
    """
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + i): byte for i, byte in enumerate(hidden)}


class TextTokenizer:
    """Byte-level BPE: any text has ids, and ids give back the same text."""

    _BYTES = _bytes_of_letters()

    def __init__(self, backend: Tokenizer) -> None:
        self.backend = backend
        ids = backend.get_vocab()
        self._byte_ids = {byte: ids[letter] + NUM_SPECIAL for letter, byte in self._BYTES.items()}

    @classmethod
    def train(cls, texts: Iterable[str], num_text: int) -> "TextTokenizer":
        """Learns at most `num_text` merges and bytes (at least the 256 bytes) from the texts."""
        require(
            num_text >= 256, "model.num_text", num_text, "at least 256", "A byte-level BPE holds every byte."
        )
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=num_text, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        )
        backend.train_from_iterator(texts, trainer)
        return cls(backend)

    @classmethod
    def load(cls, path: Path) -> "TextTokenizer":
        """The vocabulary in a file.

        Raises:
            ValueError: there is no such file, or it cannot be read.
        """
        require_file("text tokenizer", path)
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # tokenizers raises nothing narrower
            raise unreadable(path, str(error)) from error

    def save(self, path: Path) -> None:
        self.backend.save(str(path))

    def encode(self, text: str) -> list[int]:
        """Main-vocabulary ids; text such as `<end>` is plain text here, never a control id."""
        # encode() keeps the interpreter's lock, for seconds with a long text; a batch gives it up, but takes threads
        # that a fork would lose.
        is_long = len(text) > _LONG_TEXT
        encoding = self.backend.encode_batch([text])[0] if is_long else self.backend.encode(text)
        return [token + NUM_SPECIAL for token in encoding.ids]

    def spell_words(self, text: str) -> list[list[int]]:
        """Main-vocabulary ids of the single bytes of each of the spoken words (spoken_words), with no merges.

        Each word but the first begins with a space.

        Raises:
            ValueError: as spoken_words().
        """
        words = spoken_words(text)
        spaced = [words[0], *(" " + word for word in words[1:])]
        return [[self._byte_ids[byte] for byte in word.encode()] for word in spaced]

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of main-vocabulary text ids."""
        return self.backend.decode([token - NUM_SPECIAL for token in tokens])

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of one main-vocabulary text id; they may end inside a letter. Empty for an unused id."""
        letters = self.backend.id_to_token(token - NUM_SPECIAL) or ""
        return bytes(self._BYTES[letter] for letter in letters)
