"""What the tokenizer hears: every recording of a corpus split as a cut with its words, and any other lhotse cuts."""

import gzip
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lhotse import CutSet, MonoCut
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require, require_file
from omni_audio.data.corpora.manifests import (
    CorpusPaths,
    each_cut,
    facts_of,
    load_cuts,
    load_drills,
    whole_cut,
)


@dataclass(kw_only=True, slots=True)
class SpeechCutsConfig:
    """Further speech for the tokenizer's own training: lhotse cuts of any sampling rate, with words or without.

    Attributes:
        train, dev: manifests (`*.jsonl`, `*.jsonl.gz`) of the two splits.
        with_corpus: whether the run's own corpus is heard too.
    """

    train: list[str] = field(default_factory=list)
    dev: list[str] = field(default_factory=list)
    with_corpus: bool = True

    def __post_init__(self) -> None:
        require(
            self.with_corpus or bool(self.train and self.dev),
            "data.speech_cuts.with_corpus",
            self.with_corpus,
            "true, or at least one manifest in data.speech_cuts.train and one in data.speech_cuts.dev",
            "Name the manifests, or leave the corpus in.",
        )

    @property
    def names_files(self) -> bool:
        """Whether there is speech besides the corpus."""
        return bool(self.train or self.dev)

    def facts(self) -> dict[str, Any]:
        """What a fingerprint and a card tell of it: the manifests and the SHA-256 of what stands in them.

        The sound itself is not read: a manifest names its recordings and their lengths.

        Raises:
            ValueError: a file is missing.
        """
        splits = {"train": self.train, "dev": self.dev}
        digests = {split: {path: _digest(path) for path in paths} for split, paths in splits.items()}
        return {"with_corpus": self.with_corpus, **digests}


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
            cuts[recording.id] = whole_cut(recording.id, recording, facts[text_field], "assistant")
    return list(cuts.values())


def speech_cuts(paths: CorpusPaths, split: str) -> CutSet:
    """Requests, distinct answers and drills of a split; drills belong to train."""
    requests = load_cuts(paths, split)
    drills = load_drills(paths) if split == "train" else []
    return CutSet.from_cuts([*each_cut(requests), *answer_cuts(requests), *drills])


def extra_cuts(paths: list[str]) -> list[MonoCut]:
    """Cuts of lhotse manifests, resampled to 16 kHz as they are read.

    Raises:
        ValueError: a file is missing, or a cut is not one channel of a recording.
    """
    cuts = []
    for path in paths:
        require_file("data.speech_cuts", Path(path))
        for cut in CutSet.from_file(path):
            require(
                isinstance(cut, MonoCut) and cut.has_recording,
                f"cut {cut.id} of {path}",
                type(cut).__name__,
                "a MonoCut with a recording",
                "Take one channel, and store mixed cuts as sound first (CutSet.save_audios).",
            )
            cuts.append(cut if cut.sampling_rate == SAMPLE_RATE_HZ else cut.resample(SAMPLE_RATE_HZ))
    return cuts


def tokenizer_cuts(paths: CorpusPaths, config: SpeechCutsConfig, split: str) -> CutSet:
    """All that the tokenizer's own training hears of a split, "train" or "dev"."""
    extra = extra_cuts({"train": config.train, "dev": config.dev}[split])
    own = each_cut(speech_cuts(paths, split)) if config.with_corpus else ()
    return CutSet.from_cuts([*own, *extra])


def _digest(path: str) -> str:
    """SHA-256 of a manifest's text, packed or not."""
    require_file("data.speech_cuts", Path(path))
    packed = Path(path).read_bytes()
    return hashlib.sha256(gzip.decompress(packed) if path.endswith(".gz") else packed).hexdigest()
