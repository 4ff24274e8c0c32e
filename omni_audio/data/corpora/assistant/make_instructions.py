"""Items with instructions that code can check, and the questions that they are put to."""

import random
from collections.abc import Callable
from typing import Final, NamedTuple

from omni_audio.data.corpora.assistant.facts import FACT_GROUPS, MEMBERS, STATEMENTS
from omni_audio.data.corpora.assistant.instructions import FASTER, SLOWER, Answer, Instruction
from omni_audio.data.corpora.assistant.item import Turn
from omni_audio.data.corpora.assistant.make_calls import ACTION_TOOLS
from omni_audio.data.corpora.assistant.number_words import join_words, spell_letters, spell_number
from omni_audio.data.corpora.assistant.parts import (
    TOOL_WORDINGS,
    Draft,
    fill_request,
    offer,
    polite,
    turn_with_call,
)
from omni_audio.data.corpora.assistant.replies_queries import compute
from omni_audio.data.corpora.assistant.slots import fill, pick, with_articles
from omni_audio.data.corpora.assistant.tools import (
    AREA_OF_TOOL,
    FAMILY_OF_TOOL,
    TOOL_NAMES,
)
from omni_audio.data.corpora.assistant.values import OPEN_VALUES, first_names
from omni_audio.data.corpora.assistant.wordings import Template
from omni_audio.data.corpora.assistant.wordings_instructions import INSTRUCTION_WORDINGS
from omni_audio.data.corpora.assistant.wordings_manner import MANNER_WORDINGS, SYSTEM_WORDINGS

OPENERS: Final = ("well", "sure", "okay", "right", "alright", "listen", "so", "look")
CLOSERS: Final = (
    "my friend",
    "okay",
    "that's it",
    "goodbye",
    "thank you",
    "over and out",
    "my dear",
    "for sure",
)
ACKNOWLEDGEMENTS: Final = ("done", "okay", "yes", "ready", "sure", "roger")
TIMES_WORDS: Final = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}
OF_SO_MANY_WORDS: Final = {
    2: "hello there.",
    3: "how are you?",
    4: "i am right here.",
    5: "it is nice to talk.",
    6: "i hope you are doing well.",
    7: "i am always happy to help you.",
    8: "it is a good day to learn something.",
}
"""Answers by their number of words."""
_WORDINGS = {**INSTRUCTION_WORDINGS, **MANNER_WORDINGS}
_COUNTS = tuple(OF_SO_MANY_WORDS)
_BANNED = ("the", "is", "of", "are", "it's", "called", "has", "made", "comes")
_TALK_TOOLS = tuple(tool for tool in TOOL_NAMES if "arithmetic" not in FAMILY_OF_TOOL[tool])


class Fact(NamedTuple):
    """A question of the closed list with its answers."""

    question: str
    short: str
    sentence: str
    template: Template


class Said(NamedTuple):
    """A request with an instruction: words, due answer, what is checked, and where the words come from."""

    text: str
    answer: Answer
    instructions: tuple[Instruction, ...]
    template_ids: tuple[str, ...]
    values: tuple[tuple[str, str], ...] = ()


def draw_fact(split: str, rng: random.Random, *, one_word: bool = False) -> Fact:
    """A question in a wording of the split, at wish one whose short answer is one word."""
    while True:
        group = pick(FACT_GROUPS, rng)
        template = pick(group.wordings[split], rng)
        thing = pick(tuple(group.facts), rng)
        short = group.facts[thing]
        if one_word and " " in short:
            continue
        question = template.text.format(x=thing)
        question = with_articles(question) if "a {" in template.text else question
        sentence = with_articles(group.sentence.format(x=thing, a=short))
        return Fact(question, short, sentence, template)


def _asked(
    group: str, fact: Fact, split: str, rng: random.Random, **given: str
) -> tuple[str, tuple[str, ...]]:
    template = pick(_WORDINGS[group][split], rng)
    filled = fill(template, split, rng, {"question": fact.question, **given})
    return filled.text, (template.template_id, fact.template.template_id)


def _one_word(split: str, rng: random.Random) -> Said:
    fact = draw_fact(split, rng, one_word=True)
    text, ids = _asked("say-one_word", fact, split, rng)
    return Said(text, Answer(f"{fact.short}."), (Instruction("one_word"),), ids)


def _within(fact: Fact, number: int) -> str | None:
    """The fullest answer of at most so many words; None if there is none."""
    for text in (fact.sentence, f"{fact.short}."):
        if len(text.split()) <= number:
            return text
    return None


