"""Every recording of a corpus split as a cut with its words: what the tokenizer hears."""

import torch
from lhotse import CutSet, MonoCut, SupervisionSegment
from torch import Tensor

from omni_audio.data.corpora.manifests import CorpusPaths, each_cut, facts_of, load_cuts

ANSWER_FIELDS = {"answer": "answer_recording", "plain_answer": "plain_answer_recording"}


def pcm_of(cut: MonoCut) -> Tensor:
    """The sound of a cut, (S,) 16 kHz samples.

    Raises:
        ValueError: the cut has no sound.
    """
    audio = cut.load_audio()
    if audio is None:
        raise ValueError(f"cut {cut.id} has no recording: expected one. Build the corpus again.")
    return torch.from_numpy(audio[0]).float()


def answer_cuts(requests: CutSet) -> list[MonoCut]:
    """One cut for each distinct answer recording that the requests name, text in its supervision."""
    cuts: dict[str, MonoCut] = {}
    for request in each_cut(requests):
        facts = facts_of(request)
        for text_field, recording_field in ANSWER_FIELDS.items():
            recording = facts[recording_field]
            if recording.id in cuts:
                continue
            words = SupervisionSegment(
                id=recording.id,
                recording_id=recording.id,
                start=0.0,
                duration=recording.duration,
                text=facts[text_field],
                language="en",
                speaker="assistant",
            )
            cuts[recording.id] = MonoCut(
                id=recording.id,
                start=0.0,
                duration=recording.duration,
                channel=0,
                recording=recording,
                supervisions=[words],
            )
    return list(cuts.values())


def speech_cuts(paths: CorpusPaths, split: str) -> CutSet:
    """Requests and distinct answers of a split."""
    requests = load_cuts(paths, split)
    return CutSet.from_cuts([*each_cut(requests), *answer_cuts(requests)])
