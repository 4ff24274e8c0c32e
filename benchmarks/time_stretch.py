"""Change of speed of generated speech: in the decoder's latents, in the waveform (WSOLA), and by two peers.

The tokenizer encodes and decodes the same clips for all; at each speed every method makes its sound of the same codes.
`latent_12hz` stretches the quantised latents (12.5 Hz), `latent_100hz` the vocoder's columns (100 Hz), before its last
blocks; `waveform` stretches the decoded sound; so do the peers, torchaudio's phase vocoder and FFmpeg's atempo.

    wer_percent      Whisper tiny.en against the words; at extreme speeds it fails on any sound, so see mel_error_db
    mel_error_db     mean distance of log-mels from those of the decoded sound, drawn out or pressed together in time;
                     not 0 even at best, and it knows nothing of phase
    f0_ratio         median over clips of median pitch after / before, by autocorrelation; 1 is pitch kept. After is
                     sought within 30 % of before: repeated pieces of noise would pass for a low voice
    rtf              seconds computed for one second of sound that comes out; `decode_rtf` with decoding

The last line is JSON.

    python benchmarks/time_stretch.py --quick
    python benchmarks/time_stretch.py --corpus runs/nano/corpus --answers 16
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
import torchaudio.functional as AF
from av.filter import Graph
from einops import rearrange
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

import omni_audio
from omni_audio.audio.io import load_audio
from omni_audio.audio.time_stretch import stretch_whole
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.evaluation.items import load_items
from omni_audio.evaluation.judge import Judge, JudgeKind, load_judge
from omni_audio.evaluation.pitch import pitch_ratio
from omni_audio.evaluation.wer import ErrorCounts, corpus_rate_percent, count_words
from omni_audio.model.build import load_tokenizer
from omni_audio.record import device_description, git_state
from omni_audio.tokenizer.latent_stretch import stretch_latents_whole
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.tokenizer.vocoder import Vocoder

SPEEDS = (0.25, 0.5, 0.75, 1.25, 1.5, 2.0, 3.0, 4.0)
BUILD = Path("builds/omni-audio-tokenizer-nano4-2026-11-22")
HUMAN = Path("tests/data")
OURS = ("latent_12hz", "latent_100hz", "waveform")
PEERS = ("phase_vocoder", "atempo")
QUICK_CLIPS = 3


@dataclass(slots=True)
class Clip:
    """A clip: its words, its latents (1, F, D) and their sound at speed 1, (1, S)."""

    text: str
    latent_BFD: Tensor
    decoded_BS: Tensor


@dataclass(slots=True)
class Found:
    """Figures of one method at one speed, one entry a clip."""

    sounds: list[Tensor] = field(default_factory=list)
    errors: list[ErrorCounts] = field(default_factory=list)
    mel_errors_db: list[float] = field(default_factory=list)
    f0_ratios: list[float] = field(default_factory=list)
    rtfs: list[float] = field(default_factory=list)
    decode_rtfs: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        figures: dict[str, object] = {
            "mel_error_db": _rounded(statistics.mean(self.mel_errors_db)),
            "f0_ratio": _rounded(statistics.median(self.f0_ratios)),
            "f0_ratio_worst": _rounded(max(self.f0_ratios, key=lambda ratio: abs(math.log(ratio)))),
            "decode_rtf": _rounded(statistics.median(self.decode_rtfs)),
        }
        if self.rtfs:
            figures["rtf"] = _rounded(statistics.median(self.rtfs))
        if self.errors:
            wer = corpus_rate_percent(self.errors)
            figures |= {
                "wer_percent": _rounded(wer.value),
                "wer_low": _rounded(wer.low),
                "wer_high": _rounded(wer.high),
            }
        return figures


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


@contextmanager
def stretched_columns(vocoder: Vocoder, speed: float) -> Iterator[None]:
    """Stretches the vocoder's columns before its last blocks; filled up to whole frames by the last column."""

    def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], output_BFX: Tensor) -> Tensor:
        columns_BTD = rearrange(output_BFX, "b f (p d) -> b (f p) d", p=vocoder.columns_per_frame)
        columns_BTD = stretch_latents_whole(columns_BTD, speed)
        missing = -columns_BTD.shape[1] % vocoder.columns_per_frame
        columns_BTD = torch.cat([columns_BTD, columns_BTD[:, -1:].expand(-1, missing, -1)], 1)
        return rearrange(columns_BTD, "b (f p) d -> b f (p d)", p=vocoder.columns_per_frame)

    handle = vocoder.upsample.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def by_latent_12hz(vocoder: Vocoder, latent_BFD: Tensor, speed: float) -> Tensor:
    return vocoder(stretch_latents_whole(latent_BFD, speed))


