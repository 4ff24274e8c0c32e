"""Builds the synthetic corpora, commands or talks with an assistant: FLAC files, lhotse manifests and a datasheet.

Sound files are named by a digest of voice and text. So each answer is spoken once for all items that share
it, an interrupted build goes on where it stopped, and a larger corpus in the same folder reuses the smaller
one.

Texts, voices and the sound of the output voice are exactly reproducible. The request engines eSpeak and Pico
keep an inner state that no call resets: built again, the same words are spoken by the same voice, but samples
differ and a length may change by some milliseconds.
"""

import multiprocessing
import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import soundfile
from lhotse import Recording
from tqdm import tqdm

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.data.corpora.assistant.generate import assistant_digest, generate_assistant_items
from omni_audio.data.corpora.commands import CorpusError, domain_digest, generate_items
from omni_audio.data.corpora.commands_slots import stable_digest
from omni_audio.data.corpora.drills import drill_texts
from omni_audio.data.corpora.english_words import english_words, words_of_texts
from omni_audio.data.corpora.manifests import (
    CorpusPaths,
    Drill,
    SpokenRequest,
    spoken_file,
    write_datasheet,
    write_items,
    write_manifests,
)
from omni_audio.data.corpora.talks import SpokenTalk, write_talk_corpus
from omni_audio.data.corpora.voices import (
    VOICES,
    Engine,
    Voice,
    draw_voice,
    light_drill_voices,
    speak,
    voice_of,
    voices_of,
)
from omni_audio.files import written_whole
from omni_audio.plain import to_plain

_BATCH_FILES = 24
_SLOW = (Engine.KOKORO, Engine.FLITE, Engine.PIPER)
_FORMAT_VERSION = 2
_SPLIT_SIZE_FIELDS = {"train": "num_train_items", "dev": "num_dev_items", "test": "num_test_items"}


class CorpusDomain(Enum):
    """What is talked about: short commands with an answer each, or the assistant domain with talk of several turns."""

    commands = "commands"
    assistant = "assistant"


DOMAINS = {
    CorpusDomain.commands: "short commands",
    CorpusDomain.assistant: "talk with an assistant about 16 areas (docs/assistant-domain.md)",
}
"""What a build card says of them."""


