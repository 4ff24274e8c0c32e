"""Recorded people whose speech Debian packages hold: who speaks, in which split, under which licence.

Whole people are held out. Allison Smith recorded the English and the Spanish prompts, so both are test: a
tokenizer that trained on the Spanish ones would have heard the test voice.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from omni_audio.data.corpora.commands_slots import CorpusError


class Layout(Enum):
    """How a package lays out its sounds and transcripts; `human_clips` reads each."""

    ASTERISK = "asterisk"
    FESTVOX = "festvox"
    FILLETS = "fillets"
    LIBRIVOX = "librivox"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanSource:
    """The recordings of one package.

    Attributes:
        name: unique name.
        layout: how the files lie.
        sound_package: Debian package of the sounds.
        text_package: Debian package of the transcripts; the same one where it holds both.
        language: ISO 639-1 code.
        speakers: the people who speak; each belongs to one split in every source.
        split: "train", "dev" or "test".
        licence: SPDX name, or what the package calls it.
        credit: who is to be named.
    """

    name: str
    layout: Layout
    sound_package: str
    text_package: str
    language: str
    speakers: tuple[str, ...]
    split: str
    licence: str
    credit: str

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that the source needs, each once."""
        return tuple(dict.fromkeys((self.sound_package, self.text_package)))


def _asterisk(language: str, speaker: str, split: str, licence: str, credit: str) -> HumanSource:
    package = f"asterisk-core-sounds-{language}"
    return HumanSource(
        name=f"asterisk-{language}",
        layout=Layout.ASTERISK,
        sound_package=f"{package}-g722",
        text_package=package,
        language=language,
        speakers=(speaker,),
        split=split,
        licence=licence,
        credit=credit,
    )


def _fillets(language: str) -> HumanSource:
    return HumanSource(
        name=f"fillets-{language}",
        layout=Layout.FILLETS,
        sound_package=f"fillets-ng-data-{language}",
        text_package="fillets-ng-data",
        language=language,
        speakers=(f"fillets-{language}-big", f"fillets-{language}-small"),
        split="train",
        licence="GPL-2.0-only",
        credit="ALTAR interactive and the Fish Fillets NG team, http://fillets.sourceforge.net",
    )


_ALLISON = "Allison Smith, http://www.theivrvoice.com; funded by Digium, Inc."

SOURCES: Final[dict[str, HumanSource]] = {
    source.name: source
    for source in (
        _asterisk("en", "allison-smith", "test", "CC-BY-SA-3.0", _ALLISON),
        _asterisk("es", "allison-smith", "test", "CC-BY-SA-3.0", _ALLISON),
        _asterisk("it", "carlo-flora", "train", "CC-BY-3.0", "Carlo Flora, http://www.carloflora.com"),
        _asterisk("fr", "june-wallack", "dev", "CC-BY-SA-3.0", "June Wallack, http://www.junewallack.com"),
        _asterisk("ru", "ivrvoice-ru", "train", "CC-BY-3.0", "Maxim Topal, http://www.ivrvoice.ru"),
        HumanSource(
            name="festvox-ru",
            layout=Layout.FESTVOX,
            sound_package="festvox-ru",
            text_package="festvox-ru",
            language="ru",
            speakers=("msu-ru-nsh",),
            split="train",
            licence="BSD-like (festvox-ru, see its copyright file)",
            credit="Nickolay V. Shmyrev",
        ),
        HumanSource(
            name="librivox-en",
            layout=Layout.LIBRIVOX,
            sound_package="pocketsphinx-testdata",
            text_package="pocketsphinx-testdata",
            language="en",
            speakers=("librivox-austen",),
            split="test",
            licence="BSD-2-Clause",
            credit="Carnegie Mellon University, Alpha Cephei Inc.; a LibriVox reader",
        ),
        _fillets("cs"),
        _fillets("nl"),
    )
}

OPTIONAL: Final = ("fillets-cs", "fillets-nl")
"""Sources that a corpus holds only where it is asked to: what is trained on them may have to be GPL-2.0."""

DEFAULT: Final = tuple(name for name in SOURCES if name not in OPTIONAL)
"""Sources that a corpus holds if nothing else is asked for."""


def human_source(name: str) -> HumanSource:
    """Source by name.

    Raises:
        CorpusError: if there is none.
    """
    if name not in SOURCES:
        raise CorpusError("sources", name, f"some of {list(SOURCES)}", "Name a known source.")
    return SOURCES[name]
