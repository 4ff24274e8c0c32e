"""Which sound files a recorded source holds, who speaks them, and what is said."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.human_packages import Package
from omni_audio.data.corpora.human_sources import HumanSource, Layout

NOT_SPEECH: Final = "not speech"
OTHER_CHARACTER: Final = "another character, or no line of the script"

_ASTERISK_NOISES: Final = frozenset(
    (
        "ascending-2tone",
        "beep",
        "beeperr",
        "confbridge-join",
        "confbridge-leave",
        "descending-2tone",
        "tt-monkeys",
    )
)
_ASTERISK_NOTES: Final = re.compile(r"[\[\]()<>{}*#@]")
_FESTVOX_VOICE: Final = Path("usr/share/festival/voices/russian/msu_ru_nsh_clunits")
_FILLETS: Final = Path("usr/share/games/fillets-ng")
_FILLETS_FONTS: Final[tuple[str, ...]] = ("font_big", "font_small")
_FILLETS_LINE: Final = re.compile(
    r'^dialogId\("(?P<id>[^"]+)",\s*"(?P<font>[^"]*)".*\n+dialogStr\("(?P<text>(?:[^"\\]|\\.)*)"\)', re.M
)
_LIBRIVOX: Final = Path("usr/share/pocketsphinx/test/data/librivox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A sound file of a source.

    Attributes:
        source: the source.
        key: name inside the source, unique in it.
        path: the sound file.
        speaker: one of the source's speakers; "" where it is left out.
        text: what is said, None where that is not known for sure.
        left_out: why it is not used, None where it is.
    """

    source: HumanSource
    key: str
    path: Path
    speaker: str
    text: str | None
    left_out: str | None = None

    @property
    def clip_id(self) -> str:
        """Unique in the corpus and fit for a file name."""
        return f"{self.source.name}-{self.key.replace('/', '_')}"


def clips_of(source: HumanSource, packages: dict[str, Package]) -> list[Clip]:
    """Every sound file of a source, sorted by key.

    Args:
        source: the source.
        packages: its unpacked packages by name.

    Raises:
        CorpusError: if the packages do not hold what they should.
    """
    sounds, texts = packages[source.sound_package].root, packages[source.text_package].root
    read = {
        Layout.ASTERISK: _asterisk,
        Layout.FESTVOX: _festvox,
        Layout.FILLETS: _fillets,
        Layout.LIBRIVOX: _librivox,
    }[source.layout]
    clips = sorted(read(source, sounds, texts), key=lambda clip: clip.key)
    if not clips:
        raise CorpusError(f"package {source.sound_package}", str(sounds), "a package with sounds", _AGAIN)
    return clips


_AGAIN = "Unpack the package again, or leave the source out."


def _asterisk(source: HumanSource, sounds: Path, texts: Path) -> Iterator[Clip]:
    listing = _existing(
        texts / f"usr/share/doc/{source.text_package}/core-sounds-{source.language}.txt.gz", source
    )
    said = {}
    for line in gzip.decompress(listing.read_bytes()).decode("utf-8-sig").splitlines():
        if match := re.match(r"([^\s:;][^:]*):(.*)", line):
            said.setdefault(match[1], _spoken(match[2]))
    for folder in sorted(sounds.glob(f"usr/share/asterisk/sounds/{source.language}_*")):
        for path in folder.rglob("*.g722"):
            key = path.relative_to(folder).with_suffix("").as_posix()
            noise = key in _ASTERISK_NOISES or key.startswith("silence/")
            yield Clip(
                source=source,
                key=key,
                path=path,
                speaker=source.speakers[0],
                text=said.get(key),
                left_out=NOT_SPEECH if noise else None,
            )


def _spoken(text: str) -> str | None:
    """The words of a prompt; None if notes or keypad signs in it leave open what is said."""
    words = " ".join(text.split())
    return None if not words or _ASTERISK_NOTES.search(words) else words


def _festvox(source: HumanSource, sounds: Path, texts: Path) -> Iterator[Clip]:
    listing = _existing(texts / _FESTVOX_VOICE / "etc/txt.done.data", source).read_text(encoding="utf-8")
    said = {
        key: text.replace("+", "") for key, text in re.findall(r'\( (\S+) "(.*)" \)', listing)
    }  # + is stress
    for path in (sounds / _FESTVOX_VOICE / "wav").glob("*.wav"):
        yield Clip(
            source=source, key=path.stem, path=path, speaker=source.speakers[0], text=said.get(path.stem)
        )


def _fillets(source: HumanSource, sounds: Path, texts: Path) -> Iterator[Clip]:
    """Lines of the two fish; the script tells who speaks by the font of the subtitle."""
    speaker_of = dict(zip(_FILLETS_FONTS, source.speakers, strict=True))
    lines = {}
    for script in (texts / _FILLETS / "script").glob(f"*/dialogs_{source.language}.lua"):
        for match in _FILLETS_LINE.finditer(script.read_text(encoding="utf-8")):
            lines[script.parent.name, match["id"]] = match
    for path in (sounds / _FILLETS / "sound").rglob(f"{source.language}/*.ogg"):
        level = path.parent.parent.name
        line = lines.get((level, path.stem))
        speaker = None if line is None else speaker_of.get(line["font"])
        yield Clip(
            source=source,
            key=f"{level}/{path.stem}",
            path=path,
            speaker=speaker or "",
            text=None if line is None else line["text"].replace('\\"', '"').strip() or None,
            left_out=OTHER_CHARACTER if speaker is None else None,
        )


def _librivox(source: HumanSource, sounds: Path, texts: Path) -> Iterator[Clip]:
    listing = _existing(texts / _LIBRIVOX / "transcription", source).read_text(encoding="utf-8")
    said = {key: text for text, key in re.findall(r"<s> (.*?) +</s> \((\S+)\)", listing)}
    for path in (sounds / _LIBRIVOX).glob("*.wav"):
        yield Clip(
            source=source, key=path.stem, path=path, speaker=source.speakers[0], text=said.get(path.stem)
        )


def _existing(path: Path, source: HumanSource) -> Path:
    if not path.is_file():
        raise CorpusError(f"transcripts of {source.name}", str(path), "an existing file", _AGAIN)
    return path
