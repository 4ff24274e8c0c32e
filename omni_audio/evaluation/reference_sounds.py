"""Sounds of the suite `reference`: twenty to listen to, and the worst failures."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from omni_audio.evaluation.items import EvalItem
from omni_audio.evaluation.results import Results, Sample
from omni_audio.evaluation.sounds import FOLDER, keep_sound, spoken_sample, worst
from omni_audio.evaluation.speech import Spoken
from omni_audio.evaluation.speeds import BySpeed

SHOWN = {"say": 7, "reply": 7, "speed": 6}
"""How many of each kind are shown: twenty."""
NUM_FAILURES = 10


def worst_failures(samples: Sequence[Sample], num: int = NUM_FAILURES) -> list[Sample]:
    """Transcripts and turns of talks that went wrong, by turns, the worst of each kind first."""
    pairs = zip_longest(worst(samples, "transcribe", num), worst(samples, "tool", num))
    return [sample for sample in chain.from_iterable(pairs) if sample is not None][:num]


def write_reference_sounds(
    results: Results,
    items: Sequence[EvalItem],
    made: Mapping[str, Spoken],
    by_speed: BySpeed,
    output: Path,
) -> None:
    """Writes FLAC files and names them in the samples; samples of sounds that no judge heard are added.

    Args:
        results: its samples get `sounds`.
        items: the single turns.
        made: kind -> sounds made by the model, and the source voice's.
        by_speed: spoken texts by speed; the first one is shown.
        output: the results folder; files go to its `sounds` folder.
    """
    (output / FOLDER).mkdir(parents=True, exist_ok=True)
    by_id = {item.cut.id: item for item in items}
    for sample in worst_failures(results.samples):
        keep_sound(sample, "request", by_id[sample.item_id].pcm(), output)
    for index in range(min(SHOWN["say"], len(made["say"].items))):
        sample = spoken_sample(results, "say", made["say"], index)
        keep_sound(sample, "source voice", made["source"].pcms[index], output)
        keep_sound(sample, "build", made["say"].pcms[index], output)
    for index in range(min(SHOWN["reply"], len(made["reply"].items))):
        sample = spoken_sample(results, "reply", made["reply"], index)
        keep_sound(sample, "request", made["reply"].inputs[index], output)
        keep_sound(sample, "reply", made["reply"].pcms[index], output)
    for speed, sounds in by_speed.sounds.items():
        if speed != 1.0:
            sample = Sample(
                kind="speed",
                item_id=f"speed {speed:g}",
                voice="build",
                wanted=by_speed.texts[0],
                got=None,
                score=None,
            )
            results.samples.append(sample)
            keep_sound(sample, "build", sounds[0], output)