def by_latent_100hz(vocoder: Vocoder, latent_BFD: Tensor, speed: float) -> Tensor:
    num_columns = round(latent_BFD.shape[1] * vocoder.columns_per_frame / speed)
    with stretched_columns(vocoder, speed):
        return vocoder(latent_BFD)[:, : num_columns * vocoder.config.hop_samples]


def by_phase_vocoder(pcm_BS: Tensor, speed: float) -> Tensor:
    window, hop = 512, 128
    window_X = torch.hann_window(window)
    spectrum = torch.stft(pcm_BS, window, hop, window=window_X, return_complex=True)
    advance = torch.linspace(0, math.pi * hop, window // 2 + 1)[:, None]
    spectrum = AF.phase_vocoder(spectrum, speed, advance)
    return torch.istft(spectrum, window, hop, window=window_X, length=round(pcm_BS.shape[1] / speed))


def by_atempo(pcm_BS: Tensor, speed: float) -> Tensor:
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=SAMPLE_RATE_HZ, format="fltp", layout="mono", time_base=Fraction(1, SAMPLE_RATE_HZ)
    )
    steps = [0.5, speed / 0.5] if speed < 0.5 else [speed]  # atempo starts at 0.5
    filters = [source, *(graph.add("atempo", f"{step:g}") for step in steps), graph.add("abuffersink")]
    graph.link_nodes(*filters).configure()
    frame = av.AudioFrame.from_ndarray(pcm_BS.numpy(), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
    source.push(frame)
    source.push(None)
    parts = []
    while True:
        try:
            stretched = filters[-1].pull()
        except EOFError:
            return torch.from_numpy(np.concatenate(parts, 1))
        assert isinstance(stretched, av.AudioFrame)
        parts.append(stretched.to_ndarray())


LATENT_METHODS: dict[str, Callable[[Vocoder, Tensor, float], Tensor]] = {
    "latent_12hz": by_latent_12hz,
    "latent_100hz": by_latent_100hz,
}
WAVEFORM_METHODS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "waveform": stretch_whole,
    "phase_vocoder": by_phase_vocoder,
    "atempo": by_atempo,
}


def mel_error_db(mel: MelSpectrogram, stretched_BS: Tensor, decoded_BS: Tensor) -> float:
    """Mean absolute distance of log-mels, those of speed 1 resampled in time to as many columns."""
    found_BMT, wanted_BMT = (20 * mel(pcm).clamp_min(1e-4).log10() for pcm in (stretched_BS, decoded_BS))
    num_columns = found_BMT.shape[-1]
    mode = "linear" if num_columns > wanted_BMT.shape[-1] else "area"
    return float((found_BMT - F.interpolate(wanted_BMT, size=num_columns, mode=mode)).abs().mean())


def heard_errors(judge: Judge, clips: list[Clip], sounds: list[Tensor]) -> list[ErrorCounts]:
    heard = judge.transcribe(sounds)
    return [count_words(clip.text, text) for clip, text in zip(clips, heard, strict=True)]


def measure_method(
    method: str, speed: float, clip: Clip, vocoder: Vocoder, found: Found, mel: MelSpectrogram
) -> None:
    """One method on one clip; its sound and figures join `found`."""
    start = time.perf_counter()
    if method in LATENT_METHODS:
        pcm_BS = LATENT_METHODS[method](vocoder, clip.latent_BFD, speed)
    else:
        decoded_BS = vocoder(clip.latent_BFD)
        middle = time.perf_counter()
        pcm_BS = WAVEFORM_METHODS[method](decoded_BS, speed)
        found.rtfs.append((time.perf_counter() - middle) * SAMPLE_RATE_HZ / pcm_BS.shape[1])
    found.decode_rtfs.append((time.perf_counter() - start) * SAMPLE_RATE_HZ / pcm_BS.shape[1])
    found.mel_errors_db.append(mel_error_db(mel, pcm_BS, clip.decoded_BS))
    found.f0_ratios.append(pitch_ratio(pcm_BS[0], clip.decoded_BS[0]))
    found.sounds.append(pcm_BS[0])