def _limited(split: str, rng: random.Random) -> tuple[Fact, int, str]:
    while True:
        fact, number = draw_fact(split, rng), 1 + int(rng.random() * 10)
        text = _within(fact, number)
        if text is not None:
            return fact, number, text


def _at_most_words(split: str, rng: random.Random) -> Said:
    fact, number, answer = _limited(split, rng)
    while number < 2:  # "one words" says nobody
        fact, number, answer = _limited(split, rng)
    words, over = spell_number(number), spell_number(number + 1)
    text, ids = _asked("say-at_most_words", fact, split, rng, num_words=words, over=over)
    return Said(text, Answer(answer), (Instruction("at_most_words", {"number": number}),), ids)


def _of_template(group: str, split: str, rng: random.Random, given: dict[str, str]) -> tuple[str, tuple[str]]:
    template = pick(_WORDINGS[group][split], rng)
    return polite(fill(template, split, rng, given).text, template, rng), (template.template_id,)


def _exactly_words(split: str, rng: random.Random) -> Said:
    number = pick(_COUNTS, rng)
    text, ids = _of_template("say-exactly_words", split, rng, {"num_words": spell_number(number)})
    check = (Instruction("exactly_words", {"number": number}),)
    return Said(text, Answer(OF_SO_MANY_WORDS[number]), check, ids)


def _spelling(group: str, slot: str, words: tuple[str, ...], split: str, rng: random.Random) -> Said:
    word = pick(words, rng)
    text, ids = _of_template(group, split, rng, {slot: word})
    letters = word[::-1] if group == "say-spell_backwards" else word
    check = (Instruction("spell", {"word": letters}),)
    return Said(text, Answer(f"{spell_letters(letters)}."), check, ids, ((slot, word),))


def _spell(split: str, rng: random.Random) -> Said:
    return _spelling("say-spell", "word", OPEN_VALUES["word"][split], split, rng)


def _spell_backwards(split: str, rng: random.Random) -> Said:
    return _spelling("say-spell_backwards", "word", OPEN_VALUES["word"][split], split, rng)


def _spell_name(split: str, rng: random.Random) -> Said:
    return _spelling("say-spell_name", "first_name", first_names(split), split, rng)


def _repeat(split: str, rng: random.Random) -> Said:
    phrase = pick(OPEN_VALUES["phrase"][split] + OPEN_VALUES["word"][split], rng)
    slot = "phrase" if phrase in OPEN_VALUES["phrase"][split] else "word"
    times = pick(tuple(TIMES_WORDS), rng)
    text, ids = _of_template("say-repeat", split, rng, {"phrase": phrase, "times": TIMES_WORDS[times]})
    answer = Answer(f"{', '.join([phrase] * times)}.")
    check = (Instruction("repeat", {"phrase": phrase, "times": times}),)
    return Said(text, answer, check, ids, ((slot, phrase),))


def _echo(split: str, rng: random.Random) -> Said:
    message = pick(OPEN_VALUES["message"][split], rng)
    template = pick(_WORDINGS["say-echo"][split], rng)
    text = fill(template, split, rng, {"message": message}).text
    check = (Instruction("only", {"text": message}),)
    return Said(text, Answer(f"{message}."), check, (template.template_id,), (("message", message),))


def _count(split: str, rng: random.Random) -> Said:
    template = pick(_WORDINGS["say-count"][split], rng)
    start = 2 + int(rng.random() * 20) if "start" in template.slots else 1
    stop = start + 2 + int(rng.random() * 9)
    step = 1
    if "by twos" in template.text:
        start, stop, step = 2, 2 * (3 + int(rng.random() * 8)), 2
    given = {"start": spell_number(start), "stop": spell_number(stop)}
    if "down" in template.text or "backwards" in template.text:
        start, stop, step = stop, start, -1
    text = polite(fill(template, split, rng, given).text, template, rng)
    numbers = range(start, stop + (1 if step > 0 else -1), step)
    answer = Answer(f"{', '.join(map(spell_number, numbers))}.")
    check = (Instruction("count", {"start": start, "stop": stop, "step": step}),)
    return Said(text, answer, check, (template.template_id,))


def _yes_or_no(split: str, rng: random.Random) -> Said:
    statement, truth = pick(STATEMENTS, rng)
    text, ids = _of_template("say-yes_or_no", split, rng, {"statement": statement})
    return Said(text, Answer(f"{truth}."), (Instruction("yes_or_no", {"truth": truth}),), ids)


