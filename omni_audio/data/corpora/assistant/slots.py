"""Slots of templates: which words fill them in which split, and which argument of a call they decide."""

import random
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from omni_audio.data.corpora.assistant.clock_words import (
    BARE_TIMES,
    COMPOUND_DURATIONS,
    DAY_NAMES,
    DURATIONS,
    EXPLICIT_TIMES,
    WHEN,
    spoken_duration,
    spoken_time,
    spoken_when,
)
from omni_audio.data.corpora.assistant.number_words import (
    spell_decimal,
    spell_digits,
    spell_letters,
    spell_number,
)
from omni_audio.data.corpora.assistant.tools import COLORS, GENRES, MEASURES, MODES, UNIT_FACTORS
from omni_audio.data.corpora.assistant.values import OPEN_VALUES, first_names
from omni_audio.data.corpora.assistant.wordings import Template
from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.commands_templates import SPLITS
from omni_audio.data.corpora.commands_tools import ROOMS

Arguments = dict[str, Any]
Drawn = tuple[str, Any]
"""The words of a slot, and the value of its argument."""
Draw = Callable[[random.Random, str, Arguments], Drawn]

HELD_OUT_CLASSES: Final = {"train": (0, 1, 2, 3, 4, 5, 6, 7), "dev": (8,), "test": (9,)}
"""Numbers that are not closed classes fall into ten classes, of which the splits share none: `number_class`."""
OPERATION_WORDS: Final = {
    "add": "plus",
    "subtract": "minus",
    "multiply": "times",
    "divide": "divided by",
}
_COUNT_NOUNS = (
    "appointment", "meeting", "lesson", "haircut", "interview", "party", "inspection", "review", "exam",
    "viewing", "match", "session", "picnic", "change", "play", "visit", "call", "tournament", "test",
    "recital", "fitting", "course", "flight", "night", "rehearsal", "evening", "barbecue", "kickoff",
)  # fmt: skip
_UNIT_OF_MEASURE = {unit: units for units in MEASURES.values() for unit in units}
_VOWEL = re.compile(r"\ba (?=[aeio](?!ne\b))")


class Slot(NamedTuple):
    """One slot.

    Attributes:
        argument: the argument that it decides; None: none; "*": several, its value is a dict.
        draw: draws words and value.
        kind: the kind of open-class values that its words come from, "" for closed classes.
    """

    argument: str | None
    draw: Draw
    kind: str = ""


class Filled(NamedTuple):
    """A template with its slots filled.

    Attributes:
        text: the words.
        arguments: of the call.
        values: the words of each slot.
    """

    text: str
    arguments: Arguments
    values: tuple[tuple[str, str], ...]


def pick(options: tuple[Any, ...], rng: random.Random) -> Any:
    """One of the options; quicker than `rng.choice`."""
    return options[int(rng.random() * len(options))]


def number_class(*numbers: int) -> int:
    """The class 0..9 of one or two numbers."""
    return sum(number * factor for number, factor in zip(numbers, (7, 3), strict=False)) % 10


def with_articles(text: str) -> str:
    """Turns "a eight" into "an eight", and leaves "a one" alone."""
    return _VOWEL.sub("an ", text)


def _closed(choices: tuple[Drawn, ...]) -> Draw:
    return lambda rng, split, arguments: choices[int(rng.random() * len(choices))]


def _same(values: tuple[str, ...]) -> Draw:
    return _closed(tuple((value, value) for value in values))


def _open(kind: str) -> Draw:
    choices = {split: tuple((value, value) for value in OPEN_VALUES[kind][split]) for split in SPLITS}
    return lambda rng, split, arguments: choices[split][int(rng.random() * len(choices[split]))]


_FIRST_NAMES = {split: tuple((name, name) for name in first_names(split)) for split in SPLITS}
_PLAIN_EVENTS = {split: tuple((title, title) for title in OPEN_VALUES["event"][split]) for split in SPLITS}


def with_article(title: str) -> str:
    """An event as people have it: "a team meeting", "lunch with anna"."""
    head = title.split(" with ")[0].split(" to ")[0].split()[-1]
    return with_articles(f"a {title}") if head in _COUNT_NOUNS else title


_EVENTS = {
    split: tuple((with_article(title), title) for title in OPEN_VALUES["event"][split]) for split in SPLITS
}


