"""Times of day, days, dates and durations: how people say them, and the normalised value.

A choice is (words, value). Bare hours without a half of the day stand for the morning and are said for 5 to 11 only, so
that every request has one reading.
"""

from typing import Final

from omni_audio.data.corpora.assistant.number_words import spell_number, spell_ordinal

Choice = tuple[str, str | int | float]

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
DAYS_IN_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
DAY_PATTERN: Final = f"^(today|tomorrow|{'|'.join(WEEKDAYS)}|(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))$"


def _minute_words(minute: int) -> str:
    return f"oh {spell_number(minute)}" if minute < 10 else spell_number(minute)


def _clock(hour: int, minute: int) -> list[str]:
    """How an hour of 1..12 and a minute are said, without the half of the day; the plainest first."""
    name, following = spell_number(hour), spell_number(hour % 12 + 1)
    if minute == 0:
        return [name]
    said = [f"{name} {_minute_words(minute)}"]
    if minute == 30:
        said.append(f"half past {name}")
    elif minute == 15:
        said.append(f"quarter past {name}")
    elif minute == 45:
        said.append(f"quarter to {following}")
    elif minute in (5, 10, 20, 25):
        said.append(f"{spell_number(minute)} past {name}")
    elif minute in (40, 50, 55):
        said.append(f"{spell_number(60 - minute)} to {following}")
    return said


def _half_words(hour: int) -> list[str]:
    if hour < 12:
        return ["a m", "in the morning"]
    if hour < 17:
        return ["p m", "in the afternoon"]
    return ["p m", "in the evening"] if hour < 21 else ["p m", "at night"]


def spoken_time(value: str) -> str:
    """The one way in which answers say a time "HH:MM": "07:30" is "seven thirty in the morning"."""
    return _SPOKEN_TIMES[value]


def _plain(hour: int, minute: int) -> str:
    if (hour, minute) in ((0, 0), (12, 0)):
        return "midnight" if hour == 0 else "noon"
    return f"{_clock((hour - 1) % 12 + 1, minute)[0]} {_half_words(hour)[-1]}"


_SPOKEN_TIMES = {
    f"{hour:02d}:{minute:02d}": _plain(hour, minute) for hour in range(24) for minute in range(60)
}


def _time_choices() -> tuple[Choice, ...]:
    """Explicit times only: with a half of the day, noon or midnight; full and round ones more often."""
    choices: list[Choice] = [("noon", "12:00"), ("midnight", "00:00")] * 6
    for hour in range(5, 24):
        for minute in range(60):
            weight = 8 if minute == 0 else 4 if minute % 15 == 0 else 2 if minute % 5 == 0 else 1
            for clock in _clock((hour - 1) % 12 + 1, minute):
                crosses_noon = " to twelve" in clock and hour == 11
                halves = [] if crosses_noon else _half_words(hour)
                choices += [(f"{clock} {half}", f"{hour:02d}:{minute:02d}") for half in halves] * weight
    return tuple(choices)


def _bare_choices() -> tuple[Choice, ...]:
    """Morning times without a half of the day."""
    choices: list[Choice] = []
    for hour in range(5, 12):
        for minute in range(0, 60, 5):
            weight = 4 if minute == 0 else 2 if minute % 15 == 0 else 1
            choices += [(clock, f"{hour:02d}:{minute:02d}") for clock in _clock(hour, minute)] * weight
    return tuple(choices)


EXPLICIT_TIMES: Final = _time_choices()
BARE_TIMES: Final = _bare_choices()

DAY_NAMES: Final[tuple[Choice, ...]] = tuple((day, day) for day in (*("today", "tomorrow") * 4, *WEEKDAYS))


def _dates() -> tuple[Choice, ...]:
    dates: list[Choice] = []
    for month, (name, num_days) in enumerate(zip(MONTHS, DAYS_IN_MONTH, strict=True), 1):
        for day in range(1, num_days + 1):
            value = f"{month:02d}-{day:02d}"
            dates += [(f"{name} {spell_ordinal(day)}", value), (f"the {spell_ordinal(day)} of {name}", value)]
    return tuple(dates)


DATES: Final = _dates()
WHEN: Final[tuple[Choice, ...]] = (
    *(("today", "today"), ("tomorrow", "tomorrow")) * 20,
    *((f"on {day}", day) for day in WEEKDAYS * 8),
    *((f"on {words}", value) for words, value in DATES[::3]),
)
"""Days as adverbs: "tomorrow", "on friday", "on the third of may"."""


def spoken_day(value: str) -> str:
    """A day as a name: "tomorrow", "friday", "may third"."""
    if "-" not in value:
        return value
    month, day = map(int, value.split("-"))
    return f"{MONTHS[month - 1]} {spell_ordinal(day)}"


def spoken_when(value: str) -> str:
    """A day as an adverb: "tomorrow", "on friday", "on may third"."""
    return value if value in ("today", "tomorrow") else f"on {spoken_day(value)}"


def spoken_duration(seconds: int) -> str:
    """A duration in hours, minutes and seconds: 5400 is "one hour and thirty minutes"."""
    parts = []
    for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{spell_number(count)} {unit}{'' if count == 1 else 's'}")
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _durations() -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    spoken: list[Choice] = []
    compound: list[Choice] = []
    counts = ((1, "second", range(5, 100)), (60, "minute", range(1, 91)), (3600, "hour", range(1, 13)))
    for size, unit, values in counts:
        for value in values:
            weight = 6 if value % 5 == 0 or value < 5 else 1
            weight = weight if unit != "second" else max(1, weight // 3)
            word = spell_number(value)
            spoken += [(f"{word} {unit}{'' if value == 1 else 's'}", size * value)] * weight
            compound += [(f"{word} {unit}", size * value)] * weight
    odd = (
        ("half an hour", 1800), ("an hour", 3600), ("a minute", 60), ("a minute and a half", 90),
        ("an hour and a half", 5400), ("two and a half hours", 9000), ("three quarters of an hour", 2700),
        ("a quarter of an hour", 900), ("two and a half minutes", 150), ("half a minute", 30),
    )  # fmt: skip
    spoken += [choice for choice in odd for _ in range(5)]
    for hours in (1, 2, 3):
        for minutes in range(5, 60, 5):
            words = (
                f"{spell_number(hours)} hour{'' if hours == 1 else 's'} and {spell_number(minutes)} minutes"
            )
            spoken.append((words, 3600 * hours + 60 * minutes))
    for minutes in range(1, 10):
        for seconds in range(10, 60, 10):
            unit = "minute" if minutes == 1 else "minutes"
            words = f"{spell_number(minutes)} {unit} and {spell_number(seconds)} seconds"
            spoken.append((words, 60 * minutes + seconds))
    return tuple(spoken), tuple(compound)


DURATIONS, COMPOUND_DURATIONS = _durations()
