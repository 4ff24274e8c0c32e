"""A corpus of drills alone: many texts without meaning in the light training voices, for the semantic level."""

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.data.corpora.commands import CorpusError, domain_digest, generate_items
from omni_audio.data.corpora.commands_slots import stable_digest
from omni_audio.data.corpora.drills import drill_texts
from omni_audio.data.corpora.flite_engine import SPEAKERS_HZ
from omni_audio.data.corpora.manifests import (
    CorpusPaths,
    Drill,
    drill_cuts,
    source_facts,
    write_atomic,
    write_cuts,
)
from omni_audio.data.corpora.synth import audio_path, synthesize
from omni_audio.data.corpora.voices import (
    Voice,
    draw_voice,
    flite_voices,
    light_drill_voices,
    natural_voices,
)

NUM_REQUESTS = 12_000
NUM_HELD_OUT = 1_000
_NAME = "omni_audio drills (synthetic)"
_FORMAT_VERSION = 1


@dataclass(kw_only=True, slots=True)
class DrillCorpusConfig:
    """What to build.

    Attributes:
        num_drills: how many, >= 1.
        flite_share: 0..1, share that a voice of Flite speaks; it needs the system's package.
        natural_share: 0..1, share that a natural voice speaks; it needs more styles of Kokoro than its package has.
        num_workers: processes that synthesise; 0 does all in this process. It does not change the result.
        seed: any integer.
    """

    num_drills: int = 10_000
    flite_share: float = 0.0
    natural_share: float = 0.0
    num_workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_drills < 1:
            raise CorpusError("num_drills", self.num_drills, ">= 1", "ask for one or more")
        if not 0.0 <= self.flite_share <= 1.0:
            raise CorpusError("flite_share", self.flite_share, "0..1", "0 leaves Flite out")
        if self.natural_share < 0.0 or self.flite_share + self.natural_share > 1.0:
            raise CorpusError(
                "natural_share",
                self.natural_share,
                f"0..{1.0 - self.flite_share:g}",
                "0 leaves natural voices out; with flite_share it is 1 at most",
            )
        if self.num_workers < 0:
            raise CorpusError("num_workers", self.num_workers, ">= 0", "0 works in this process")


def build_drill_corpus(config: DrillCorpusConfig, folder: Path) -> CorpusPaths:
    """Builds the corpus, or finds it built; it has a train split alone.

    Raises:
        CorpusError: a voice engine is missing, or synthesis fails.
    """
    paths = CorpusPaths.in_folder(Path(folder).resolve())
    voices = {"light": light_drill_voices(), "flite": flite_voices(), "natural": natural_voices()}
    facts = {name: value for name, value in asdict(config).items() if name != "num_workers"}
    rules = (_FORMAT_VERSION, NUM_REQUESTS, NUM_HELD_OUT, SPEAKERS_HZ)
    digest = stable_digest(repr((rules, sorted(facts.items()), domain_digest(), voices)))[:16]
    if paths.is_built(digest):
        return paths
    _refuse_another_corpus(paths)
    paths.folder.mkdir(parents=True, exist_ok=True)
    paths.datasheet.unlink(missing_ok=True)
    drills = [_spoken(text, config, voices, paths.folder) for text in _texts(config)]
    num_samples = synthesize({drill.path: (drill.voice, drill.text) for drill in drills}, config.num_workers)
    write_cuts(paths.train, drill_cuts("more-drill", drills, num_samples))
    sheet = {
        "name": _NAME,
        "hash": digest,
        "folder": str(paths.folder),
        "config": facts,
        "language": "en",
        "hours": round(sum(num_samples.values()) / SAMPLE_RATE_HZ / 3600, 4),
        "sources": source_facts(dict.fromkeys(drill.voice.engine for drill in drills)),
    }
    write_atomic(paths.datasheet, (json.dumps(sheet, indent=2) + "\n").encode())
    return paths


def _refuse_another_corpus(paths: CorpusPaths) -> None:
    found = json.loads(paths.datasheet.read_text())["name"] if paths.datasheet.is_file() else _NAME
    if found != _NAME:
        raise CorpusError(
            "folder",
            str(paths.folder),
            f"a new folder, or one of {_NAME!r}",
            f"It holds {found!r}: choose another.",
        )


def _texts(config: DrillCorpusConfig) -> list[str]:
    """Fragments of train requests; none is among the first held-out requests of seed 0."""
    requests = [item.request for item in generate_items(NUM_REQUESTS, "train", 0)]
    held_out = {item.request for split in ("dev", "test") for item in generate_items(NUM_HELD_OUT, split, 0)}
    return drill_texts(requests, held_out, config.num_drills, f"{config.seed} more drills")


def _spoken(text: str, config: DrillCorpusConfig, voices: dict[str, list[Voice]], folder: Path) -> Drill:
    rng = random.Random(f"{config.seed} more {text}")
    place = rng.random()
    kind = "flite" if place < config.flite_share else "light"
    if place >= 1.0 - config.natural_share:
        kind = "natural"
    voice = draw_voice(voices[kind], rng)
    return Drill(text=text, voice=voice, path=audio_path(folder, voice, text))
