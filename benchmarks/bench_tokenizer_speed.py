"""Speed of the audio tokenizer (16 kHz) beside EnCodec 24 kHz at 6 kbit/s, on the same seconds of sound.

Both have random weights, which cost the same time as trained ones; nothing is downloaded. The repeats alternate in one
process, so that a busy machine slows both. Real-time factor (rtf): seconds computed for one second of sound, one
stream, whole clips, below 1 is faster than real time. The last line is JSON.

    python benchmarks/bench_tokenizer_speed.py --quick
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import soxr
import torch
from encodec import EncodecModel
from torch import Tensor, nn

import omni_audio
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.record import device_description, git_state
from omni_audio.tokenizer.tokenizer import AudioTokenizer, TokenizerConfig

ENCODEC_RATE_HZ = 24_000
ENCODEC_KBPS = 6.0
CLIP_S = 4.0


@dataclass(slots=True)
class Peer:
    """A codec under test: `encode` gives what `decode` takes."""

    name: str
    kbps: float
    num_parameters: int
    pcm: Tensor
    encode: Callable[[Tensor], object]
    decode: Callable[[object], Tensor]


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def ours(pcm_S: Tensor) -> Peer:
    """Our tokenizer in the nano configuration: semantic and acoustic codes, all codebooks."""
    tokenizer = AudioTokenizer(TokenizerConfig()).eval()
    for book in tokenizer.quantizer.codebooks:
        book.get_buffer("vectors").normal_()
    return Peer(
        "omni_audio",
        tokenizer.config.kilobits_per_second(),
        _num_parameters(tokenizer),
        pcm_S[None],
        tokenizer.encode,
        lambda codes: tokenizer.decode(codes.acoustic_BFK),
    )


def encodec(pcm_S: Tensor) -> Peer:
    """EnCodec's causal 24 kHz model as its package builds it; the resampling to 24 kHz is not timed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*")
        model = EncodecModel.encodec_model_24khz(pretrained=False)
    model.set_target_bandwidth(ENCODEC_KBPS)
    for layer in model.quantizer.vq.layers:
        layer._codebook.embed.normal_()
        layer._codebook.inited.fill_(1)  # else the first clip would start k-means
    pcm_24k = torch.from_numpy(soxr.resample(pcm_S.numpy(), SAMPLE_RATE_HZ, ENCODEC_RATE_HZ))
    return Peer(
        "encodec_24khz", ENCODEC_KBPS, _num_parameters(model), pcm_24k[None, None], model.encode, model.decode
    )


def noise_like_speech(seconds: float) -> Tensor:
    """(S,) noise with a syllable-like envelope; neither codec's time depends on what is said."""
    generator = torch.Generator().manual_seed(0)
    num_samples = int(seconds * SAMPLE_RATE_HZ)
    envelope_S = torch.sin(torch.arange(num_samples) * (2 * torch.pi * 4 / SAMPLE_RATE_HZ)).abs()
    return 0.1 * envelope_S * torch.randn(num_samples, generator=generator)


@torch.no_grad()
def timed_rtf(peer: Peer, seconds: float) -> tuple[float, float]:
    """Real-time factors of one encoding and one decoding."""
    start = time.perf_counter()
    codes = peer.encode(peer.pcm)
    middle = time.perf_counter()
    peer.decode(codes)
    end = time.perf_counter()
    return (middle - start) / seconds, (end - middle) / seconds


def summary(values: list[float]) -> dict[str, float]:
    """Median, quartiles and extremes."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    named = {
        "median": statistics.median(values),
        "q1": low,
        "q3": high,
        "min": min(values),
        "max": max(values),
    }
    return {name: float(f"{value:.4g}") for name, value in named.items()}


def measure(clip_s: float, repeats: int) -> dict[str, object]:
    """Times both codecs in turn."""
    torch.manual_seed(0)
    pcm_S = noise_like_speech(clip_s)
    peers = [ours(pcm_S), encodec(pcm_S)]
    found: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in peers}
    for peer in peers:
        timed_rtf(peer, clip_s)
    for repeat in range(repeats):
        for peer in peers if repeat % 2 == 0 else peers[::-1]:
            found[peer.name].append(timed_rtf(peer, clip_s))
    line: dict[str, object] = {}
    totals: dict[str, list[float]] = {}
    for peer in peers:
        encode_rtf, decode_rtf = ([pair[part] for pair in found[peer.name]] for part in (0, 1))
        totals[peer.name] = [sum(pair) for pair in found[peer.name]]
        line |= {
            f"{peer.name}_kbps": peer.kbps,
            f"{peer.name}_parameters": peer.num_parameters,
            f"{peer.name}_encode_rtf": summary(encode_rtf),
            f"{peer.name}_decode_rtf": summary(decode_rtf),
            f"{peer.name}_rtf": summary(totals[peer.name]),
        }
    ratios = [theirs / own for own, theirs in zip(totals[peers[0].name], totals[peers[1].name], strict=True)]
    spread = summary(ratios)
    return {"speed_vs_encodec": spread["median"], "speed_vs_encodec_spread": spread, **line}


def show(line: dict[str, object]) -> None:
    """Prints the figures as a table."""
    print(f"{'rtf':<16}{'encode':>10}{'decode':>10}{'both':>10}   quartiles of both")
    for name in ("omni_audio", "encodec_24khz"):
        encode_rtf, decode_rtf, both = (line[f"{name}_{part}rtf"] for part in ("encode_", "decode_", ""))
        print(
            f"{name:<16}{encode_rtf['median']:>10.4f}{decode_rtf['median']:>10.4f}{both['median']:>10.4f}"
            f"   {both['q1']:.4f} - {both['q3']:.4f}"
        )
    print(f"{line['speed_vs_encodec']:.1f} times as fast as EnCodec (median of the pairs)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats: under a minute on two cores")
    parser.add_argument("--clip-s", type=float, default=CLIP_S, help=f"seconds of sound; default: {CLIP_S:g}")
    parser.add_argument("--repeats", type=int, help="pairs of runs; default: 30, or 7 with --quick")
    args = parser.parse_args()
    repeats = (7 if args.quick else 30) if args.repeats is None else args.repeats
    if repeats < 2:
        parser.error(f"--repeats {repeats} is not allowed: expected at least 2, for a spread")
    if args.clip_s < 0.5:
        parser.error(f"--clip-s {args.clip_s:g} is not allowed: expected at least 0.5")
    line = measure(args.clip_s, repeats)
    show(line)
    line |= {"n": repeats, "clip_s": args.clip_s, "torch": torch.__version__}
    line |= {**device_description(), **git_state(Path(omni_audio.__file__).parent)}
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
