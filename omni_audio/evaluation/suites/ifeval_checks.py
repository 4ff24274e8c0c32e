"""The instructions of IFEval that code can check without a model of language: 20 of its 25 kinds.

Each check follows the definition of the paper's program, counting included, so that figures compare. Left out, because
they need a language identifier or a tokenizer with trained data: LEFT_OUT. An item that holds one of these is not
asked at all.

Source: Zhou et al. 2023, "Instruction-following evaluation for large language models".
"""

import json
import re
import string
from collections.abc import Callable, Mapping
from typing import Any, Final

LEFT_OUT: Final = (
    "language:response_language",
    "length_constraints:number_sentences",
    "change_case:capital_word_frequency",
    "change_case:english_capital",
    "change_case:english_lowercase",
)
CONSTRAINED_REPLIES: Final = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
Settings = Mapping[str, Any]


def _related(count: int, relation: str, number: int) -> bool:
    if relation not in ("at least", "less than"):
        raise ValueError(
            f"relation = {relation!r} is not allowed: expected 'at least' or 'less than'. Download again."
        )
    return count >= number if relation == "at least" else count < number


def _keyword_frequency(reply: str, given: Settings) -> bool:
    count = len(re.findall(given["keyword"], reply, re.IGNORECASE))
    return _related(count, given["relation"], given["frequency"])


def _letter_frequency(reply: str, given: Settings) -> bool:
    count = reply.lower().count(given["letter"].lower())
    return _related(count, given["let_relation"], given["let_frequency"])


def _num_words(reply: str, given: Settings) -> bool:
    return _related(len(re.findall(r"\w+", reply)), given["relation"], given["num_words"])


def _num_paragraphs(reply: str, given: Settings) -> bool:
    """Paragraphs stand between lines of `***`; an empty one inside is a fault, at the ends it is not there."""
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", reply)]
    inside = parts[1:-1]
    return all(inside) and sum(map(bool, parts)) == given["num_paragraphs"]


def _first_word(reply: str, given: Settings) -> bool:
    """The nth paragraph, split at empty lines, begins with the word."""
    paragraphs = reply.split("\n\n")
    place = given["nth_paragraph"]
    num = sum(bool(paragraph.strip()) for paragraph in paragraphs)
    if place > num or not paragraphs[place - 1].strip():
        return False
    word = paragraphs[place - 1].split()[0].lstrip("'\"").lower()
    word = re.split(r"[.,?!'\"]", word)[0]
    return num == given["num_paragraphs"] and word == given["first_word"].lower()


def _postscript(reply: str, given: Settings) -> bool:
    marker: str = given["postscript_marker"].strip()
    forms = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(forms.get(marker, re.escape(marker.lower())), reply.lower()) is not None


def _bullets(reply: str, given: Settings) -> bool:
    stars = re.findall(r"^\s*\*[^*].*$", reply, re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", reply, re.MULTILINE)
    return len(stars) + len(dashes) == given["num_bullets"]


def _highlights(reply: str, given: Settings) -> bool:
    single = [part for part in re.findall(r"\*[^\n*]*\*", reply) if part.strip("*").strip()]
    double = [part for part in re.findall(r"\*\*[^\n*]*\*\*", reply) if part[2:-2].strip()]
    return len(single) + len(double) >= given["num_highlights"]


def _sections(reply: str, given: Settings) -> bool:
    splitter = r"\s?" + given["section_spliter"].strip() + r"\s?\d+\s?"
    return len(re.split(splitter, reply)) - 1 >= given["num_sections"]


def _json(reply: str, given: Settings) -> bool:
    text = reply.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _title(reply: str, given: Settings) -> bool:
    return any(found.lstrip("<").rstrip(">").strip() for found in re.findall(r"<<[^\n]+>>", reply))


def _two_responses(reply: str, given: Settings) -> bool:
    parts = [part.strip() for part in reply.split("******")]
    answers = [part for part in parts if part]
    return all(parts[1:-1]) and len(answers) == 2 and answers[0] != answers[1]


def _forbidden(reply: str, given: Settings) -> bool:
    return not any(re.search(rf"\b{word}\b", reply, re.IGNORECASE) for word in given["forbidden_words"])


def _quoted(reply: str, given: Settings) -> bool:
    text = reply.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


CHECKS: Final[dict[str, Callable[[str, Settings], bool]]] = {
    "keywords:existence": lambda reply, given: all(
        re.search(word, reply, re.IGNORECASE) for word in given["keywords"]
    ),
    "keywords:frequency": _keyword_frequency,
    "keywords:forbidden_words": _forbidden,
    "keywords:letter_frequency": _letter_frequency,
    "length_constraints:number_words": _num_words,
    "length_constraints:number_paragraphs": _num_paragraphs,
    "length_constraints:nth_paragraph_first_word": _first_word,
    "detectable_content:number_placeholders": lambda reply, given: (
        len(re.findall(r"\[.*?\]", reply)) >= given["num_placeholders"]
    ),
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": lambda reply, given: any(
        answer in reply for answer in CONSTRAINED_REPLIES
    ),
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": _title,
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": lambda reply, given: (
        reply.strip().lower().startswith(given["prompt_to_repeat"].strip().lower())
    ),
    "startend:end_checker": lambda reply, given: (
        reply.strip().strip('"').lower().endswith(given["end_phrase"].strip().lower())
    ),
    "startend:quotation": _quoted,
    "punctuation:no_comma": lambda reply, given: "," not in reply,
}
"""Kind of instruction -> (reply, its settings) -> whether it was followed."""


def follows(kind: str, reply: str, given: Settings) -> bool:
    """Whether a reply follows an instruction; an empty one follows none.

    Raises:
        ValueError: the kind is not one that is checked, or a setting is missing.
    """
    if kind not in CHECKS:
        raise ValueError(
            f"instruction = {kind!r} is not allowed: expected one of {sorted(CHECKS)}. Leave the item out."
        )
    try:
        return bool(reply.strip(string.whitespace)) and CHECKS[kind](reply, given)
    except KeyError as error:
        raise ValueError(
            f"{kind}: kwargs lack {error}: expected its settings. Download the file again."
        ) from error