def load_clips(tokenizer: AudioTokenizer, corpus: Path | None, num_answers: int) -> list[Clip]:
    """The recorded human prompts and, from a corpus, spoken answers of its test split."""
    lines = (HUMAN / "transcripts.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    sounds = [(entry["text"], load_audio(HUMAN / entry["file"])) for entry in entries]
    if corpus is not None:
        items = load_items(corpus, "test", num_answers, seed=0)
        sounds += [(item.answer, item.answer_pcm()) for item in items]
    clips = []
    for text, pcm_S in sounds:
        latent_BFD = tokenizer.quantizer.decode(tokenizer.acoustic_codes(pcm_S[None]))
        clips.append(Clip(text, latent_BFD, tokenizer.vocoder(latent_BFD)))
    return clips


@torch.no_grad()
def measure(tokenizer: AudioTokenizer, clips: list[Clip], judge: Judge | None) -> dict[str, object]:
    """All methods in turn on each clip at each speed, and the decoded clips as they are."""
    mel = MelSpectrogram(SAMPLE_RATE_HZ, n_fft=512, hop_length=80, n_mels=80, power=1.0)
    methods = (*OURS, *PEERS)
    for method in methods:  # once, so that the first timing is not of a first call
        measure_method(method, 1.5, clips[0], tokenizer.vocoder, Found(), mel)
    line: dict[str, object] = {}
    if judge is not None:
        decoded = heard_errors(judge, clips, [clip.decoded_BS[0] for clip in clips])
        line["decoded_wer_percent"] = _rounded(corpus_rate_percent(decoded).value)
    waveform_rtfs, vocoder_rtfs = [], []
    print(
        f"{'speed':>6} {'method':<14}{'wer %':>8}{'mel dB':>8}{'f0':>8}{'worst f0':>10}{'rtf':>9}{'decode':>9}"
    )
    for speed in SPEEDS:
        found = {method: Found() for method in methods}
        for number, clip in enumerate(clips):
            for method in methods if number % 2 == 0 else methods[::-1]:
                measure_method(method, speed, clip, tokenizer.vocoder, found[method], mel)
        waveform_rtfs += found["waveform"].rtfs
        vocoder_rtfs += found["phase_vocoder"].rtfs
        for method in methods:
            if judge is not None and method in OURS:
                found[method].errors = heard_errors(judge, clips, found[method].sounds)
            figures = found[method].figures()
            line[f"{method}_{speed:g}"] = figures
            shown = [figures.get(key, "") for key in ("wer_percent", "mel_error_db", "f0_ratio")]
            shown += [figures.get(key, "") for key in ("f0_ratio_worst", "rtf", "decode_rtf")]
            widths = (8, 8, 8, 10, 9, 9)
            cells = "".join(f"{value:>{width}}" for value, width in zip(shown, widths, strict=True))
            print(f"{speed:>6g} {method:<14}{cells}", flush=True)
    ratios = [theirs / own for own, theirs in zip(waveform_rtfs, vocoder_rtfs, strict=True)]
    return {"waveform_speed_vs_phase_vocoder": _rounded(statistics.median(ratios)), **line}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_CLIPS} clips: under a minute on two cores"
    )
    parser.add_argument("--build", type=Path, default=BUILD, help=f"of the tokenizer; default: {BUILD}")
    parser.add_argument("--corpus", type=Path, help="adds spoken answers of its test split")
    parser.add_argument("--answers", type=int, default=16, help="how many of them; default: 16")
    parser.add_argument("--no-judge", action="store_true", help="leaves the word error rates out")
    args = parser.parse_args()
    if args.answers < 1:
        parser.error(f"--answers {args.answers} is not allowed: expected at least 1")
    kind = JudgeKind.none if args.no_judge else JudgeKind.whisper_tiny_en
    judge = load_judge(kind, num_threads=torch.get_num_threads())
    tokenizer = load_tokenizer(args.build).eval()
    with torch.no_grad():
        clips = load_clips(tokenizer, args.corpus, args.answers)
    if args.quick:
        clips = clips[-QUICK_CLIPS:]
    line = measure(tokenizer, clips, judge)
    line |= {"n": len(clips), "build": args.build.name, "torch": torch.__version__}
    if judge is not None:
        line["judge"] = judge.name
    line |= {**device_description(), **git_state(Path(omni_audio.__file__).parent)}
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
