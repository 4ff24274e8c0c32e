"""Files of a built corpus: lhotse cut manifests, the item list and the datasheet."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from lhotse.audio import AudioSource
from lhotse.serialization import deserialize_item, load_jsonl

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require
from omni_audio.data.corpora.commands import CommandItem
from omni_audio.data.corpora.voices import SOURCES, Engine, Voice
from omni_audio.files import written_whole

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPaths:
    """Where the files of a built corpus lie."""

    folder: Path
    train: Path
    dev: Path
    test: Path
    drills: Path
    items: Path
    datasheet: Path

    @classmethod
    def in_folder(cls, folder: Path) -> CorpusPaths:
        """The paths inside a corpus folder; nothing is read."""
        return cls(
            folder=folder,
            train=folder / "cuts-train.jsonl.gz",
            dev=folder / "cuts-dev.jsonl.gz",
            test=folder / "cuts-test.jsonl.gz",
            drills=folder / "cuts-drills.jsonl.gz",
            items=folder / "items.jsonl",
            datasheet=folder / "corpus.json",
        )

    def cuts(self, split: str) -> Path:
        """Manifest of one split: "train", "dev" or "test"."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]

    def is_built(self, digest: str) -> bool:
        """Whether a complete corpus of this hash was written to this folder; manifests hold full paths."""
        if not self.datasheet.exists():
            return False
        sheet = json.loads(self.datasheet.read_text())
        return sheet["hash"] == digest and sheet["folder"] == str(self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenRequest:
    """A request, the voice that speaks it, and the file of its sound."""

    item: CommandItem
    voice: Voice
    path: Path

    @property
    def cut_id(self) -> str:
        """Id of the cut: item and voice."""
        return f"{self.item.item_id}-{self.voice.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A text without meaning or answer, the voice that speaks it, and the file of its sound."""

    text: str
    voice: Voice
    path: Path


def write_items(paths: CorpusPaths, items: Iterable[CommandItem]) -> None:
    """Writes each item once, one JSON object a line."""
    unique = {item.item_id: item for item in items}
    write_atomic(paths.items, "".join(json.dumps(asdict(item)) + "\n" for item in unique.values()).encode())


def write_manifests(
    paths: CorpusPaths,
    requests: list[SpokenRequest],
    drills: list[Drill],
    answer_paths: dict[str, Path],
    num_samples: dict[Path, int],
) -> None:
    """Writes `cuts-<split>.jsonl.gz`, one MonoCut a spoken request, and `cuts-drills.jsonl.gz`.

    Args:
        paths: the corpus.
        requests: all spoken requests.
        drills: of the train split.
        answer_paths: sound of every answer text.
        num_samples: samples of every sound file.
    """
    recordings: dict[Path, Recording] = {}

    def recording_of(path: Path) -> Recording:
        if path not in recordings:
            recordings[path] = spoken_file(path, num_samples[path])
        return recordings[path]

    def request_cut(request: SpokenRequest) -> MonoCut:
        item = request.item
        cut = whole_cut(request.cut_id, recording_of(request.path), item.request, request.voice.name)
        cut.custom = {
            "item_id": item.item_id,
            "template_id": item.template_id,
            "domain": item.domain,
            "answer": item.answer,
            "plain_answer": item.plain_answer,
            "tool_call": None if item.tool_call is None else asdict(item.tool_call),
            "tool_result": item.tool_result,
            "answer_recording": recording_of(answer_paths[item.answer]),
            "plain_answer_recording": recording_of(answer_paths[item.plain_answer]),
        }
        return cut

    for split in SPLITS:
        write_cuts(paths.cuts(split), (request_cut(r) for r in requests if r.item.split == split))
    write_cuts(paths.drills, drill_cuts("drill", drills, num_samples))


def drill_cuts(prefix: str, drills: list[Drill], num_samples: dict[Path, int]) -> Iterator[MonoCut]:
    """One MonoCut a drill, `<prefix>-<number>`."""
    for number, drill in enumerate(drills):
        recording = spoken_file(drill.path, num_samples[drill.path])
        yield whole_cut(f"{prefix}-{number:06d}", recording, drill.text, drill.voice.name)


def spoken_file(path: Path, num_samples: int) -> Recording:
    """A sound file of a synthetic corpus, `<voice>/<digest of voice and text>.flac`."""
    return sound_file(f"{path.parent.name}-{path.stem}", path, num_samples)


def sound_file(recording_id: str, path: Path, num_samples: int) -> Recording:
    """A 16 kHz sound file of one channel."""
    return Recording(
        id=recording_id,
        sources=[AudioSource(type="file", channels=[0], source=str(path))],
        sampling_rate=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        duration=num_samples / SAMPLE_RATE_HZ,
    )


def whole_cut(
    cut_id: str, recording: Recording, text: str | None, speaker: str, language: str = "en"
) -> MonoCut:
    """A whole recording of one voice that says a text; None where nobody wrote it down."""
    words = SupervisionSegment(
        id=cut_id,
        recording_id=recording.id,
        start=0.0,
        duration=recording.duration,
        text=text,
        language=language,
        speaker=speaker,
    )
    return MonoCut(
        id=cut_id,
        start=0.0,
        duration=recording.duration,
        channel=0,
        recording=recording,
        supervisions=[words],
    )


def write_cuts(path: Path, cuts: Iterable[MonoCut]) -> None:
    """Writes a manifest, one cut a line; the same cuts give the same bytes."""
    lines = "".join(json.dumps(cut.to_dict()) + "\n" for cut in cuts)
    write_atomic(path, gzip.compress(lines.encode(), 3, mtime=0))


def load_drills(paths: CorpusPaths) -> list[MonoCut]:
    """The drills of a corpus, in memory; there may be none."""
    return [deserialize_item(row) for row in load_jsonl(paths.drills)]


def is_drill(cut: MonoCut) -> bool:
    """Whether a cut is a drill: it has no answer."""
    return "answer" not in (cut.custom or {})


def load_cuts(paths: CorpusPaths, split: str) -> CutSet:
    """Cuts of one split, in memory."""
    return CutSet.from_file(paths.cuts(split)).to_eager()


def each_cut(cuts: CutSet) -> Iterator[MonoCut]:
    """The cuts of a set one by one; the corpora here hold MonoCuts only."""
    return iter(cast(Iterable[MonoCut], cuts))


def words_of(cut: MonoCut) -> str:
    """What is said in a cut.

    Raises:
        ValueError: the cut has no transcript.
    """
    text = cut.supervisions[0].text if cut.supervisions else None
    require(text is not None, f"text of cut {cut.id}", text, "a transcript", "Build the corpus again.")
    return cast(str, text)


def facts_of(cut: MonoCut) -> dict[str, Any]:
    """Item, answers and tool call of a spoken request.

    Raises:
        ValueError: the cut has none.
    """
    facts = cut.custom
    require(
        facts is not None, f"custom of cut {cut.id}", facts, "the item's facts", "Build the corpus again."
    )
    return cast(dict[str, Any], facts)


def write_datasheet(
    paths: CorpusPaths,
    config: dict[str, Any],
    digest: str,
    requests: list[SpokenRequest],
    drills: list[Drill],
    output_voice: Voice,
    answer_paths: dict[str, Path],
    num_samples: dict[Path, int],
) -> None:
    """Writes `corpus.json`: config, hash, counts, hours, voices by split, sources and licences."""
    by_split = {split: [r for r in requests if r.item.split == split] for split in SPLITS}
    engines = dict.fromkeys([*(r.voice.engine for r in requests), output_voice.engine])

    def hours(files: Iterable[Path]) -> float:
        return round(sum(num_samples[path] for path in files) / SAMPLE_RATE_HZ / 3600, 4)

    sheet = {
        **synthetic_facts("omni_audio spoken commands (synthetic)", paths, config, digest),
        "num_items": {split: len({r.item.item_id for r in found}) for split, found in by_split.items()},
        "num_cuts": {split: len(found) for split, found in by_split.items()},
        "num_answer_texts": len(answer_paths),
        "request_hours": {split: hours(r.path for r in found) for split, found in by_split.items()},
        "num_drills": len(drills),
        "drill_hours": hours(drill.path for drill in drills),
        "unique_answer_hours": hours(answer_paths.values()),
        "items_by_domain": {
            split: dict(Counter(r.item.domain for r in found).most_common())
            for split, found in by_split.items()
        },
        "voices": {
            split: dict(Counter(r.voice.name for r in found).most_common())
            for split, found in by_split.items()
        },
        "output_voice": output_voice.name,
        "sources": source_facts(engines),
        **held_out_facts(config, "whole templates", "slot values and politeness words are shared"),
    }
    write_atomic(paths.datasheet, (json.dumps(sheet, indent=2) + "\n").encode())


def synthetic_facts(name: str, paths: CorpusPaths, config: dict[str, Any], digest: str) -> dict[str, Any]:
    """What the datasheet of every synthetic corpus of requests and answers begins with."""
    return {
        "name": name,
        "hash": digest,
        "folder": str(paths.folder),
        "config": config,
        "language": "en",
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "speech": "synthetic; no recorded person speaks in the requests or the answers",
    }


def held_out_facts(config: dict[str, Any], texts: str, shared: str) -> dict[str, str]:
    """What training never has: these texts, and whole voices, unless one voice speaks all requests."""
    voice = config["request_voice"]
    voices = "whole voices" if voice is None else f"no voice, {voice} speaks all requests"
    return {"held_out": f"{texts}; {voices}; {shared}"}


def source_facts(engines: Iterable[Engine]) -> list[dict[str, str]]:
    """Package, system, licence and, where pip installed it, version of each engine."""
    facts = []
    for engine in engines:
        source = SOURCES[engine]
        is_of_system = engine is Engine.FLITE
        version = {} if is_of_system else {"version": importlib.metadata.version(source["package"])}
        facts.append({**source, **version})
    return facts


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_bytes(data)
