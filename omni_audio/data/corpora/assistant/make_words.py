"""Items whose answer is words: facts, small talk, and requests that no offered tool fits."""

import random

from omni_audio.data.corpora.assistant.instructions import Answer
from omni_audio.data.corpora.assistant.item import Turn
from omni_audio.data.corpora.assistant.make_instructions import draw_fact, offer_for_talk
from omni_audio.data.corpora.assistant.parts import TOOL_WORDINGS, Draft, fill_request, offer, polite
from omni_audio.data.corpora.assistant.replies import CANNOT
from omni_audio.data.corpora.assistant.slots import fill, pick, with_articles
from omni_audio.data.corpora.assistant.small_talk import SMALL_TALK, UNSERVED
from omni_audio.data.corpora.assistant.tools import AREA_OF_TOOL, TOOL_NAMES, UNRELATED_TOOLS
from omni_audio.data.corpora.commands_slots import pick_stably


def make_fact(split: str, rng: random.Random) -> Draft:
    """A question of the closed list of facts."""
    fact = draw_fact(split, rng)
    turn = Turn(user=polite(fact.question, fact.template, rng), answer=Answer(fact.sentence))
    return Draft("facts", (fact.template.template_id,), (), offer_for_talk(rng), (turn,))


def make_small_talk(split: str, rng: random.Random) -> Draft:
    """Small talk of the closed list of topics."""
    talk = pick(SMALL_TALK, rng)
    template = pick(talk.wordings[split], rng)
    slot = pick(tuple(talk.answers), rng)
    text = with_articles(template.text.format(slot=slot)) if slot else template.text
    turn = Turn(user=polite(text, template, rng, with_suffix=False), answer=Answer(talk.answers[slot]))
    return Draft("small_talk", (template.template_id,), (), offer_for_talk(rng), (turn,))


def make_no_tool(split: str, rng: random.Random) -> Draft:
    """A request whose tool is not offered, or that no tool serves; the answer says so."""
    if rng.random() < 0.4:
        talk = pick(UNSERVED, rng)
        template = pick(talk.wordings[split], rng)
        filled = fill(template, split, rng)
        tool, area, answer, tools = "", "unserved", talk.answers[""], offer((), TOOL_NAMES, rng)
        text, values = filled.text, filled.values
    else:
        tool = pick(TOOL_NAMES, rng)
        template = pick(TOOL_WORDINGS[tool][split], rng)
        request = fill_request(tool, template, split, rng)
        area, text, values = AREA_OF_TOOL[tool], request.text, request.values
        cannot = CANNOT[area]
        wordings = (f"sorry, i can't {cannot} here.", f"i'm afraid i can't {cannot}.")
        answer = pick_stably(wordings, tool, *request.call.arguments.items())
        tools = offer((), UNRELATED_TOOLS[tool], rng)
    turn = Turn(user=polite(text, template, rng), answer=Answer(answer), refuses=True, wanted=tool)
    return Draft(area, (template.template_id,), values, tools, (turn,))
