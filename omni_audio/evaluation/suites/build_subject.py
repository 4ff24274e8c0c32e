"""A build as the public suites ask it."""

from collections.abc import Iterable, Iterator
from typing import Final

import torch
from torch import Tensor

from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.subject import TextAnswer
from omni_audio.evaluation.suites.base import Request
from omni_audio.model.answers import answer_all
from omni_audio.model.assistant import Role, Turn
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, TokenSequence
from omni_audio.model.tool_text import tools_text
from omni_audio.tokenizer.tokenizer import AudioTokenizer

MAX_TEXT_TOKENS: Final = 512


class BuildSubject:
    """Greedy transcripts, answers and calls of a build; its speech at the defaults of GenerationRequest.

    The names of tools stand in the system segment, as in training; their schemas hold the calls, as in the server.
    """

    def __init__(self, subject: AssistantSubject) -> None:
        self._subject, self._assistant = subject, subject.assistant

    @property
    def tokenizer(self) -> AudioTokenizer:
        """Of the build."""
        return self._assistant.tokenizer

    def transcribe(self, requests: Iterable[Tensor]) -> list[str]:
        """The words of each (S,) samples."""
        return self._subject.transcribe(requests)

    def say(self, texts: Iterable[str], takes: int) -> list[Tensor]:
        """(S,) samples of each text; empty where the build stays silent or cannot spell the text."""
        asked = list(texts)
        speakable = [text for text in asked if self._can_say(text)]
        said = iter(self._subject.say(speakable, takes))
        known = set(speakable)
        return [next(said) if text in known else torch.zeros(0) for text in asked]

    def reply(self, requests: Iterable[Request]) -> list[TextAnswer]:
        """Answers in text; calls are held to the schemas.

        A request whose schemas cannot be held to gets a call that does not parse, hence is wrong.
        """
        found: list[TextAnswer | None] = []
        asked = self._asked(requests, found)
        answers = iter(answer_all(self._assistant.model, asked, self._subject.num_slots))
        return [answer if answer is not None else self._taken(next(answers)) for answer in found]

    def _asked(
        self, requests: Iterable[Request], found: list[TextAnswer | None]
    ) -> Iterator[tuple[TokenSequence, GenerationRequest]]:
        of = self._assistant
        for request in requests:
            form = None
            if request.tools:
                try:
                    form = of.forms.call(request.tools)
                except ValueError as error:
                    found.append(TextAnswer("", (f"not offered: {error}",), False))
                    continue
            found.append(None)
            named = tools_text(list(request.tools)) if request.tools else None
            system = "\n".join(text for text in (named, request.system) if text)
            turns = [Turn(role=Role.SYSTEM, text=system)] if system else []
            if isinstance(request.said, str):
                turns.append(Turn(role=Role.USER, text=request.said))
            else:
                turns.append(Turn(role=Role.USER, pcm_S=request.said.to(of.model.device)))
            generation = GenerationRequest(
                mode=Mode.REPLY_TEXT,
                tools=bool(request.tools),
                max_calls=of.max_calls,
                call_form=form,
                max_text_tokens=MAX_TEXT_TOKENS,
            )
            yield of.prompt(turns, Mode.REPLY_TEXT), generation

    def _taken(self, answer) -> TextAnswer:
        decode = self._assistant.text.decode
        calls = tuple(decode(call) for call in answer.calls)
        return TextAnswer(decode(answer.text_ids).strip(), calls, answer.stopped)

    def _can_say(self, text: str) -> bool:
        try:
            self._assistant.text.spell_words(text)
        except ValueError:
            return False
        return True
