"""Loads what a suite asks: a whole build, or one that holds a tokenizer alone."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from omni_audio.checks import NotAllowedError
from omni_audio.evaluation.assistant_subject import AssistantSubject
from omni_audio.evaluation.subject import TextAnswer
from omni_audio.evaluation.suites.base import Request, SuiteSubject
from omni_audio.evaluation.suites.build_subject import BuildSubject
from omni_audio.model.build import MODEL_WEIGHTS, load_tokenizer
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant.config import NF4Config


class TokenizerSubject:
    """A build without a network: it can be measured as a codec, and answers nothing."""

    def __init__(self, tokenizer: AudioTokenizer, build: Path) -> None:
        self.tokenizer, self._build = tokenizer, build

    def transcribe(self, requests: Iterable[Tensor]) -> list[str]:
        """Refuses."""
        raise self._refusal()

    def say(self, texts: Iterable[str], takes: int) -> list[Tensor]:
        """Refuses."""
        raise self._refusal()

    def reply(self, requests: Iterable[Request]) -> list[TextAnswer]:
        """Refuses."""
        raise self._refusal()

    def _refusal(self) -> NotAllowedError:
        remedy = "Name a whole build, or run suite=codec."
        return NotAllowedError("build", str(self._build), "a build with a network for this suite", remedy)


def open_build(
    build: Path, weight_quant: str, device: torch.device | str = "cpu", nf4: NF4Config | None = None
) -> SuiteSubject:
    """The build in memory of a device.

    Raises:
        ValueError: the folder is no whole build; see AssistantSubject.load.
    """
    if not (build / MODEL_WEIGHTS).is_file():
        return TokenizerSubject(load_tokenizer(build).to(device), build)
    return BuildSubject(AssistantSubject.load(build, weight_quant, device=device, nf4=nf4))
