"""Clips that codecs are measured on: recorded people or synthetic voices, each with its words."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lhotse import CutSet
from torch import Tensor

from omni_audio.audio.io import load_audio
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require, require_file
from omni_audio.evaluation.items import manifest_path
from omni_audio.evaluation.speech import load_human_clips

MIN_CLIP_S, MAX_CLIP_S = 1.0, 15.0
"""Shorter clips are too short for STOI and PESQ; longer ones only cost time."""


@dataclass(frozen=True, slots=True)
class SpeechClip:
    """One utterance: (S,) 16 kHz samples, who speaks, and the words.

    The words are None where nobody wrote them down, and where they are not English: the judges hear English only.
    """

    clip_id: str
    voice: str
    text: str | None
    pcm_S: Tensor


def clips_of_folder(folder: Path, num_clips: int) -> list[SpeechClip]:
    """The first clips that `transcripts.jsonl` of a folder lists.

    Raises:
        ValueError: see load_human_clips.
    """
    listed = load_human_clips(folder)[:num_clips]
    return [SpeechClip(clip.path.stem, clip.speaker, clip.text, load_audio(clip.path)) for clip in listed]


def clips_of_corpus(corpus: Path, split: str, num_clips: int, seed: int = 0) -> list[SpeechClip]:
    """Clips of a split of a corpus folder, the voices in turn.

    Raises:
        ValueError: see clips_of_cuts.
    """
    return clips_of_cuts(manifest_path(corpus, split), num_clips, seed)


def clips_of_cuts(
    path: Path, num_clips: int, seed: int = 0, languages: Sequence[str] | None = None
) -> list[SpeechClip]:
    """Clips of a lhotse cuts file, 1 to 15 s long, drawn by the seed, the voices in turn.

    Args:
        path: of the cuts.
        num_clips: at most so many.
        seed: of the draw.
        languages: kept, as the supervisions name them (`en`); None keeps all.

    Raises:
        ValueError: no such file, or no such clip.
    """
    require_file("cuts", path)
    by_voice: defaultdict[str, list] = defaultdict(list)
    for cut in sorted(CutSet.from_file(path), key=lambda cut: cut.id):
        wanted = languages is None or _language(cut) in languages
        if wanted and MIN_CLIP_S <= cut.duration <= MAX_CLIP_S:
            by_voice[_voice(cut)].append(cut)
    require(
        bool(by_voice),
        str(path),
        f"no cuts of 1 to 15 s, languages {languages}",
        "at least one",
        "Name a file with whole utterances, or other languages.",
    )
    for cuts in by_voice.values():
        random.Random(seed).shuffle(cuts)
    ranked = sorted(
        ((rank, voice) for voice, cuts in by_voice.items() for rank in range(len(cuts))),
        key=lambda place: place,
    )
    return [_clip(by_voice[voice][rank]) for rank, voice in ranked[:num_clips]]


def _voice(cut) -> str:
    return (cut.supervisions[0].speaker if cut.supervisions else None) or "unknown"


def _language(cut) -> str | None:
    return cut.supervisions[0].language if cut.supervisions else None


def _clip(cut) -> SpeechClip:
    samples_CS = cut.resample(SAMPLE_RATE_HZ).load_audio()
    pcm_S = torch.from_numpy(np.ascontiguousarray(samples_CS.mean(axis=0), dtype=np.float32))
    is_english = (_language(cut) or "en").lower().startswith("en")
    text = " ".join(part.text for part in cut.supervisions if part.text)
    return SpeechClip(cut.id, _voice(cut), text if text and is_english else None, pcm_S)
