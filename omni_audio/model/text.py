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


def spoken_words(text: str) -> list[str]:
    """The words of a text; what holds no letter a-z (a number, a dash) stays with the word before it, or after it.

    Raises:
        ValueError: the text has no letter a-z.
    """
    remedy = "Give English words; spell numbers out."
    require(_has_letters(text), "text", text, "at least one letter a-z", remedy)
    words: list[str] = []
    for word in text.split():
        if words and not (_has_letters(word) and _has_letters(words[-1])):
            words[-1] += " " + word
        else:
            words.append(word)
    return words


def _has_letters(word: str) -> bool:
    return any(sign in CTC_ALPHABET and sign.isalpha() for sign in word.lower())


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
        return [token + NUM_SPECIAL for token in self.backend.encode(text).ids]

    def spell_words(self, text: str) -> list[list[int]]:
        """Main-vocabulary ids of the single UTF-8 bytes of each of the spoken words, with no merges.

        Each word but the first begins with a space, which stands for whatever blanks the text has there.

        Raises:
            ValueError: the text has no letter a-z.
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
