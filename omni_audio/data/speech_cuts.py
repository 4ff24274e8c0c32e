"""Every recording of a corpus split as a cut with its words: what the tokenizer hears."""

from lhotse import CutSet, MonoCut, SupervisionSegment

from omni_audio.data.corpora.manifests import CorpusPaths, load_cuts

ANSWER_FIELDS = {"answer": "answer_recording", "plain_answer": "plain_answer_recording"}


def answer_cuts(requests: CutSet) -> list[MonoCut]:
    """One cut for each distinct answer recording that the requests name, text in its supervision."""
    cuts: dict[str, MonoCut] = {}
    for request in requests:
        for text_field, recording_field in ANSWER_FIELDS.items():
            recording = getattr(request, recording_field)
            if recording.id in cuts:
                continue
            words = SupervisionSegment(
                id=recording.id,
                recording_id=recording.id,
                start=0.0,
                duration=recording.duration,
                text=request.custom[text_field],
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
    return CutSet.from_cuts([*requests, *answer_cuts(requests)])
