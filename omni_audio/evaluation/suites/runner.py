"""Runs a public suite on a build: checks what was asked for, measures, prints the table and one line of JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from omni_audio.checks import require
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.suite import Suite as SuiteName
from omni_audio.evaluation.suites.base import Suite, SuiteOptions, SuiteSubject
from omni_audio.evaluation.suites.bfcl import BFCL
from omni_audio.evaluation.suites.big_bench_audio import BigBenchAudio
from omni_audio.evaluation.suites.codec import CodecSuite
from omni_audio.evaluation.suites.common_voice import CommonVoice
from omni_audio.evaluation.suites.ifeval import IFEval
from omni_audio.evaluation.suites.librispeech import LibriSpeech
from omni_audio.evaluation.suites.seed_tts import SeedTTS
from omni_audio.evaluation.suites.voicebench import VoiceBench

SUITES: Final[dict[SuiteName, Suite]] = {
    SuiteName.librispeech: LibriSpeech(),
    SuiteName.common_voice: CommonVoice(),
    SuiteName.seed_tts: SeedTTS(),
    SuiteName.voicebench: VoiceBench(),
    SuiteName.big_bench_audio: BigBenchAudio(),
    SuiteName.bfcl: BFCL(),
    SuiteName.ifeval: IFEval(),
    SuiteName.codec: CodecSuite(),
}


def checked_parts(suite: SuiteName, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The parts that are run.

    Raises:
        ValueError: the suite has no such part, or none is named.
    """
    sheet = SUITES[suite].sheet
    if asked is None:
        return sheet.default_parts
    unknown = [part for part in asked if part not in sheet.parts]
    allowed = (
        f"parts of {suite.value}: {', '.join(sheet.parts)}" if sheet.parts else "nothing: it has no parts"
    )
    require(bool(asked) and not unknown, "suite_parts", list(asked), allowed, "Name some, or leave it out.")
    return tuple(dict.fromkeys(asked))


def run(suite: SuiteName, options: SuiteOptions, subject: SuiteSubject, record: dict[str, Any]) -> Results:
    """Measures; `record` says of what.

    Raises:
        ValueError: the folder, a file in it or an option is not right; the message says what to download.
    """
    adapter = SUITES[suite]
    sheet = adapter.sheet
    ok = sheet.takes_sounds or options.sounds is None
    require(ok, "suite_sounds", str(options.sounds), f"nothing for {suite.value}", "Leave it out.")
    results = Results(record=record | {"suite": suite.value, "parts": list(options.parts)})
    adapter(options, subject, results)
    return results


def require_folder(suite: SuiteName, folder: str | None) -> Path:
    """The folder of a test set.

    Raises:
        ValueError: it was not named, or is not there; the message says what to download.
    """
    sheet = SUITES[suite].sheet
    ok = folder is not None and Path(folder).is_dir()
    require(ok, "suite_folder", folder, f"the folder of {sheet.title}", sheet.remedy())
    assert folder is not None
    return Path(folder)


def last_line(results: Results) -> str:
    """One line of JSON: each figure by name, with its n and the ends of its 95 % interval."""
    line: dict[str, Any] = {"suite": results.record["suite"], "build": results.record.get("build")}
    line |= {figure.name: round(figure.value, 4) for figure in results}
    line["n"] = {figure.name: figure.n for figure in results}
    line["interval"] = {
        figure.name: [round(figure.low, 4), round(figure.high, 4)]
        for figure in results
        if figure.low is not None and figure.high is not None
    }
    line |= {name: results.record[name] for name in ("judge", "weight_quant") if name in results.record}
    return json.dumps(line, ensure_ascii=False, allow_nan=False)
