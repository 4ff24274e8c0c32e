"""The networks that judge sound: each is there, or the reason why it is not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from omni_audio.checks import NotAllowedError
from omni_audio.evaluation.judge import Judge, load_judge
from omni_audio.evaluation.predicted_mos import DistillMos, Dnsmos, PredictedMos
from omni_audio.evaluation.speaker_similarity import SpeakerEncoder

if TYPE_CHECKING:
    from omni_audio.evaluation.harness import EvalConfig

Loaded = TypeVar("Loaded")


@dataclass(slots=True)
class Judges:
    """What hears the sound; a text in the place of a judge says why there is none.

    Attributes:
        words: recognises words.
        mos: predicted opinion scores by figure (`predicted_mos`, `distill_mos`).
        speaker: tells voices apart.
    """

    words: Judge | str
    mos: dict[str, PredictedMos | str]
    speaker: SpeakerEncoder | str

    @property
    def names(self) -> str:
        """Those that are there."""
        loaded = [self.words, *self.mos.values()]
        names = [judge.name for judge in loaded if not isinstance(judge, str)]
        return ", ".join([*names, *([] if isinstance(self.speaker, str) else ["resemblyzer"])]) or "none"


def load_judges(config: "EvalConfig") -> Judges:
    """Those whose packages are installed; the recogniser is the one that the config names.

    Raises:
        ValueError: `judge_folder` is no model.
    """
    if config.judge.value == "none":
        return Judges("judge is none", dict.fromkeys(MOS, "judge is none"), "judge is none")
    folder = None if config.judge_folder is None else Path(config.judge_folder)
    return Judges(
        _if_installed(lambda: _words(config, folder)),
        {figure: _if_installed(make) for figure, make in MOS.items()},
        _if_installed(SpeakerEncoder),
    )


def _words(config: "EvalConfig", folder: Path | None) -> Judge:
    judge = load_judge(config.judge, folder, config.judge_threads)
    assert judge is not None
    return judge


MOS: dict[str, Callable[[], PredictedMos]] = {"predicted_mos": Dnsmos, "distill_mos": DistillMos}


def _if_installed(make: Callable[[], Loaded]) -> Loaded | str:
    try:
        return make()
    except NotAllowedError as error:
        if error.name == "judge_folder":
            raise
        return str(error)
