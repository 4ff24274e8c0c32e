"""Builds a corpus of recorded people from Debian packages: FLAC files, lhotse manifests and a datasheet.

Sound files are named by key and a digest of the recorded file, so that an interrupted build goes on where it
stopped, and a corpus of other sources in the same folder reuses what is there. The same packages give the
same files.
"""

import hashlib
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tqdm import tqdm

from omni_audio.checks import NotAllowedError, require_positive
from omni_audio.data.corpora.commands_slots import CorpusError, stable_digest
from omni_audio.data.corpora.human_audio import DurationLimits, store_clip
from omni_audio.data.corpora.human_clips import Clip, clips_of
from omni_audio.data.corpora.human_manifests import StoredClip, write_human_cuts, write_human_datasheet
from omni_audio.data.corpora.human_packages import obtain_packages
from omni_audio.data.corpora.human_sources import DEFAULT, HumanSource, human_source
from omni_audio.data.corpora.manifests import CorpusPaths

NO_SOUND: Final = "no sound in the file"
MAX_BROKEN_SHARE: Final = 0.02

_FORMAT_VERSION = 1
_LOG = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class HumanCorpusConfig:
    """What to build.

    Attributes:
        sources: names of `human_sources.SOURCES`, each once.
        min_duration_s: shortest clip that is kept, after the silence at its edges is trimmed, > 0.
        max_duration_s: longest clip that is kept, above `min_duration_s`.
        packages_folder: where the Debian packages lie (NAME_*.deb, unpacked NAME folders, or a root that has
            them installed); None downloads them with apt-get. It is no part of what the corpus is: one that
            is built stays as it is.
    """

    sources: list[str] = field(default_factory=lambda: list(DEFAULT))
    min_duration_s: float = 0.3
    max_duration_s: float = 30.0
    packages_folder: str | None = None

    def __post_init__(self) -> None:
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise CorpusError("sources", self.sources, "at least one source, each once", "Name each once.")
        for name in self.sources:
            human_source(name)
        require_positive("min_duration_s", self.min_duration_s)
        if not self.max_duration_s > self.min_duration_s:
            allowed = f"above min_duration_s = {self.min_duration_s:g}"
            raise CorpusError("max_duration_s", self.max_duration_s, allowed, "Set it above that.")


def human_corpus_hash(config: HumanCorpusConfig) -> str:
    """Digest of all that decides what the corpus holds, but for the versions of the packages."""
    sources = [human_source(name) for name in sorted(config.sources)]
    return stable_digest(repr((_FORMAT_VERSION, config.min_duration_s, config.max_duration_s, sources)))[:16]


def build_human_corpus(config: HumanCorpusConfig, folder: Path) -> CorpusPaths:
    """Builds the corpus, or finds it built.

    Args:
        config: what to build.
        folder: where; made if needed. Downloaded and unpacked packages lie in `packages` inside; that folder
            may be deleted afterwards.

    Returns:
        Paths of the manifests and the datasheet (`items` is not written); returned at once if `corpus.json`
        there has the same hash and the same place. To build from other packages, delete `corpus.json`.

    Raises:
        CorpusError: if a package cannot be had, does not hold what it should, or has many files without
            sound.
    """
    paths = CorpusPaths.in_folder(Path(folder).resolve())
    digest = human_corpus_hash(config)
    if paths.is_built(digest):
        return paths
    sources = [human_source(name) for name in sorted(config.sources)]
    given = None if config.packages_folder is None else Path(config.packages_folder)
    names = [name for source in sources for name in source.packages]
    packages = obtain_packages(names, paths.folder / "packages", given)
    paths.datasheet.unlink(missing_ok=True)

    limits = DurationLimits(min_s=config.min_duration_s, max_s=config.max_duration_s)
    clips = [clip for source in sources for clip in clips_of(source, packages)]
    stored: list[StoredClip] = []
    left_out: list[tuple[Clip, str]] = []
    for clip in tqdm(clips, desc="decode", unit="clip"):
        kept = _store(clip, paths.folder, limits)
        if isinstance(kept, StoredClip):
            stored.append(kept)
        else:
            left_out.append((clip, kept))
    for source in sources:
        _check_readable(source, clips, left_out)

    write_human_cuts(paths, stored)
    write_human_datasheet(
        paths, asdict(config), digest, sources, packages, stored, left_out
    )  # last: its presence says that the corpus is complete
    return paths


def _store(clip: Clip, folder: Path, limits: DurationLimits) -> StoredClip | str:
    """Stores the sound of a clip; returns why, where it is left out."""
    if clip.left_out is not None:
        return clip.left_out
    digest = hashlib.sha256(clip.path.read_bytes()).hexdigest()[:12]
    path = folder / "audio" / clip.source.name / f"{clip.key.replace('/', '_')}-{digest}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        num_samples = store_clip(clip.path, path, limits)
    except NotAllowedError as error:
        _LOG.info("left out: %s", error)
        return NO_SOUND
    broken = limits.broken_by(num_samples)
    return StoredClip(clip=clip, path=path, num_samples=num_samples) if broken is None else broken


def _check_readable(source: HumanSource, clips: list[Clip], left_out: list[tuple[Clip, str]]) -> None:
    """Packages hold a few files without sound; many of them mean a damaged package."""
    num_broken = sum(clip.source is source and why == NO_SOUND for clip, why in left_out)
    num_clips = sum(clip.source is source for clip in clips)
    if num_broken > MAX_BROKEN_SHARE * num_clips:
        raise CorpusError(
            f"{source.sound_package}: files without sound",
            f"{num_broken} of {num_clips}",
            f"at most {MAX_BROKEN_SHARE:.0%}",
            "Unpack the package again, or leave the source out.",
        )
