"""The record of a run: what was run, on what, from which commit, so that a figure can be made again."""

import hashlib
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import omni_audio
from omni_audio.plain import to_plain
from omni_audio.training.runtime import usable_cores

log = logging.getLogger(__name__)

RECORD_NAME = "run_record.json"
RECORDED_PACKAGES = (
    "bitsandbytes",
    "encodec",
    "hydra-core",
    "lhotse",
    "lightning",
    "numpy",
    "omni-audio",
    "tokenizers",
    "torch",
    "torchaudio",
)


def config_hash(config: Any) -> str:
    """Returns the first 16 hex digits of the SHA-256 of a config's sorted JSON; equal configs, equal hash."""
    text = json.dumps(to_plain(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def git_state(folder: Path) -> dict[str, Any]:
    """Returns commit and dirty flag of the checkout that tracks the package in `folder`; both None where none does.

    A package installed into an environment that lies inside some other checkout has no commit.
    """
    commit = _git(folder, "rev-parse", "HEAD") if _git(folder, "ls-files", "__init__.py") else None
    if commit is None:
        return {"commit": None, "dirty": None}
    status = _git(folder, "status", "--porcelain")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def device_description() -> dict[str, Any]:
    """Returns what the run computes on: processor, usable cores and, where there is one, the GPU."""
    description: dict[str, Any] = {
        "machine": platform.machine(),
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "torch_threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        description["gpu"] = torch.cuda.get_device_name()
    return description


def package_versions() -> dict[str, str]:
    """Returns the installed versions of the packages that a result depends on."""
    versions = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def write_json_atomic(path: Path, data: Any) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never a part.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class RunRecord:
    """The `run_record.json` of one run folder: written at the start, completed at the end.

    A context manager: leaving it writes the end time and `finished`, `interrupted` or `failed`. A run that is resumed
    keeps what it said of its earlier starts under `earlier`.
    """

    def __init__(self, run_dir: Path, config: Any, seed: int, command: list[str] | None = None) -> None:
        self.path = run_dir / RECORD_NAME
        self.data: dict[str, Any] = {
            "status": "running",
            "started": _now(),
            "ended": None,
            "command": sys.argv if command is None else command,
            "seed": seed,
            "config_hash": config_hash(config),
            **git_state(Path(omni_audio.__file__).parent),
            "packages": package_versions(),
            "device": device_description(),
            "config": to_plain(config),
            "earlier": _earlier(self.path),
        }

    def __enter__(self) -> "RunRecord":
        write_json_atomic(self.path, self.data)
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: Any
    ) -> None:
        self.data["ended"] = _now()
        if error_type is None:
            self.data["status"] = "finished"
        elif _is_interrupt(error):
            self.data["status"] = "interrupted"
        else:
            self.data["status"] = "failed"
            self.data["error"] = f"{error_type.__name__}: {error}"
        try:
            write_json_atomic(self.path, self.data)
        except OSError:
            if error_type is None:
                raise


def _earlier(path: Path) -> list[dict[str, Any]]:
    """What an existing record says of the starts before this one; a broken record says nothing."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        kept = ("status", "started", "ended", "commit", "dirty", "config_hash", "error")
        return [*before["earlier"], {key: before[key] for key in kept if key in before}]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read (%s): what it said of earlier starts is lost", path, error)
        return []


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind the error; Lightning turns it into exit(1)."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
