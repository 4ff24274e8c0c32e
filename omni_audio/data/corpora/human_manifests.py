"""Files of a corpus of recorded people: lhotse cut manifests and the datasheet."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lhotse import MonoCut

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.data.corpora.human_clips import Clip
from omni_audio.data.corpora.human_packages import Package
from omni_audio.data.corpora.human_sources import HumanSource
from omni_audio.data.corpora.manifests import (
    SPLITS,
    CorpusPaths,
    sound_file,
    whole_cut,
    write_atomic,
    write_cuts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredClip:
    """A clip of the corpus and its normalised sound."""

    clip: Clip
    path: Path
    num_samples: int


def write_human_cuts(paths: CorpusPaths, stored: Iterable[StoredClip]) -> None:
    """Writes `cuts-<split>.jsonl.gz`, one MonoCut a clip; a clip that has no transcript has `text` None.

    The custom fields of a cut are `source`, `key` and `licence`.
    """
    cuts: dict[str, list[MonoCut]] = {split: [] for split in SPLITS}
    for row in stored:
        cuts[row.clip.source.split].append(_cut(row))
    for split, found in cuts.items():
        write_cuts(paths.cuts(split), found)


def _cut(row: StoredClip) -> MonoCut:
    clip, source = row.clip, row.clip.source
    recording = sound_file(clip.clip_id, row.path, row.num_samples)
    cut = whole_cut(clip.clip_id, recording, clip.text, clip.speaker, source.language)
    cut.custom = {"source": source.name, "key": clip.key, "licence": source.licence}
    return cut


def write_human_datasheet(
    paths: CorpusPaths,
    config: dict[str, Any],
    digest: str,
    sources: list[HumanSource],
    packages: dict[str, Package],
    stored: list[StoredClip],
    left_out: list[tuple[Clip, str]],
) -> None:
    """Writes `corpus.json`: config, hash, hours by split and speaker, what was left out and why, sources."""
    sheet = {
        "name": "omni_audio recorded people",
        "hash": digest,
        "folder": str(paths.folder),
        "config": config,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "speech": "recorded people; edges trimmed and level set like the synthetic voices",
        "held_out": "whole people",
        "splits": {split: _facts([s for s in stored if s.clip.source.split == split]) for split in SPLITS},
        "speakers": {
            split: {
                speaker: _facts([s for s in stored if s.clip.speaker == speaker])
                for source in sources
                if source.split == split
                for speaker in source.speakers
            }
            for split in SPLITS
        },
        "left_out": {
            source.name: dict(Counter(why for clip, why in left_out if clip.source is source).most_common())
            for source in sources
        },
        "sources": [_source_facts(source, packages) for source in sources],
    }
    text = json.dumps(sheet, indent=2, ensure_ascii=False) + "\n"
    write_atomic(paths.datasheet, text.encode())


def _facts(stored: list[StoredClip]) -> dict[str, Any]:
    return {
        "hours": round(sum(row.num_samples for row in stored) / SAMPLE_RATE_HZ / 3600, 4),
        "num_cuts": len(stored),
        "num_with_text": sum(row.clip.text is not None for row in stored),
        "languages": sorted({row.clip.source.language for row in stored}),
    }


def _source_facts(source: HumanSource, packages: dict[str, Package]) -> dict[str, Any]:
    return {
        "name": source.name,
        "split": source.split,
        "language": source.language,
        "speakers": list(source.speakers),
        "licence": source.licence,
        "credit": source.credit,
        "packages": [
            {"name": name, "version": packages[name].version, "deb_sha256": packages[name].sha256}
            for name in source.packages
        ],
    }
