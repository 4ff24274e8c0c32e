"""Which sound formats are read, how a file is known to be one, and with which demuxer it is opened.

Only the demuxers of this list are ever used, and always by name: FFmpeg never guesses what hostile bytes might be
(a playlist, a script that joins files, a device).
"""

from dataclasses import dataclass
from typing import BinaryIO, Final

from omni_audio.checks import NotAllowedError

_HEAD_BYTES = 16


class AudioError(NotAllowedError):
    """A sound cannot be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundFormat:
    """One format that is read.

    Attributes:
        name: short name, in messages and declarations.
        demuxer: FFmpeg's name of what opens it.
        suffixes: how names of such files end, lower case, without the dot.
        is_raw: whether it has no header, so that only the name of a file tells it.
        length_tolerance_s: how far the stated length may be above the true one; lossy formats count padding in.
        options: of the demuxer; the rate, where no header gives it.
    """

    name: str
    demuxer: str
    suffixes: tuple[str, ...]
    is_raw: bool = False
    length_tolerance_s: float = 0.001
    options: tuple[tuple[str, str], ...] = ()


_TELEPHONE_RATE = (("sample_rate", "8000"),)

FORMATS: Final = {
    form.name: form
    for form in (
        SoundFormat(name="wav", demuxer="wav", suffixes=("wav", "wave")),
        SoundFormat(name="flac", demuxer="flac", suffixes=("flac",)),
        SoundFormat(name="ogg", demuxer="ogg", suffixes=("ogg", "oga", "opus")),
        SoundFormat(name="mp3", demuxer="mp3", suffixes=("mp3", "mpeg", "mpga"), length_tolerance_s=0.5),
        SoundFormat(
            name="webm",
            demuxer="matroska",
            suffixes=("webm", "weba", "mkv", "mka"),
            length_tolerance_s=0.5,
        ),
        SoundFormat(name="mp4", demuxer="mp4", suffixes=("mp4", "m4a", "m4b"), length_tolerance_s=0.5),
        SoundFormat(name="aac", demuxer="aac", suffixes=("aac", "adts")),
        SoundFormat(name="aiff", demuxer="aiff", suffixes=("aiff", "aif", "aifc")),
        SoundFormat(name="au", demuxer="au", suffixes=("au", "snd")),
        SoundFormat(name="g722", demuxer="g722", suffixes=("g722",), is_raw=True),
        SoundFormat(
            name="mulaw",
            demuxer="mulaw",
            suffixes=("ulaw", "mulaw", "ul"),
            is_raw=True,
            options=_TELEPHONE_RATE,
        ),
        SoundFormat(
            name="alaw", demuxer="alaw", suffixes=("alaw", "al"), is_raw=True, options=_TELEPHONE_RATE
        ),
    )
}

SOUND_SUFFIXES: Final = frozenset(suffix for form in FORMATS.values() for suffix in form.suffixes)


def format_named(name: str) -> SoundFormat | None:
    """The format that is called so, or whose files end so; None if there is none."""
    name = name.lower()
    return next((form for form in FORMATS.values() if name == form.name or name in form.suffixes), None)


def sniff_format(head: bytes) -> SoundFormat | None:
    """The format by the first bytes (12 are enough); None if it is none that has a header."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return FORMATS["wav"]
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return FORMATS["aiff"]
    if head[4:8] == b"ftyp":
        return FORMATS["mp4"]
    for magic, name in (
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (b"\x1a\x45\xdf\xa3", "webm"),
        (b".snd", "au"),
        (b"ID3", "mp3"),
    ):
        if head.startswith(magic):
            return FORMATS[name]
    # the sync bits of an MPEG frame, then its layer: III is MP3, none is AAC in ADTS
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return FORMATS["mp3"]
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return FORMATS["aac"]
    return None


def find_format(file: BinaryIO, source: str, suffix: str = "") -> SoundFormat:
    """The format of an open file, by its first bytes; where they tell nothing, a raw format by its suffix.

    Args:
        file: at its start; it is left there.
        source: name in messages.
        suffix: how the file's name ends, without the dot.

    Raises:
        AudioError: the file is empty or of no format of the list.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise AudioError(source, "an empty file", "a sound file", "Check how the file was made.")
    form = sniff_format(head)
    if form is None:
        form = format_named(suffix)
        if form is None or not form.is_raw:
            known = ", ".join(listed.name for listed in FORMATS.values() if not listed.is_raw)
            raw = ", ".join(f".{listed.suffixes[0]}" for listed in FORMATS.values() if listed.is_raw)
            raise AudioError(
                source,
                head[:12],
                f"the first bytes of {known}, or a name that ends in {raw}",
                "Convert the file, for example to wav.",
            )
    return form