def _begin_with(split: str, rng: random.Random) -> Said:
    fact, opener = draw_fact(split, rng), pick(OPENERS, rng)
    text, ids = _asked("say-begin_with", fact, split, rng, opener=opener)
    return Said(
        text, Answer(f"{opener}, {fact.sentence}"), (Instruction("begin_with", {"word": opener}),), ids
    )


def _end_with(split: str, rng: random.Random) -> Said:
    fact, closer = draw_fact(split, rng), pick(CLOSERS, rng)
    text, ids = _asked("say-end_with", fact, split, rng, closer=closer)
    answer = Answer(f"{fact.sentence[:-1]}, {closer}.")
    return Said(text, answer, (Instruction("end_with", {"word": closer}),), ids)


def _without_word(split: str, rng: random.Random) -> Said:
    while True:
        fact = draw_fact(split, rng)
        words = fact.sentence[:-1].split()
        banned = tuple(word for word in _BANNED if word in words and word not in fact.short.split())
        if banned:
            break
    word = pick(banned, rng)
    text, ids = _asked("say-without_word", fact, split, rng, banned=word)
    return Said(text, Answer(f"{fact.short}."), (Instruction("without_word", {"word": word}),), ids)


def _digits(split: str, rng: random.Random) -> Said:
    template = pick(_WORDINGS["say-digits"][split], rng)
    while True:
        filled = fill(template, split, rng)
        value = compute(filled.arguments["left"], filled.arguments["operation"], filled.arguments["right"])
        if value == int(value):
            break
    check = (Instruction("digits", {"value": int(value)}),)
    answer = Answer(str(int(value)), spoken=False)
    return Said(polite(filled.text, template, rng), answer, check, (template.template_id,), filled.values)


def _list_of(split: str, rng: random.Random) -> Said:
    category = pick(tuple(MEMBERS), rng)
    number = 2 + int(rng.random() * 5)
    text, ids = _of_template("say-list_of", split, rng, {"num": spell_number(number), "category": category})
    named = rng.sample(MEMBERS[category], number)
    check = (Instruction("list_of", {"number": number, "category": category}),)
    return Said(text, Answer(f"{join_words(named)}."), check, ids)


def _in_order(split: str, rng: random.Random) -> Said:
    words = rng.sample(OPEN_VALUES["word"][split], 3)
    said = f"{words[0]} {words[1]} and {words[2]}"
    text, ids = _of_template("say-in_order", split, rng, {"three_words": said})
    check = (Instruction("in_order", {"things": words}),)
    answer = Answer(f"{join_words(sorted(words))}.")
    return Said(text, answer, check, ids, tuple(("word", word) for word in words))


def _first_letter(split: str, rng: random.Random) -> Said:
    word = pick(OPEN_VALUES["word"][split], rng)
    text, ids = _of_template("say-first_letter", split, rng, {"word": word})
    check = (Instruction("only", {"text": word[0]}),)
    return Said(text, Answer(f"{word[0]}."), check, ids, (("word", word),))


def _num_letters(split: str, rng: random.Random) -> Said:
    word = pick(OPEN_VALUES["word"][split], rng)
    text, ids = _of_template("say-num_letters", split, rng, {"word": word})
    number = spell_number(len(word))
    return Said(text, Answer(f"{number}."), (Instruction("only", {"text": number}),), ids, (("word", word),))


def _in_mode(mode: str, text: str) -> Answer:
    return {
        "text_only": Answer(text, spoken=False),
        "slower": Answer(text, speed=SLOWER),
        "faster": Answer(text, speed=FASTER),
    }[mode]


def _mode(split: str, rng: random.Random) -> Said:
    mode = pick(("text_only", "slower", "faster"), rng)
    fact = draw_fact(split, rng)
    text, ids = _asked(f"say-{mode}", fact, split, rng)
    return Said(text, _in_mode(mode, fact.sentence), (Instruction(mode),), ids)


def _pair(split: str, rng: random.Random) -> Said:
    if rng.random() < 0.5:
        fact = draw_fact(split, rng, one_word=True)
        text, ids = _asked("pair-one_word-slower", fact, split, rng)
        answer = _in_mode("slower", f"{fact.short}.")
        return Said(text, answer, (Instruction("one_word"), Instruction("slower")), ids)
    fact, number, answer = _limited(split, rng)
    while number < 2:
        fact, number, answer = _limited(split, rng)
    text, ids = _asked("pair-at_most_words-text_only", fact, split, rng, num_words=spell_number(number))
    check = (Instruction("at_most_words", {"number": number}), Instruction("text_only"))
    return Said(text, _in_mode("text_only", answer), check, ids)


