"""Peak memory of a codec, in a process of its own that encodes and decodes once.

    python -m omni_audio.evaluation.codec_memory opus:6 --build builds/NAME

prints the peak resident set in MiB: Python, the packages that the codec needs, its weights and its work. What the bare
process takes (`none`) is measured alike.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require_file
from omni_audio.evaluation.codec_registry import CodecShelf

BARE = "none"
TIMEOUT_S = 300


def peak_rss_mib(spec: str, build: Path, clip_s: float) -> float:
    """Peak resident set of a fresh process with random weights, one thread, MiB; `none` is one without a codec.

    Raises:
        ValueError: the process failed; the message is its last line.
    """
    command = [sys.executable, "-m", __name__, spec, "--build", str(build), "--clip-s", str(clip_s)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"peak memory of {spec!r} was not measured: {reason}")
    return float(done.stdout.strip().splitlines()[-1])


def own_peak_mib() -> float:
    """Peak resident set of this process, MiB, from Linux's /proc; `getrusage` tells the parent's if that is larger.

    Raises:
        ValueError: there is no /proc here.
    """
    status = Path("/proc/self/status")
    require_file("peak memory", status)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Runs one codec on noise and prints the peak of this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--clip-s", type=float, default=4.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pcm_S = 0.1 * torch.randn(int(args.clip_s * SAMPLE_RATE_HZ), generator=torch.Generator().manual_seed(0))
    if args.spec != BARE:
        codec = CodecShelf(build=args.build).make(args.spec)
        codec.decode(codec.encode(pcm_S))
    print(own_peak_mib())


if __name__ == "__main__":
    main()
