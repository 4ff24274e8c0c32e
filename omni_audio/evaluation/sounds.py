"""Sound files beside the results: a few shown in full, and the worst items of each kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from omni_audio.audio.io import load_audio, write_flac
from omni_audio.evaluation.items import EvalItem
from omni_audio.evaluation.results import Results, Sample
from omni_audio.evaluation.speech import Spoken

FOLDER = "sounds"
NUM_WORST = 6
NUM_SHOWN = 3
MADE_BY_MODEL = ("say", "say_unseen", "reply", "resynthesis", "request_resynthesis")


def worst(samples: Sequence[Sample], kind: str, num: int = NUM_WORST) -> list[Sample]:
    """The samples of a kind that went wrong, worst first; ties by item id."""
    wrong = [(sample.score, sample) for sample in samples if sample.kind == kind and sample.score]
    return [sample for _, sample in sorted(wrong, key=lambda pair: (-pair[0], pair[1].item_id))[:num]]


def write_sounds(
    results: Results,
    items: Sequence[EvalItem],
    made: Mapping[str, Spoken],
    output: Path,
    human_folder: Path | None = None,
) -> None:
    """Writes FLAC files and names them in the samples: a few of each made kind, the worst of every kind.

    Args:
        results: its samples get `sounds`; samples of sounds that no judge heard are added without a score.
        items: the scored items.
        made: kind -> sounds made by the model.
        output: the results folder; files go to its `sounds` folder.
        human_folder: where the human clips lie.
    """
    by_id = {item.cut.id: item for item in items}
    (output / FOLDER).mkdir(parents=True, exist_ok=True)
    for kind in ("transcribe", "tool", "answer"):
        for sample in worst(results.samples, kind):
            keep_sound(sample, "request", by_id[sample.item_id].pcm(), output)
    if human_folder is not None:
        for sample in worst(results.samples, "human"):
            keep_sound(sample, "clip", load_audio(human_folder / sample.item_id), output)
    for kind in MADE_BY_MODEL:
        spoken = made.get(kind)
        if spoken is None:
            continue
        chosen = {sample.item_id for sample in worst(results.samples, kind)}
        for index, item in enumerate(spoken.items):
            if index >= NUM_SHOWN and item.cut.id not in chosen:
                continue
            sample = spoken_sample(results, kind, spoken, index)
            if spoken.inputs:
                keep_sound(sample, "input", spoken.inputs[index], output)
            keep_sound(sample, "output", spoken.pcms[index], output)


def spoken_sample(results: Results, kind: str, spoken: Spoken, index: int) -> Sample:
    """The sample of a sound; one without a score is added where no judge heard it."""
    item = spoken.items[index]
    for sample in results.samples:
        if sample.kind == kind and sample.item_id == item.cut.id:
            return sample
    sample = Sample(
        kind=kind,
        item_id=item.cut.id,
        voice=item.voice,
        wanted=spoken.texts[index],
        got=None,
        score=None,
    )
    results.samples.append(sample)
    return sample


def keep_sound(sample: Sample, label: str, pcm_S: Tensor, output: Path) -> None:
    """Writes (S,) samples as 16-bit FLAC; nothing for an empty clip."""
    if pcm_S.numel() == 0:
        return
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in sample.item_id)
    name = f"{FOLDER}/{sample.kind}-{safe}-{label.replace(' ', '-')}.flac"
    write_flac(output / name, pcm_S.clamp(-1.0, 1.0))
    sample.sounds[label] = name