_SAYINGS: Final[tuple[Callable[[str, random.Random], Said], ...]] = (
    _one_word, _one_word, _at_most_words, _at_most_words, _exactly_words, _spell, _spell_name, _spell_backwards,
    _repeat, _echo, _count, _yes_or_no, _begin_with, _end_with, _without_word, _digits, _list_of, _in_order,
    _first_letter, _num_letters, _mode, _mode, _mode, _pair,
)  # fmt: skip


def offer_for_talk(rng: random.Random) -> tuple[str, ...]:
    """No tools in one of three cases; else some, but none that could work the question out."""
    return () if rng.random() < 0.33 else offer((), _TALK_TOOLS, rng)


def _said_item(split: str, rng: random.Random) -> Draft:
    said = pick(_SAYINGS, rng)(split, rng)
    turn = Turn(user=said.text, answer=said.answer, instructions=said.instructions)
    return Draft("instructions", said.template_ids, said.values, offer_for_talk(rng), (turn,))


def _again_item(split: str, rng: random.Random) -> Draft:
    """A question, then the same answer in another way."""
    way = pick(("slower", "faster", "text_only", "one_word"), rng)
    fact = draw_fact(split, rng, one_word=way == "one_word")
    template = pick(_WORDINGS[f"again-{way}"][split], rng)
    answer = Answer(f"{fact.short}.") if way == "one_word" else _in_mode(way, fact.sentence)
    turns = (
        Turn(user=polite(fact.question, fact.template, rng), answer=Answer(fact.sentence)),
        Turn(user=template.text, answer=answer, instructions=(Instruction(way),)),
    )
    ids = (fact.template.template_id, template.template_id)
    return Draft("instructions", ids, (), offer_for_talk(rng), turns)


def _system_item(split: str, rng: random.Random) -> Draft:
    """An instruction in the system text that holds for one or two questions."""
    group = pick(tuple(SYSTEM_WORDINGS), rng)
    kind = group.removeprefix("system-")
    template = pick(SYSTEM_WORDINGS[group][split], rng)
    word = pick(OPENERS if kind == "begin_with" else CLOSERS, rng)
    system = fill(template, split, rng, {"opener": word, "closer": word}).text
    with_word = kind in ("begin_with", "end_with")
    check = (Instruction(kind, {"word": word} if with_word else {}),)
    facts = [draw_fact(split, rng, one_word=True) for _ in range(1 if rng.random() < 0.5 else 2)]

    def answer_to(fact: Fact) -> Answer:
        if kind == "one_word":
            return Answer(f"{fact.short}.")
        if kind == "begin_with":
            return Answer(f"{word}, {fact.sentence}")
        if kind == "end_with":
            return Answer(f"{fact.sentence[:-1]}, {word}.")
        return _in_mode(kind, fact.sentence)

    turns = tuple(
        Turn(user=polite(fact.question, fact.template, rng), answer=answer_to(fact), instructions=check)
        for fact in facts
    )
    ids = (template.template_id, *(fact.template.template_id for fact in facts))
    return Draft("instructions", ids, (), offer_for_talk(rng), turns, f"{system}.")


_IMPERATIVES = {
    split: tuple(
        (tool, template)
        for tool in ACTION_TOOLS
        if tool not in ("send_message", "set_reminder")
        for template in TOOL_WORDINGS[tool][split]
        if template.imperative
    )
    for split in ("train", "dev", "test")
}


def _done_item(split: str, rng: random.Random) -> Draft:
    """A call, and one word as its answer."""
    while True:
        tool, template = pick(_IMPERATIVES[split], rng)
        request = fill_request(tool, template, split, rng)
        asked = turn_with_call("", request.call, split, rng)
        if asked.results[0].get("ok", False):
            break
    form = pick(_WORDINGS["say-done"][split], rng)
    word = pick(ACKNOWLEDGEMENTS, rng)
    turn = Turn(
        user=fill(form, split, rng, {"request": request.text, "ack": word}).text,
        calls=asked.calls,
        results=asked.results,
        answer=Answer(f"{word}."),
        instructions=(Instruction("only", {"text": word}),),
    )
    ids = (template.template_id, form.template_id)
    return Draft(AREA_OF_TOOL[tool], ids, request.values, offer((tool,), TOOL_NAMES, rng), (turn,))


def make_instruction(split: str, rng: random.Random) -> Draft:
    """An instruction that code can check: in the request, in a second turn, in the system text, or with a call."""
    draw = rng.random()
    if draw < 0.7:
        return _said_item(split, rng)
    if draw < 0.8:
        return _again_item(split, rng)
    return _system_item(split, rng) if draw < 0.9 else _done_item(split, rng)
