"""Codecs by name and operating point: `omni_audio:8`, `encodec:6`, `mimi:8`, `opus:6`, `codec2:1.2`."""

from dataclasses import dataclass, field
from pathlib import Path

from omni_audio.checks import require
from omni_audio.model.build import load_tokenizer
from omni_audio.tokenizer.codec import BaselineWeights, Codec, TokenizerCodec
from omni_audio.tokenizer.codec2_baseline import Codec2Baseline
from omni_audio.tokenizer.encodec_baseline import EncodecBaseline
from omni_audio.tokenizer.mimi_baseline import MimiBaseline
from omni_audio.tokenizer.opus_baseline import OpusBaseline
from omni_audio.tokenizer.tokenizer import AudioTokenizer

FAMILIES = {
    "omni_audio": "codebooks",
    "encodec": "kbit/s",
    "mimi": "codebooks",
    "opus": "kbit/s",
    "codec2": "kbit/s",
}
LEARNED_PEERS = ("encodec", "mimi")


@dataclass(kw_only=True, slots=True)
class CodecShelf:
    """Makes codecs; our tokenizer is loaded once.

    Attributes:
        build: folder with our tokenizer.
        weights: of the learned peers.
        encodec_folder: with EnCodec's weights; None: the hub.
        mimi_folder: with Mimi's weights; None: the hub.
    """

    build: Path
    weights: BaselineWeights = BaselineWeights.random
    encodec_folder: Path | None = None
    mimi_folder: Path | None = None
    _tokenizer: AudioTokenizer | None = field(default=None, init=False)

    def tokenizer(self) -> AudioTokenizer:
        """Ours, from the build.

        Raises:
            ValueError: the build cannot be read.
        """
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self.build)
        return self._tokenizer

    def make(self, spec: str) -> Codec:
        """The codec that `family:point` names.

        Raises:
            ValueError: no such family or point, a missing package, or weights that cannot be had.
        """
        family, point = parse_spec(spec)
        if family == "omni_audio":
            return TokenizerCodec(self.tokenizer(), int(point))
        if family == "encodec":
            return EncodecBaseline(point, self.weights, self.encodec_folder)
        if family == "mimi":
            return MimiBaseline(int(point), self.weights, self.mimi_folder)
        return OpusBaseline(point) if family == "opus" else Codec2Baseline(point)


def parse_spec(spec: str) -> tuple[str, float]:
    """`opus:6` -> (`opus`, 6.0).

    Raises:
        ValueError: no such family, or a point that is not a number (whole where it counts codebooks).
    """
    family, _, point = spec.partition(":")
    require(
        family in FAMILIES,
        "codec",
        spec,
        f"one of {sorted(FAMILIES)}, a colon, and the point",
        "Write opus:6.",
    )
    try:
        value = float(point)
    except ValueError:
        value = 0.0
    require(
        value > 0 and (FAMILIES[family] == "kbit/s" or value == int(value)),
        "codec",
        spec,
        f"{family}: and a number of {FAMILIES[family]}",
        "Write opus:6 or omni_audio:8.",
    )
    return family, value
