"""Test items read from a corpus: the request with its sound, the key, the wanted answer."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lhotse import CutSet, MonoCut, Recording
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require, require_file
from omni_audio.data.corpora.manifests import CorpusPaths
from omni_audio.evaluation.tools import Call, key_of


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalItem:
    """One spoken request and what is due.

    Attributes:
        item_id: of the corpus; one item may be spoken by several voices.
        template_id: the wording; held out of training.
        domain: topic of the request.
        voice: who speaks it; held out of training.
        request: its text.
        answer: the spoken answer where the tools are offered and have run.
        plain_answer: the answer where no tools are offered.
        key: the call that is due where the tools are offered; None: none is due.
        cut: the lhotse cut with the sounds.
    """

    item_id: str
    template_id: str
    domain: str
    voice: str
    request: str
    answer: str
    plain_answer: str
    key: Call | None
    cut: MonoCut

    def pcm(self) -> Tensor:
        """The spoken request, (S,) 16 kHz samples."""
        return _samples(self.cut.load_audio(), self.cut.sampling_rate, self.cut.id)

    def answer_pcm(self) -> Tensor:
        """The recorded answer, (S,) 16 kHz samples."""
        recording: Recording = (self.cut.custom or {})["answer_recording"]
        return _samples(recording.load_audio(), recording.sampling_rate, recording.id)


def manifest_path(corpus: Path, split: str) -> Path:
    """Where a corpus keeps the cuts of a split."""
    return CorpusPaths.in_folder(corpus).cuts(split)


def load_items(corpus: Path, split: str, num_items: int | None, seed: int) -> list[EvalItem]:
    """Draws items of a split, all of them for None; for one seed the first n of a longer draw are the draw of n.

    Raises:
        ValueError: no manifest, fewer cuts than asked for, or a cut without the fields of this corpus.
    """
    path = manifest_path(corpus, split)
    require_file("corpus manifest", path)
    cuts = sorted(CutSet.from_file(path), key=lambda cut: cut.id)
    require(
        num_items is None or num_items <= len(cuts),
        "num_items",
        num_items,
        f"at most {len(cuts)}, the cuts of {path}",
        "Lower num_items, or make a larger corpus.",
    )
    random.Random(seed).shuffle(cuts)
    return [_item(cut) for cut in cuts[:num_items]]


def seen_in_training(corpus: Path, items: list[EvalItem], train_split: str = "train") -> dict[str, int]:
    """How many of these items share a voice, a template, a request text or an answer text with training.

    Raises:
        ValueError: the corpus has no manifest of the training split.
    """
    path = manifest_path(corpus, train_split)
    require_file("training manifest", path)
    seen: dict[str, set[str]] = {"voice": set(), "template": set(), "request": set(), "answer": set()}
    for cut in CutSet.from_file(path):
        custom: dict[str, Any] = cut.custom or {}
        seen["voice"].add(cut.supervisions[0].speaker)
        seen["request"].add(cut.supervisions[0].text)
        seen["template"].add(custom["template_id"])
        seen["answer"].add(custom["answer"])
    return {
        "items": len(items),
        "voice": sum(item.voice in seen["voice"] for item in items),
        "template": sum(item.template_id in seen["template"] for item in items),
        "request": sum(item.request in seen["request"] for item in items),
        "answer": sum(item.answer in seen["answer"] for item in items),
    }


def answers_seen(corpus: Path, items: Sequence[EvalItem]) -> int:
    """How many of these items have an answer that some request of the training split has.

    Raises:
        ValueError: the corpus has no manifest of the training split.
    """
    path = manifest_path(corpus, "train")
    require_file("training manifest", path)
    known = {(cut.custom or {})["answer"] for cut in CutSet.from_file(path)}
    return sum(item.answer in known for item in items)


def _item(cut: Any) -> EvalItem:
    custom: dict[str, Any] = cut.custom or {}
    for name in ("item_id", "template_id", "domain", "answer", "plain_answer"):
        require(
            name in custom,
            f"cut {cut.id}: custom",
            sorted(custom),
            f"fields that include {name}",
            "Make the corpus with this version's recipe.",
        )
    supervision = cut.supervisions[0]
    return EvalItem(
        item_id=custom["item_id"],
        template_id=custom["template_id"],
        domain=custom["domain"],
        voice=supervision.speaker,
        request=supervision.text,
        answer=custom["answer"],
        plain_answer=custom["plain_answer"],
        key=key_of(custom.get("tool_call")),
        cut=cut,
    )


def _samples(audio: Any, rate_hz: int, name: str) -> Tensor:
    require(
        rate_hz == SAMPLE_RATE_HZ,
        f"sampling rate of {name}",
        rate_hz,
        f"{SAMPLE_RATE_HZ} Hz",
        "Resample the corpus when it is made.",
    )
    return torch.from_numpy(audio[0]).float()
