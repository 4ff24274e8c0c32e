"""What the tokenizer hears: every recording of a corpus split as a cut with its words, and any other lhotse cuts."""

import gzip
import hashlib
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lhotse import CutSet, MonoCut, Recording
from lhotse.utils import fastcopy
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
from omni_audio.data.corpora.voices import VOICES, flite_voices, natural_voices
from omni_audio.tokenizer.semantic import CTC_ALPHABET


@dataclass(kw_only=True, slots=True)
class SpeechCutsConfig:
    """What the tokenizer's own training hears: the run's corpus, and lhotse cuts of any rate, with words or without.

    Attributes:
        train, dev: manifests (`*.jsonl`, `*.jsonl.gz`) of the two splits.
        with_corpus: whether the run's own corpus is heard too.
        is_balanced: whether training hears every kind of speech (kind_of) equally often, by repeating the rarer ones.
            The light synthesisers speak most of a corpus, and leave little room for natural voices otherwise.
    """

    train: list[str] = field(default_factory=list)
    dev: list[str] = field(default_factory=list)
    with_corpus: bool = True
    is_balanced: bool = False

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

    @property
    def is_plain(self) -> bool:
        """Whether it is the corpus as it stands."""
        return not (self.names_files or self.is_balanced)

    def facts(self) -> dict[str, Any]:
        """What a fingerprint and a card tell of it: the manifests and the SHA-256 of what stands in them.

        The sound itself is not read: a manifest names its recordings and their lengths.

        Raises:
            ValueError: a file is missing.
        """
        splits = {"train": self.train, "dev": self.dev}
        digests = {split: manifest_digests(paths) for split, paths in splits.items()}
        balance = {"is_balanced": "shuffled"} if self.is_balanced else {}
        return {"with_corpus": self.with_corpus, **digests, **balance}


_ENGINES = {voice.name: voice.engine.value for voice in (*VOICES.values(), *flite_voices())}
_ENGINES |= {voice.name: "kokoro-natural" for voice in natural_voices()}
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
        for text, recording in spoken_answers(request):
            if recording.id not in cuts:
                cuts[recording.id] = whole_cut(recording.id, recording, text, "assistant")
    return list(cuts.values())


def spoken_answers(request: MonoCut) -> list[tuple[str, Recording]]:
    """Words and sound of each answer to a request that is spoken."""
    facts = facts_of(request)
    return [(facts[text], facts[sound]) for text, sound in ANSWER_FIELDS.items() if sound in facts]


def speech_cuts(paths: CorpusPaths, split: str) -> CutSet:
    """Requests, distinct answers and drills of a split; drills belong to train."""
    requests = load_cuts(paths, split)
    drills = load_drills(paths) if split == "train" else []
    return CutSet.from_cuts([*each_cut(requests), *answer_cuts(requests), *drills])


def extra_cuts(paths: list[str], key: str = "data.speech_cuts") -> list[MonoCut]:
    """Cuts of the lhotse manifests under a config key, resampled to 16 kHz as they are read.

    Raises:
        ValueError: a file is missing, or a cut is not one channel of a recording.
    """
    cuts = []
    for path in paths:
        require_file(key, Path(path))
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


def words_to_spell(cut: MonoCut) -> str | None:
    """All words of a cut in the order of its supervisions; None where one is missing or in other letters than CTC's."""
    texts = [segment.text or "" for segment in sorted(cut.supervisions, key=lambda segment: segment.start)]
    letters = {sign for text in texts for sign in text.lower() if sign.isalpha()}
    can_be_spelt = bool(letters) and all(texts) and letters <= set(CTC_ALPHABET)
    return " ".join(texts) if can_be_spelt else None