def _time(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    return pick(BARE_TIMES if rng.random() < 0.3 else EXPLICIT_TIMES, rng)


def _percent_choices() -> tuple[tuple[str, int], ...]:
    common = [value for value in range(5, 101, 5) for _ in range(6)]
    return tuple((spell_number(value), value) for value in [*common, *range(1, 100)])


def _degree_choices() -> tuple[Drawn, ...]:
    whole = [(spell_number(value), value) for value in range(14, 28) for _ in range(3)]
    halves = [(f"{spell_number(value)} and a half", value + 0.5) for value in range(16, 25)]
    points = [(f"{spell_number(value)} point five", value + 0.5) for value in range(16, 25)]
    return (*whole, *halves, *points)


def _phone(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    """Six or seven digits; the sum of the digits decides the split."""
    digits = str(int(rng.random() * 9 * 10**5) + 10**5)[: 5 + int(rng.random() * 2)]
    wanted = pick(HELD_OUT_CLASSES[split], rng)
    digits += str((wanted - sum(map(int, digits))) % 10)
    return spell_digits(digits, "oh" if rng.random() < 0.5 else "zero"), digits


def _items(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    values = OPEN_VALUES["item"][split]
    chosen = rng.sample(values, 1 + int(rng.random() * 3))
    if len(chosen) == 1:
        return chosen[0], chosen
    return f"{' '.join(chosen[:-1])} and {chosen[-1]}", chosen


_QUANTITIES = {
    split: tuple(v for v in (*range(2, 60), *range(60, 1000, 7)) if number_class(v) in classes)
    for split, classes in HELD_OUT_CLASSES.items()
}


def _quantity(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    value = pick(_QUANTITIES[split], rng)
    unit = pick(tuple(_UNIT_OF_MEASURE), rng)
    return f"{spell_number(value)} {unit}", {"value": value, "from_unit": unit}


def _convertible(unit: str) -> tuple[str, ...]:
    """Other units of the measure that give neither tiny nor huge numbers."""
    low, high = _RATIOS
    return tuple(
        other
        for other in _UNIT_OF_MEASURE[unit]
        if other != unit and low <= UNIT_FACTORS[unit] / UNIT_FACTORS[other] <= high
    )


_RATIOS = (5e-4, 6000.0)
_CONVERTIBLE = {unit: _convertible(unit) for unit in _UNIT_OF_MEASURE}


def _to_unit(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    unit = pick(_CONVERTIBLE[arguments["from_unit"]], rng)
    return unit, unit


def _left(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    value = 2 + int(rng.random() * (98 if arguments.get("operation") != "divide" else 140))
    return spell_number(value), value


def _operation(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    operation = pick(("add", "add", "subtract", "multiply", "divide"), rng)
    return OPERATION_WORDS[operation], operation


def _right(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    """The second number; left and right together decide the split, so that no pair is in two."""
    left, operation = arguments["left"], arguments.get("operation", "add")
    low, high = (2, 21) if operation in ("multiply", "divide") else (2, 99)
    classes = HELD_OUT_CLASSES[split]
    while True:
        value = low + int(rng.random() * (high - low + 1))
        if number_class(left, value) in classes:
            return spell_number(value), value


def _letters(rng: random.Random, split: str, arguments: Arguments) -> Drawn:
    word = arguments.get("name") or arguments.get("word")
    word = word if word is not None else pick(_FIRST_NAMES[split], rng)[0]
    return spell_letters(word), word


_SMALL = tuple((spell_number(value), value) for value in range(2, 10))
SLOTS: Final[dict[str, Slot]] = {
    "time": Slot("time", _time),
    "clock": Slot("time", _closed(EXPLICIT_TIMES)),
    "when": Slot("day", _closed(WHEN)),
    "day": Slot("day", _closed(DAY_NAMES)),
    "on_day": Slot("day", _closed(tuple((spoken_when(str(value)), value) for _, value in DAY_NAMES))),
    "duration": Slot("seconds", _closed(DURATIONS)),
    "compound": Slot("seconds", _closed(COMPOUND_DURATIONS)),
    "label": Slot("label", _open("label"), "label"),
    "purpose": Slot("label", _open("purpose"), "purpose"),
    "city": Slot("city", _open("city"), "city"),
    "song": Slot("song", _open("song"), "song"),
    "artist": Slot("artist", _open("artist"), "artist"),
    "item": Slot("item", _open("item"), "item"),
    "items": Slot("items", _items),
    "task": Slot("task", _open("task"), "task"),
    "message": Slot("text", _open("message"), "message"),
    "event": Slot("title", lambda rng, split, arguments: pick(_PLAIN_EVENTS[split], rng), "event"),
    "an_event": Slot("title", lambda rng, split, arguments: pick(_EVENTS[split], rng)),
    "place": Slot("place", _open("place"), "place"),
    "name": Slot("name", _open("name"), "name"),
    "first_name": Slot("name", lambda rng, split, arguments: pick(_FIRST_NAMES[split], rng), "name"),
    "room": Slot("room", _same(ROOMS)),
    "the_room": Slot("room", _closed(tuple((f"the {room}", room) for room in ROOMS))),
    "state": Slot("state", _same(("on", "off"))),
    "percent": Slot("percent", _closed(_percent_choices())),
    "percents": Slot("percent", _closed(tuple((f"{w} percent", v) for w, v in _percent_choices()))),
    "color": Slot("color", _same(COLORS)),
    "degrees": Slot("temperature", _closed(_degree_choices())),
    "warm": Slot("temperature", _closed(tuple((spell_number(v), v) for v in range(20, 27)))),
    "degrees_said": Slot("temperature", _closed(tuple((f"{w} degrees", v) for w, v in _degree_choices()))),
    "fahrenheit": Slot("temperature", _closed(tuple((spell_number(v), v) for v in range(58, 83)))),
    "genre": Slot("genre", _same(GENRES)),
    "mode": Slot("mode", _same(tuple(mode for mode in MODES if mode != "foot"))),
    "phone": Slot("phone", _phone),
    "quantity": Slot("*", _quantity),
    "to_unit": Slot("to_unit", _to_unit),
    "left": Slot("left", _left),
    "operation": Slot("operation", _operation),
    "right": Slot("right", _right),
    "divisor": Slot("right", _right),
    "factor": Slot("right", _closed(_SMALL)),
    "letters": Slot(None, _letters),
    "num": Slot(None, _closed(_SMALL)),
    "word": Slot("word", _open("word"), "word"),
    "phrase": Slot("phrase", _open("phrase"), "phrase"),
}


def fill(template: Template, split: str, rng: random.Random, given: dict[str, str] | None = None) -> Filled:
    """Fills the slots of a template.

    Args:
        template: the wording.
        split: of the values.
        rng: of the draws.
        given: words of slots that are not drawn, with slots that `SLOTS` does not know among them.

    Raises:
        CorpusError: a slot is neither given nor known.
    """
    arguments: Arguments = dict(template.fixed)
    words: dict[str, str] = {}
    for name in template.slots:
        if given is not None and name in given:
            words[name] = given[name]
            continue
        slot = SLOTS.get(name)
        if slot is None:
            raise CorpusError("slot", name, f"one of {sorted(SLOTS)}", f"correct {template.template_id}")
        words[name], value = slot.draw(rng, split, arguments)
        if slot.argument == "*":
            arguments.update(value)
        elif slot.argument is not None:
            arguments[slot.argument] = value
    text = template.text.format_map(words) if words else template.text
    return Filled(with_articles(text) if "a {" in template.text else text, arguments, tuple(words.items()))


def draw_other(name: str, old: Any, split: str, rng: random.Random, arguments: Arguments) -> Drawn:
    """Words and value of a slot, another value than `old`."""
    slot = SLOTS[name]
    while True:
        drawn = slot.draw(rng, split, arguments)
        if drawn[1] != old:
            return drawn


SAID_AGAIN: Final[dict[str, Callable[[Any], str]]] = {
    "time": spoken_time,
    "day": spoken_when,
    "seconds": spoken_duration,
    "room": lambda room: f"the {room}",
    "percent": lambda value: f"{spell_number(value)} percent",
    "temperature": lambda value: f"{spell_decimal(value)} degrees",
    "phone": spell_digits,
    "items": lambda items: " and ".join(items),
}
"""How a later turn names the value of an argument; others are said as they stand."""


def said_again(argument: str, value: Any) -> str:
    """The words for the value of an argument of an earlier call."""
    return SAID_AGAIN.get(argument, str)(value)
