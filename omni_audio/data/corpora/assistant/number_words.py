"""Numbers, letters and ordinals as they are spoken: lower-case words without hyphens."""

from typing import Final

from omni_audio.data.corpora.commands_slots import CorpusError, spell

MAX_NUMBER: Final = 999_999
_FIRST_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
    "nineteenth",
)  # fmt: skip


def spell_number(number: int) -> str:
    """Spells an integer of 0..999999: 1205 is "one thousand two hundred five".

    Raises:
        CorpusError: outside the range.
    """
    if not 0 <= number <= MAX_NUMBER:
        raise CorpusError("number", number, f"0..{MAX_NUMBER}", "spell a smaller number")
    if number < 100:
        return spell(number)
    for size, word in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            count, rest = divmod(number, size)
            return f"{spell_number(count)} {word}" + (f" {spell_number(rest)}" if rest else "")
    raise AssertionError(number)


def spell_decimal(value: float) -> str:
    """Spells a number of at most two decimal places: -2.5 is "minus two point five".

    Raises:
        CorpusError: the number has more places, or is too large.
    """
    places = f"{abs(value):.2f}".rstrip("0").rstrip(".")
    if abs(float(places) - abs(value)) > 1e-9:
        raise CorpusError("value", value, "at most two decimal places", "round it first")
    whole, _, fraction = places.partition(".")
    words = spell_number(int(whole)) + (f" point {spell_digits(fraction)}" if fraction else "")
    return f"minus {words}" if value < 0 else words


def spell_ordinal(number: int) -> str:
    """Spells the ordinal of 1..99: 21 is "twenty first".

    Raises:
        CorpusError: outside the range.
    """
    if not 1 <= number <= 99:
        raise CorpusError("number", number, "1..99", "spell a smaller ordinal")
    if number < 20:
        return _FIRST_ORDINALS[number - 1]
    tens, ones = divmod(number, 10)
    if ones:
        return f"{spell(10 * tens)} {_FIRST_ORDINALS[ones - 1]}"
    return spell(number)[:-1] + "ieth"


def spell_digits(digits: str, zero: str = "zero") -> str:
    """Says digits one by one: "507" is "five zero seven".

    Args:
        digits: digits 0-9 only.
        zero: the word for 0; people also say "oh".

    Raises:
        CorpusError: another sign stands in the digits.
    """
    if not digits.isdecimal():
        raise CorpusError("digits", digits, "digits 0-9", "leave other signs out")
    return " ".join(zero if digit == "0" else spell(int(digit)) for digit in digits)


def spell_letters(word: str) -> str:
    """Says a word letter by letter: "lee" is "l e e"; blanks are not said."""
    return " ".join(word.replace(" ", ""))


def join_words(parts: list[str]) -> str:
    """An enumeration: "milk, eggs and bread"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
