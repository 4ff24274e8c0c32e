"""English words and names, the commonest first: what drills hold beyond the words of a domain.

Who hears only a domain's words guesses a name that is new as one that is known. The list is that of the package
symspellpy (MIT; words of SCOWL with their counts in Google's books).
"""

import re
from collections.abc import Collection, Iterable
from importlib import resources

from omni_audio.data.corpora.commands_slots import CorpusError

NUM_WORDS = 30_000
MIN_LETTERS = 2
_LIST = "frequency_dictionary_en_82_765.txt"


def english_words(without: Collection[str] = ()) -> list[str]:
    """The NUM_WORDS commonest of them in small letters.

    Args:
        without: words that must not be among them: what only held-out texts say.

    Raises:
        CorpusError: the package symspellpy is missing.
    """
    try:
        text = (resources.files("symspellpy") / _LIST).read_text(encoding="utf-8-sig")
    except ModuleNotFoundError:
        remedy = "pip install 'omni-audio[corpus]', or set drill_words_share to 0"
        raise CorpusError(
            "drill_words_share", "above 0", "0 without the package symspellpy", remedy
        ) from None
    words = [line.split(" ", 1)[0] for line in text.splitlines()]
    known = [word for word in words if len(word) >= MIN_LETTERS and word.isascii() and word.isalpha()]
    return [word for word in known[:NUM_WORDS] if word not in without]


def words_of_texts(texts: Iterable[str]) -> set[str]:
    """Every word of some texts, in small letters."""
    return {word for text in texts for word in re.findall(r"[a-z']+", text.lower())}