@dataclass(kw_only=True, slots=True)
class CorpusConfig:
    """What to build.

    Attributes:
        domain: commands or assistant (docs/assistant-domain.md).
        num_train_items: items of the train split, >= 1.
        num_dev_items: items of the dev split, >= 1.
        num_test_items: items of the test split, >= 1.
        num_drills: texts without meaning that train voices speak; 0 leaves them out.
        own_drills_share: 0..1, share of the drills that the output voice speaks: the network learns to speak from them,
            from the others to hear.
        drill_words_share: 0..1, chance that a piece of a drill is a common English word or name instead of words of
            requests; none of them is a word that dev or test say and train does not.
        request_voices_per_item: how many voices speak each request; 1 up to the number of voices of a split.
        natural_share: 0..1, share of the train and dev requests and of the drills that a natural voice speaks; such a
            voice takes a core about half as long as what it says. The test split has none.
        num_workers: processes that synthesise; 0 does all in this process. It does not change the result.
        request_voice: one voice for all requests and drills of every split, to tune a network to it; no voice is held
            out then. None draws voices of each split.
        answered_aloud_share: 0..1, share of the train talks (domain assistant) whose answers are spoken; the others are
            answered in text. The output voice takes longer to make than all requests.
        seed: any integer.
        output_voice: voice of the assistant's answers.
    """

    domain: CorpusDomain = CorpusDomain.commands
    num_train_items: int = 6000
    num_dev_items: int = 200
    num_test_items: int = 400
    num_drills: int = 2000
    own_drills_share: float = 0.25
    drill_words_share: float = 0.0
    request_voices_per_item: int = 1
    natural_share: float = 0.0
    request_voice: str | None = None
    answered_aloud_share: float = 1.0
    num_workers: int = 2
    seed: int = 0
    output_voice: str = "joe"

    def __post_init__(self) -> None:
        for name in _SPLIT_SIZE_FIELDS.values():
            if getattr(self, name) < 1:
                raise CorpusError(name, getattr(self, name), ">= 1", "build at least one item of every split")
        if self.num_drills < 0:
            raise CorpusError("num_drills", self.num_drills, ">= 0", "0 leaves the drills out")
        most = min(len(voices_of(split)) for split in _SPLIT_SIZE_FIELDS)
        if not 1 <= self.request_voices_per_item <= most:
            remedy = "no split has more voices"
            raise CorpusError("request_voices_per_item", self.request_voices_per_item, f"1..{most}", remedy)
        for name in ("natural_share", "own_drills_share", "drill_words_share", "answered_aloud_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise CorpusError(name, getattr(self, name), "0..1", "0 leaves such speech out")
        if self.domain is CorpusDomain.commands and self.answered_aloud_share != 1.0:
            remedy = "short commands are always answered aloud; ask for domain=assistant"
            raise CorpusError("answered_aloud_share", self.answered_aloud_share, "1", remedy)
        if self.num_workers < 0:
            raise CorpusError("num_workers", self.num_workers, ">= 0", "0 works in this process")
        voice_of(self.output_voice)
        if self.request_voice is not None:
            voice_of(self.request_voice)
            remedy = "one voice speaks all requests; leave request_voice at null to draw voices"
            for name, only in (("request_voices_per_item", 1), ("natural_share", 0.0)):
                if getattr(self, name) != only:
                    raise CorpusError(name, getattr(self, name), f"{only:g} beside request_voice", remedy)


def corpus_hash(config: CorpusConfig) -> str:
    """Digest of all that decides what the corpus holds: config, texts, voices; not the number of workers."""
    without = {"num_workers", "domain"}
    if config.domain is CorpusDomain.commands:
        without.add("answered_aloud_share")
    if config.request_voice is None:
        without.add("request_voice")
    if config.drill_words_share == 0:
        without.add("drill_words_share")
    fields = {name: value for name, value in asdict(config).items() if name not in without}
    texts = domain_digest() if config.domain is CorpusDomain.commands else assistant_digest()
    return stable_digest(repr((_FORMAT_VERSION, sorted(fields.items()), texts, VOICES)))[:16]


def build_corpus(config: CorpusConfig, folder: Path) -> CorpusPaths:
    """Builds the corpus, or finds it built.

    Args:
        config: what to build.
        folder: where; made if needed. With `num_workers` > 0 processes are spawned, so a script that calls
            this needs the usual `if __name__ == "__main__"` guard.

    Returns:
        Paths of the manifests; returned at once if `corpus.json` there has the same hash and the same place.

    Raises:
        CorpusError: if the domain has too few requests, a voice engine is missing, or synthesis fails.
    """
    folder = Path(folder).resolve()
    paths = CorpusPaths.in_folder(folder)
    digest = corpus_hash(config)
    if paths.is_built(digest):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    paths.datasheet.unlink(missing_ok=True)

    build = _build_commands if config.domain is CorpusDomain.commands else _build_talks
    build(config, digest, paths)
    return paths


def _build_commands(config: CorpusConfig, digest: str, paths: CorpusPaths) -> None:
    folder, output_voice = paths.folder, voice_of(config.output_voice)
    requests = list(_assign_voices(config, folder))
    items = [request.item for request in requests]
    answers = sorted({text for item in items for text in (item.answer, item.plain_answer)})
    answer_paths = {text: audio_path(folder, output_voice, text) for text in answers}
    jobs = {path: (output_voice, text) for text, path in answer_paths.items()}
    jobs.update({request.path: (request.voice, request.item.request) for request in requests})
    drills = _make_drills(config, items, folder)
    jobs.update({drill.path: (drill.voice, drill.text) for drill in drills})
    num_samples = synthesize(jobs, config.num_workers)

    write_items(paths, items)
    write_manifests(paths, requests, drills, answer_paths, num_samples)
    write_datasheet(
        paths, to_plain(config), digest, requests, drills, output_voice, answer_paths, num_samples
    )  # last: its presence says that the corpus is complete


def _build_talks(config: CorpusConfig, digest: str, paths: CorpusPaths) -> None:
    talks = assigned_talks(config)
    drills = _make_drills(config, [turn for talk in talks for turn in talk.requests], paths.folder)
    jobs = {audio_path(paths.folder, *said): said for talk in talks for said in talk.said()}
    jobs.update({drill.path: (drill.voice, drill.text) for drill in drills})
    num_samples = synthesize(jobs, config.num_workers)

    def recording_of(voice: Voice, text: str) -> Recording:
        path = audio_path(paths.folder, voice, text)
        return spoken_file(path, num_samples[path])

    write_talk_corpus(paths, to_plain(config), digest, talks, drills, num_samples, recording_of)


def assigned_talks(config: CorpusConfig) -> list[SpokenTalk]:
    """The talks of all splits, each with its voices; of the train talks a share is answered aloud."""

    def is_answered_aloud(split: str, item_id: str) -> bool:
        return split != "train" or _is_drawn(config, f"aloud {item_id}", config.answered_aloud_share)

    return [
        SpokenTalk(
            item=item,
            voice=voice,
            output_voice=voice_of(config.output_voice),
            is_answered_aloud=is_answered_aloud(split, item.item_id),
        )
        for split, size_field in _SPLIT_SIZE_FIELDS.items()
        for item in generate_assistant_items(getattr(config, size_field), split, config.seed)
        for voice in _voices_for(config, split, item.request)
    ]


def audio_path(folder: Path, voice: Voice, text: str) -> Path:
    """Where the sound of a text in a voice lies; the name covers all settings of the voice."""
    return folder / "audio" / voice.name / f"{stable_digest(repr((voice, text)))[:20]}.flac"


def _assign_voices(config: CorpusConfig, folder: Path) -> Iterator[SpokenRequest]:
    """Voices of its own split for every item."""
    for split, size_field in _SPLIT_SIZE_FIELDS.items():
        for item in generate_items(getattr(config, size_field), split, config.seed):
            for voice in _voices_for(config, split, item.request):
                yield SpokenRequest(item=item, voice=voice, path=audio_path(folder, voice, item.request))


def _voices_for(config: CorpusConfig, split: str, request: str) -> list[Voice]:
    """Draws who speaks a request; it keeps its voices in a corpus of any size."""
    if config.request_voice is not None:
        return [voice_of(config.request_voice)]
    voices, natural = voices_of(split), voices_of(split, natural=True)
    rng = random.Random(int(stable_digest(f"{config.seed}|{request}")[:16], 16))
    chosen: dict[str, Voice] = {}
    while len(chosen) < config.request_voices_per_item:
        voice = draw_voice(voices, rng)
        chosen[voice.name] = voice
    for name in list(chosen):
        if natural and (voice := _natural_instead(config, f"{request}|{name}", natural)):
            chosen[name] = voice
    return list({voice.name: voice for voice in chosen.values()}.values())


def _is_drawn(config: CorpusConfig, label: str, share: float) -> bool:
    """True in `share` of all labels, each by a generator of its own."""
    return random.Random(f"{config.seed} {label}").random() < share


def _natural_instead(config: CorpusConfig, label: str, natural: list[Voice]) -> Voice | None:
    """The natural voice that takes the place of a light one, in `natural_share` of all cases.

    It has a generator of its own, so that all other requests keep their voices and their sound.
    """
    rng = random.Random(f"{config.seed} natural {label}")
    return rng.choice(natural) if rng.random() < config.natural_share else None


class _Request(Protocol):
    """What drills are made of."""

    @property
    def split(self) -> str: ...

    @property
    def request(self) -> str: ...


def _make_drills(config: CorpusConfig, items: Sequence[_Request], folder: Path) -> list[Drill]:
    """Drills in the voices of requests, and a share in the output voice, whose sound the network learns to make."""
    train = [item.request for item in items if item.split == "train"]
    held_out = {item.request for item in items if item.split != "train"}
    voices, natural = light_drill_voices(), voices_of("train", natural=True)
    share = config.drill_words_share
    words = english_words(words_of_texts(held_out) - words_of_texts(train)) if share > 0 else []
    drills = []
    for text in drill_texts(train, held_out, config.num_drills, f"{config.seed} drills", words, share):
        voice = draw_voice(voices, random.Random(f"{config.seed} {text}"))
        voice = _natural_instead(config, f"drill {text}", natural) or voice
        if config.request_voice is not None:
            voice = voice_of(config.request_voice)
        if _is_drawn(config, f"own {text}", config.own_drills_share):
            voice = voice_of(config.output_voice)
        drills.append(Drill(text=text, voice=voice, path=audio_path(folder, voice, text)))
    return drills


_Job = tuple[Path, Voice, str]


def synthesize(jobs: dict[Path, tuple[Voice, str]], num_workers: int) -> dict[Path, int]:
    """Speaks all that does not lie there yet, in `num_workers` processes; returns the samples of every file."""
    num_samples: dict[Path, int] = {}
    todo: list[_Job] = []
    for path, (voice, text) in jobs.items():
        if path.exists():
            num_samples[path] = soundfile.info(str(path)).frames
        else:
            todo.append((path, voice, text))
    for parent in {path.parent for path, _, _ in todo}:
        parent.mkdir(parents=True, exist_ok=True)
    todo.sort(key=lambda job: job[1].engine not in _SLOW)  # first, so that no worker ends alone with them
    batches = _batches(todo)
    with tqdm(total=len(todo), desc="speak", unit="file", disable=not todo) as bar:
        for done in _map_batches(batches, num_workers):
            num_samples.update(done)
            bar.update(len(done))
    return num_samples


def _batches(jobs: list[_Job]) -> list[list[_Job]]:
    return [jobs[start : start + _BATCH_FILES] for start in range(0, len(jobs), _BATCH_FILES)]


def _map_batches(batches: list[list[_Job]], num_workers: int) -> Iterator[dict[Path, int]]:
    if num_workers == 0 or len(batches) <= 1:
        yield from map(_speak_batch, batches)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        try:
            yield from pool.map(_speak_batch, batches)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _speak_batch(batch: Iterable[_Job]) -> dict[Path, int]:
    """Speaks some texts in a worker; every file appears whole or not at all."""
    done = {}
    for path, voice, text in batch:
        pcm = speak(voice, text)
        with written_whole(path) as temporary:
            soundfile.write(str(temporary), pcm, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
        done[path] = len(pcm)
    return done
