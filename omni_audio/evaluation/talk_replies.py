"""A build's replies to the turns of talks, each turn asked with the due turns before it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor
from tqdm import tqdm

from omni_audio.data.corpora.assistant.instructions import Answer
from omni_audio.data.corpora.assistant.item import AssistantItem
from omni_audio.data.corpora.assistant.item import Turn as DueTurn
from omni_audio.data.corpora.assistant.tools import ASSISTANT_TOOLS
from omni_audio.data.corpora.talks import result_text
from omni_audio.evaluation.assistant_scores import GivenTurn
from omni_audio.model.answers import answer_all
from omni_audio.model.assistant import Assistant
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, TokenSequence
from omni_audio.model.text_form import TextForm
from omni_audio.model.tool_text import append_calls, tool_call_text
from omni_audio.tokenizer.tokenizer import AudioCodes

MAX_CALLS = 3
"""A reply that still calls tools then ends without an answer; no turn is due more than two."""
Sound = Callable[[int], Tensor]
"""What the user says in a turn of a talk, (S,)."""


@dataclass(slots=True)
class _Asked:
    """One turn on its way: what led to it, the calls that came, the answer once it is there."""

    item: AssistantItem
    number: int
    heard: list[AudioCodes] | None
    rounds: list[list[str]] = field(default_factory=list)
    """The calls of each answer."""
    answer: str | None = None

    @property
    def due(self) -> DueTurn:
        return self.item.turns[self.number]

    @property
    def calls(self) -> list[str]:
        return [call for calls in self.rounds for call in calls]

    def take(self, text: str, calls: list[str]) -> None:
        """The next part of the reply: calls, of which the results come next, or the answer."""
        self.rounds.append(calls)
        if not calls:
            self.answer = text
        elif len(self.calls) > min(len(self.due.results), MAX_CALLS):
            self.answer = ""  # no result is known that such a call could have


def ask_talks(
    assistant: Assistant,
    items: Sequence[AssistantItem],
    sounds: Sequence[Sound] | None,
    num_slots: int,
    max_text_tokens: int,
    label: str,
) -> list[list[GivenTurn]]:
    """Greedy replies in text to every turn of every talk, the item's tools offered, each call held to their schemas.

    A call, right or wrong, is answered with the result that is due at its place.

    Args:
        assistant: the build in memory.
        items: the talks.
        sounds: of each talk the sound of its turns; None types them instead.
        num_slots: replies at once.
        max_text_tokens: where a reply is cut.
        label: of the progress bar.
    """
    asked: list[list[_Asked]] = []
    for item, sound in zip(items, sounds or [None] * len(items), strict=True):
        heard = None
        if sound is not None:
            pcm = (sound(number)[None].to(assistant.model.device) for number in range(len(item.turns)))
            heard = [assistant.tokenizer.encode(pcm_BS) for pcm_BS in pcm]
        asked.append([_Asked(item, number, heard) for number in range(len(item.turns))])
    forms: dict[tuple[str, ...], TextForm] = {}
    waiting = [turn for turns in asked for turn in turns]
    with tqdm(total=len(waiting), desc=label, unit="turn") as bar:
        while waiting:
            prompts: Iterator[tuple[TokenSequence, GenerationRequest]] = (
                (_prompt(assistant, turn), _request(assistant, turn.item.tools, forms, max_text_tokens))
                for turn in waiting
            )
            for turn, reply in zip(waiting, answer_all(assistant.model, prompts, num_slots), strict=True):
                decode = assistant.text.decode
                turn.take(decode(reply.text_ids).strip(), [decode(call) for call in reply.calls])
            still = [turn for turn in waiting if turn.answer is None]
            bar.update(len(waiting) - len(still))
            waiting = still
    return [[GivenTurn(Answer(turn.answer or ""), tuple(turn.calls)) for turn in turns] for turns in asked]


def _request(
    assistant: Assistant, tools: tuple[str, ...], forms: dict[tuple[str, ...], TextForm], max_text_tokens: int
) -> GenerationRequest:
    if not tools:
        return GenerationRequest(mode=Mode.REPLY_TEXT, max_text_tokens=max_text_tokens)
    if tools not in forms:
        forms[tools] = assistant.forms.call({name: ASSISTANT_TOOLS[name]["parameters"] for name in tools})
    return GenerationRequest(
        mode=Mode.REPLY_TEXT,
        tools=True,
        max_calls=MAX_CALLS if assistant.learnt_parallel_calls else 1,
        call_form=forms[tools],
        max_text_tokens=max_text_tokens,
    )


def _prompt(assistant: Assistant, asked: _Asked) -> TokenSequence:
    builder = assistant.builder()
    if asked.item.system_text:
        builder.system(asked.item.system_text)
    for number, turn in enumerate(asked.item.turns[: asked.number + 1]):
        if asked.heard is None:
            builder.user_text(turn.user)
        else:
            builder.user_audio(asked.heard[number])
        if number == asked.number:
            break
        calls, results = [tool_call_text(call.name, call.arguments) for call in turn.calls], _results(turn)
        in_one_answer = assistant.learnt_parallel_calls
        append_calls(builder, Mode.REPLY_TEXT, calls, results, in_one_answer=in_one_answer)
        builder.assistant(Mode.REPLY_TEXT).answer_text(turn.answer.text).end()
    results = _results(asked.due)
    for calls in asked.rounds:
        given, results = results[: len(calls)], results[len(calls) :]
        append_calls(builder, Mode.REPLY_TEXT, calls, given, in_one_answer=True)
    return builder.assistant(Mode.REPLY_TEXT).build()


def _results(turn: DueTurn) -> list[str]:
    """What is due to the calls of a turn, in order."""
    return [result_text(result) for result in turn.results]
