"""Spoken numbers, times, days and durations, held against independent readers of them."""

import re

import pytest
from whisper_normalizer.english import EnglishNumberNormalizer

from omni_audio.data.corpora.assistant.clock_words import (
    BARE_TIMES,
    COMPOUND_DURATIONS,
    DATES,
    DURATIONS,
    EXPLICIT_TIMES,
    WHEN,
    spoken_day,
    spoken_duration,
    spoken_time,
    spoken_when,
)
from omni_audio.data.corpora.assistant.number_words import (
    join_words,
    spell_decimal,
    spell_digits,
    spell_letters,
    spell_number,
    spell_ordinal,
)
from omni_audio.data.corpora.assistant.replies import reply_to
from omni_audio.data.corpora.assistant.replies_queries import compute
from omni_audio.data.corpora.assistant.slots import with_article, with_articles
from omni_audio.data.corpora.commands_slots import CorpusError

to_digits = EnglishNumberNormalizer()
UNITS = {"second": 1, "minute": 60, "hour": 3600}
NAMES = {
    "half an hour": 1800,
    "a quarter of an hour": 900,
    "three quarters of an hour": 2700,
    "half a minute": 30,
    "a minute and a half": 90,
    "an hour and a half": 5400,
    "two and a half hours": 9000,
    "two and a half minutes": 150,
}


def number_of(words: str) -> int:
    return 1 if words == "one" else int(to_digits(words))  # the normaliser leaves a lone "one" as it is


def seconds_of(words: str) -> int:
    """Reads a duration by another road than the corpus writes it."""
    if words in NAMES:
        return NAMES[words]
    words = re.sub(r"\ban? (?=hour|minute|second)", "one ", words)
    found = re.findall(r"([a-z ]+?) (second|minute|hour)s?\b(?: and |, |$)?", words)
    return sum(number_of(count.strip()) * UNITS[unit] for count, unit in found)


def minutes_of(words: str) -> int:
    """Reads a time of day as minutes after midnight; without a half of the day it is the morning."""
    if words in ("noon", "midnight"):
        return 720 if words == "noon" else 0
    half = re.search(r" (a m|p m|in the morning|in the afternoon|in the evening|at night)$", words)
    clock = words[: half.start()] if half else words
    if past := re.fullmatch(r"(\w+(?: \w+)?) (past|to) (\w+)", clock):
        named = {"half": 30, "quarter": 15}.get(past[1])
        minute = named if named is not None else number_of(past[1])
        total = 60 * number_of(past[3]) + (minute if past[2] == "past" else -minute)
    else:
        hour, _, minute_words = clock.partition(" ")
        total = 60 * number_of(hour) + (number_of(minute_words.replace("oh ", "")) if minute_words else 0)
    total %= 720
    return total + (720 if half and half[1] not in ("a m", "in the morning") else 0)


def test_numbers_are_those_that_an_independent_reader_reads() -> None:
    for number in [*range(1200), *range(1200, 100_000, 37), *range(100_000, 1_000_000, 9973), 999_999]:
        assert number_of(spell_number(number)) == number


def test_numbers_by_hand() -> None:
    assert spell_number(1205) == "one thousand two hundred five"
    assert spell_decimal(-2.5) == "minus two point five"
    assert spell_decimal(3.05) == "three point zero five"
    assert spell_decimal(4.0) == "four"
    assert spell_digits("507", "oh") == "five oh seven"
    assert spell_letters("mary ann") == "m a r y a n n"
    assert join_words(["milk"]) == "milk"
    assert join_words(["milk", "eggs", "tea"]) == "milk, eggs and tea"
    assert [spell_ordinal(n) for n in (1, 12, 20, 31)] == ["first", "twelfth", "twentieth", "thirty first"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: spell_number(-1),
        lambda: spell_number(1_000_000),
        lambda: spell_decimal(1.234),
        lambda: spell_ordinal(0),
        lambda: spell_digits("12a"),
        lambda: reply_to("dance", {}, None, "train"),
    ],
)
def test_what_cannot_be_said_is_refused(call) -> None:
    with pytest.raises(CorpusError):
        call()


def test_times_are_those_that_an_independent_reader_reads() -> None:
    for words, value in {*EXPLICIT_TIMES, *BARE_TIMES}:
        hour, minute = map(int, str(value).split(":"))
        assert minutes_of(words) == 60 * hour + minute, words
    assert len({value for _, value in EXPLICIT_TIMES}) > 1000
    for hour in range(24):
        for minute in range(60):
            assert minutes_of(spoken_time(f"{hour:02d}:{minute:02d}")) == 60 * hour + minute


def test_bare_times_are_of_the_morning_only() -> None:
    assert {int(str(value)[:2]) for _, value in BARE_TIMES} == set(range(5, 12))


def test_words_for_times_have_one_meaning() -> None:
    meaning: dict[str, set[object]] = {}
    for words, value in (*EXPLICIT_TIMES, *BARE_TIMES, *DURATIONS, *COMPOUND_DURATIONS, *WHEN, *DATES):
        meaning.setdefault(words, set()).add(value)
    assert all(len(values) == 1 for values in meaning.values())


def test_durations_are_those_that_an_independent_reader_reads() -> None:
    for words, value in {*DURATIONS, *COMPOUND_DURATIONS}:
        assert seconds_of(words) == value, words
    for seconds in (1, 59, 60, 61, 3600, 3601, 5400, 86_399):
        assert seconds_of(spoken_duration(seconds)) == seconds


def test_days_are_said_as_names_and_adverbs() -> None:
    assert spoken_day("03-21") == "march twenty first"
    assert [spoken_when(day) for day in ("today", "friday", "05-03")] == [
        "today",
        "on friday",
        "on may third",
    ]
    months = {words.split()[0]: value[:2] for words, value in DATES if not words.startswith("the ")}
    assert len(months) == 12
    assert len({value for _, value in DATES}) == 365


def test_articles() -> None:
    assert with_articles("set a eight minute timer") == "set an eight minute timer"
    assert with_articles("set a one minute timer") == "set a one minute timer"
    assert with_articles("at seven a m on a friday") == "at seven a m on a friday"
    assert with_article("eye exam") == "an eye exam"
    assert with_article("coffee with sam") == "coffee with sam"


def test_conversions_and_sums_are_right() -> None:
    def convert(value: float, unit: str, to_unit: str) -> float:
        call = {"value": value, "from_unit": unit, "to_unit": to_unit}
        return reply_to("convert_units", call, None, "train")[0]["value"]

    assert convert(5, "miles", "kilometers") == 8.05
    assert convert(12, "inches", "feet") == 1
    assert convert(3, "hours", "minutes") == 180
    assert convert(2, "pounds", "grams") == 907
    assert convert(2, "gallons", "liters") == 7.57
    assert [compute(7, name, 2) for name in ("add", "subtract", "multiply", "divide")] == [9, 5, 14, 3.5]
    answer = reply_to("calculate", {"left": 7, "operation": "divide", "right": 3}, None, "train")
    assert answer == ({"value": 2.33}, "seven divided by three is about two point three three.")
