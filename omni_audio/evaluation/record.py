"""What an evaluation was made with: config and its hash, commit, machine, versions."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import orjson
import torch

from omni_audio import __version__
from omni_audio.plain import to_plain

PACKAGES = (
    "torch",
    "torchaudio",
    "lhotse",
    "jiwer",
    "whisper-normalizer",
    "faster-whisper",
    "bitsandbytes",
    "numpy",
)


def run_record(config: Any) -> dict[str, Any]:
    """The record of a run.

    Args:
        config: a dataclass instance; its hash is of its sorted JSON.
    """
    plain = to_plain(config)
    tracked = bool(_git("ls-files", "__init__.py"))  # not some other checkout that holds the environment
    digest = hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    return {
        "config": plain,
        "config_hash": digest,
        "commit": _git("rev-parse", "HEAD") if tracked else None,
        "uncommitted_changes": bool(_git("status", "--porcelain")) if tracked else None,
        "package_version": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {_cpu_name()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu",
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _git(*arguments: str) -> str | None:
    """What git prints in the source folder; None where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unnamed processor"
