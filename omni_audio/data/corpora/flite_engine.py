"""Flite through ctypes: four small voices made of recorded people, from the system's library (Debian: libflite1)."""

from __future__ import annotations

import ctypes
import functools
from typing import Final

import numpy as np

from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.voice_engines import PcmArray

FLITE_PACKAGE: Final = "libflite1"
SPEAKERS_HZ: Final = {"slt": 160.0, "rms": 101.0, "awb": 118.0, "kal16": 93.0}
"""Median pitch of each speaker as measured on one sentence; `pitch` is relative to it."""


class _Wave(ctypes.Structure):
    """`cst_wave` of Flite 2."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _Voice(ctypes.Structure):
    """The beginning of `cst_voice` of Flite 2."""

    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class FliteEngine:
    """Flite; about twenty times real time on a core."""

    rate_hz = 16_000

    def __init__(self) -> None:
        self._lib = _library("libflite.so.1")
        for name in ("libflite_cmulex.so.1", "libflite_usenglish.so.1"):
            _library(name)
        self._lib.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
        self._lib.flite_text_to_wave.argtypes = (ctypes.c_char_p, ctypes.POINTER(_Voice))
        self._lib.delete_wave.argtypes = (ctypes.POINTER(_Wave),)
        self._lib.flite_feat_set_float.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float)
        self._lib.flite_init()
        self._voices = {speaker: _register(speaker) for speaker in SPEAKERS_HZ}

    def speak(self, text: str, *, speaker: str, speed: float, pitch: float) -> PcmArray:
        """Speaks a text.

        Args:
            text: what to say.
            speaker: one of SPEAKERS_HZ.
            speed: 1 is normal, larger is faster.
            pitch: 1 is normal; rms keeps its own, whatever is asked.

        Raises:
            CorpusError: if there is no such speaker, or the synthesis fails.
        """
        if speaker not in self._voices:
            raise CorpusError("speaker", speaker, f"one of {sorted(self._voices)}", "use a known speaker")
        voice = self._voices[speaker]
        features = voice.contents.features
        self._lib.flite_feat_set_float(features, b"duration_stretch", 1.0 / speed)
        self._lib.flite_feat_set_float(features, b"int_f0_target_mean", pitch * SPEAKERS_HZ[speaker])
        wave = self._lib.flite_text_to_wave(text.encode(), voice)
        if not wave or wave.contents.num_samples == 0:
            raise CorpusError("text", text, "text that Flite can speak", "use plain lower-case words")
        try:
            found = wave.contents
            assert found.sample_rate == self.rate_hz, found.sample_rate
            return np.ctypeslib.as_array(found.samples, (found.num_samples,)).astype(np.float32) / 32768.0
        finally:
            self._lib.delete_wave(wave)


def _library(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise CorpusError(
            "engine",
            name,
            f"Flite's shared library ({error})",
            f"Install it (Debian: apt-get install {FLITE_PACKAGE}), or leave Flite's voices out.",
        ) from error


def _register(speaker: str) -> ctypes._Pointer[_Voice]:
    register = getattr(_library(f"libflite_cmu_us_{speaker}.so.1"), f"register_cmu_us_{speaker}")
    register.restype, register.argtypes = ctypes.POINTER(_Voice), (ctypes.c_char_p,)
    return register(None)


@functools.cache
def flite_engine() -> FliteEngine:
    """The Flite engine of this process."""
    return FliteEngine()
