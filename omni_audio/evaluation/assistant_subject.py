"""A build under test: the scorers' questions put to its Assistant."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from omni_audio.checks import NotAllowedError
from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.evaluation.memory import WeightBytes, count_weights
from omni_audio.evaluation.subject import EncodedAudio, SpokenAnswer, TextAnswer, TimedAnswer
from omni_audio.model.answers import Answer, answer_all
from omni_audio.model.assistant import Assistant, Role, Turn, WeightQuant
from omni_audio.model.build import packed_config
from omni_audio.model.generate import GenerationRequest
from omni_audio.model.sequence import Mode, TokenSequence
from omni_audio.model.takes import best_take, requests_for_takes
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioCodes
from omni_audio.weight_quant.config import NF4Config

CONTROL_TEXT_TOKENS = 64
"""Random weights never come to an end by themselves; requests, calls and answers of the corpus are shorter."""


class AssistantSubject:
    """Greedy text and tool calls; sound at the sampling defaults of GenerationRequest, its seed fixed.

    Args:
        assistant: the build in memory.
        tools: names offered with each request that may need one.
        num_slots: streams answered at once where many are asked.
        max_text_tokens: where transcripts and answers in text are cut.
    """

    def __init__(
        self, assistant: Assistant, tools: Sequence[str], num_slots: int = 32, max_text_tokens: int = 256
    ) -> None:
        self.assistant, self.tools = assistant, list(tools)
        self.num_slots, self.max_text_tokens = num_slots, max_text_tokens

    @classmethod
    def load(
        cls,
        build: Path,
        weight_quant: str,
        tools: Sequence[str] = tuple(TOOLS),
        device: torch.device | str = "cpu",
        nf4: NF4Config | None = None,
    ) -> "AssistantSubject":
        """Reads a build onto a device; `weight_quant` is none, nf4 or int4, and `nf4` how NF4 packs it.

        Raises:
            ValueError: the folder is no whole build, or holds 4-bit weights and they are to be measured as full ones.
        """
        wanted = WeightQuant(weight_quant)
        if wanted is WeightQuant.NONE:
            stored = packed_config(build)
            if stored is not None:
                allowed = f"{stored.key} for an {stored.title} build"
                remedy = f"Set eval.weight_quant={stored.key}: there is nothing to compare it with."
                raise NotAllowedError("eval.weight_quant", weight_quant, allowed, remedy)
        settings = nf4 if wanted is WeightQuant.NF4 else None
        return cls(Assistant.load(build, wanted, settings, device=device), tools)

    def transcribe(self, requests: Iterable[Tensor]) -> list[str]:
        """The words of each (S,) samples."""
        generation = GenerationRequest(mode=Mode.TRANSCRIBE, max_text_tokens=self.max_text_tokens)
        return [self._text(answer) for answer in self._answers(requests, generation)]

    def answer_text(self, requests: Iterable[Tensor | str]) -> list[TextAnswer]:
        """The answers in text to spoken (S,) or written requests, all tools offered."""
        generation = GenerationRequest(
            mode=Mode.REPLY_TEXT,
            tools=True,
            call_form=self.assistant.forms.call({name: TOOLS[name]["parameters"] for name in self.tools}),
            max_text_tokens=self.max_text_tokens,
        )
        decode = self.assistant.text.decode
        return [
            TextAnswer(self._text(answer), tuple(decode(call) for call in answer.calls), answer.stopped)
            for answer in self._answers(requests, generation, self.tools)
        ]

    def answer_speech(self, requests: Iterable[Tensor]) -> list[SpokenAnswer]:
        """The spoken answers to spoken (S,) requests, no tools offered."""
        answers = self._answers(requests, GenerationRequest(mode=Mode.REPLY_AUDIO))
        return [SpokenAnswer(self._text(answer), answer.pcm(self.assistant.tokenizer)) for answer in answers]

    def say(self, texts: Iterable[str], takes: int) -> list[Tensor]:
        """(S,) samples that speak each text, the best of so many takes; empty where the model made none."""
        of, spoken = self.assistant, []

        def asked() -> Iterator[tuple[TokenSequence, GenerationRequest]]:
            for text in texts:
                spoken.append(text)
                prompt, request = of.ask_to_say(text)
                yield from ((prompt, take) for take in requests_for_takes(request, takes))

        answers = iter(answer_all(of.model, asked(), self.num_slots))
        best = [best_take(of.tokenizer, list(islice(answers, takes)), text) for text in spoken]
        return [answer.pcm(of.tokenizer) for answer in best]

    def answer_alone(self, pcm_S: Tensor) -> TimedAnswer:
        """The spoken answer to one (S,) request, streamed with nothing beside it."""
        reply = self.assistant.reply([_turn(pcm_S)], GenerationRequest(mode=Mode.REPLY_AUDIO))
        return TimedAnswer(torch.zeros(0) if reply.pcm_S is None else reply.pcm_S, reply.first_audio_s)

    def _answers(
        self, requests: Iterable[Tensor | str], generation: GenerationRequest, tools: list[str] | None = None
    ) -> list[Answer]:
        asked = (
            (self.assistant.prompt([_turn(request)], generation.mode, tools), generation)
            for request in requests
        )
        return answer_all(self.assistant.model, asked, self.num_slots)

    def _text(self, answer: Answer) -> str:
        return self.assistant.text.decode(answer.text_ids).strip()

    def encode(self, pcm_S: Tensor) -> EncodedAudio:
        """Codes of (S,) samples; bits as emitted, each code at the whole bits of its codebook."""
        codes = self.assistant.tokenizer.encode(pcm_S[None].to(self.assistant.model.device))
        config = self.assistant.tokenizer.config
        _, num_frames, num_codebooks = codes.acoustic_BFK.shape
        bits_a_frame = num_codebooks * (config.vq.codebook_size - 1).bit_length()
        bits_a_frame += (config.semantic.num_codes - 1).bit_length()
        return EncodedAudio(codes, num_frames, num_frames * bits_a_frame)

    def decode(self, encoded: EncodedAudio) -> Tensor:
        """(S,) samples of codes."""
        assert isinstance(encoded.codes, AudioCodes)
        return self.assistant.tokenizer.decode(encoded.codes.acoustic_BFK)[0].cpu()

    def weights(self) -> WeightBytes:
        """Tokenizer and model weights as loaded."""
        return count_weights(self.assistant.tokenizer, self.assistant.model)

    def untrained(self, seed: int) -> "AssistantSubject":
        """The same architecture and tokenizer with random model weights, in full precision; its texts are cut."""
        of = self.assistant
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = OmniModel(of.model.config, of.tokenizer.config)
        model.load_codebooks(of.tokenizer)
        control = Assistant(of.tokenizer, model.to(of.model.device), of.text, of.card)
        return AssistantSubject(control, self.tools, self.num_slots, CONTROL_TEXT_TOKENS)


def _turn(request: Tensor | str) -> Turn:
    """A user's turn of sound (S,) or text."""
    if isinstance(request, str):
        return Turn(role=Role.USER, text=request)
    return Turn(role=Role.USER, pcm_S=request)