def spoken_cuts(paths: list[str], key: str) -> list[MonoCut]:
    """Whole recordings with words that CTC can spell, of the lhotse manifests under a config key.

    Raises:
        ValueError: a file is missing, a cut is a part of a recording or has no such words, or two share an id.
    """
    sounds: dict[str, str] = {}
    found = []
    for path in paths:
        for cut in extra_cuts([path], key):
            label = f"{key}: cut {cut.id} of {path}"
            recording = cut.recording
            assert recording is not None  # extra_cuts has seen to it
            is_whole = cut.start == 0 and abs(cut.duration - recording.duration) < 1e-3
            extent = f"{cut.start:g}..{cut.end:g} of {recording.duration:g} s"
            store = "Store the parts as sound of their own first (CutSet.save_audios)."
            require(is_whole, label, extent, "a whole recording", store)
            texts = [segment.text for segment in cut.supervisions]
            letters = "words in the letters a-z in every supervision"
            require(words_to_spell(cut) is not None, label, texts, letters, "Leave such cuts out.")
            sound = f"channel {cut.channel} of {recording.sources}"
            known = sounds.setdefault(recording.id, sound)
            rename = "Give each recording an id of its own."
            require(known == sound, label, recording.id, "a recording id that no other sound has", rename)
            found.append(cut)
    return found


def tokenizer_cuts(paths: CorpusPaths, config: SpeechCutsConfig, split: str) -> CutSet:
    """All that the tokenizer's own training hears of a split, "train" or "dev"."""
    extra = extra_cuts({"train": config.train, "dev": config.dev}[split])
    own = each_cut(speech_cuts(paths, split)) if config.with_corpus else ()
    cuts = [*own, *extra]
    return CutSet.from_cuts(balanced(cuts) if config.is_balanced and split == "train" else cuts)


def kind_of(cut: MonoCut) -> str:
    """What made the speech of a cut: the source of a recording, the engine of a voice, "assistant", or "other"."""
    source = (cut.custom or {}).get("source")
    if source is not None:
        return str(source)
    speaker = cut.supervisions[0].speaker if cut.supervisions else None
    if speaker in _ENGINES:
        return _ENGINES[speaker]
    return "assistant" if speaker == "assistant" else "other"


def balanced(cuts: Iterable[MonoCut]) -> list[MonoCut]:
    """As many cuts of each kind as of the commonest, in a random order that is always the same.

    A cut that comes again has an id, and so draws, of its own. The order counts: the sampler shuffles no more than the
    cuts that it holds at a time.
    """
    kinds: dict[str, list[MonoCut]] = {}
    for cut in cuts:
        kinds.setdefault(kind_of(cut), []).append(cut)
    most = max(map(len, kinds.values()), default=0)
    again = (
        fastcopy(
            found[number % len(found)], id=f"{found[number % len(found)].id}-again{number // len(found)}"
        )
        for found in kinds.values()
        for number in range(len(found), most)
    )
    even = [*(cut for found in kinds.values() for cut in found), *again]
    random.Random(0).shuffle(even)
    return even


def manifest_digests(paths: list[str], key: str = "data.speech_cuts") -> dict[str, str]:
    """SHA-256 of each manifest's text; the sound itself is not read.

    Raises:
        ValueError: a file is missing.
    """
    return {path: _digest(path, key) for path in paths}


def manifest_sources(paths: list[str]) -> list[dict[str, Any]]:
    """Sources of training speech as the datasheets (corpus.json) beside the manifests name them.

    A manifest without a datasheet has none.
    """
    sheets = dict.fromkeys(CorpusPaths.in_folder(Path(path).parent).datasheet for path in paths)
    facts = [json.loads(sheet.read_text()) for sheet in sheets if sheet.is_file()]
    return [source for sheet in facts for source in sheet.get("sources", []) if source.get("split") != "test"]


def _digest(path: str, key: str) -> str:
    """SHA-256 of a manifest's text, packed or not."""
    require_file(key, Path(path))
    packed = Path(path).read_bytes()
    return hashlib.sha256(gzip.decompress(packed) if path.endswith(".gz") else packed).hexdigest()
