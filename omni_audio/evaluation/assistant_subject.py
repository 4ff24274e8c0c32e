"""A build under test: the scorers' questions put to its Assistant."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.evaluation.memory import WeightBytes, count_weights
from omni_audio.evaluation.subject import EncodedAudio, SpokenAnswer, TextAnswer
from omni_audio.model.assistant import Assistant, Role, Turn, WeightQuant
from omni_audio.model.generate import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioCodes


class AssistantSubject:
    """Greedy text and tool calls; sound at the sampling defaults of GenerationRequest, its seed fixed.

    Args:
        assistant: the build in memory.
        tools: names offered with each request that may need one.
    """

    def __init__(self, assistant: Assistant, tools: Sequence[str]) -> None:
        self.assistant, self.tools = assistant, list(tools)

    @classmethod
    def load(
        cls,
        build: Path,
        weight_quant: str,
        tools: Sequence[str] = tuple(TOOLS),
        device: torch.device | str = "cpu",
    ) -> "AssistantSubject":
        """Reads a build onto a device; `weight_quant` is none or nf4.

        Raises:
            ValueError: the folder is no whole build.
        """
        return cls(Assistant.load(build, WeightQuant(weight_quant), device=device), tools)

    def transcribe(self, pcm_S: Tensor) -> str:
        """The words of (S,) samples."""
        return self.assistant.transcribe(pcm_S)

    def answer_text(self, request: Tensor | str) -> TextAnswer:
        """The answer in text to a spoken (S,) or written request, all tools offered."""
        turn = Turn(role=Role.USER)
        if isinstance(request, str):
            turn.text = request
        else:
            turn.pcm_S = request
        generation = GenerationRequest(mode=Mode.REPLY_TEXT, tools=True)
        reply = self.assistant.reply([turn], generation, self.tools)
        return TextAnswer(reply.text.strip(), tuple(reply.tool_calls))

    def answer_speech(self, pcm_S: Tensor) -> SpokenAnswer:
        """The spoken answer to a spoken request, no tools offered."""
        turn = Turn(role=Role.USER, pcm_S=pcm_S)
        reply = self.assistant.reply([turn], GenerationRequest(mode=Mode.REPLY_AUDIO))
        return SpokenAnswer(reply.text.strip(), reply.pcm_S, reply.first_audio_s)

    def say(self, text: str) -> Tensor:
        """(S,) samples that speak the text; empty where the model made none."""
        pcm_S = self.assistant.say(text).pcm_S
        return torch.zeros(0) if pcm_S is None else pcm_S

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
        """The same architecture and tokenizer with random model weights, in full precision."""
        of = self.assistant
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = OmniModel(of.model.config, of.tokenizer.config)
        model.frames.load_codebooks(of.tokenizer)
        control = Assistant(of.tokenizer, model.to(of.model.device), of.text, of.card)
        return AssistantSubject(control, self.tools)
