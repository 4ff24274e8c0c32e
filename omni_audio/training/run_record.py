"""The record of a run: what was run, on what, from which commit, so that a figure can be made again."""

import json
import logging
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import omni_audio
from omni_audio.plain import to_plain
from omni_audio.record import config_hash, device_description, git_state, package_versions

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
            "packages": package_versions(RECORDED_PACKAGES),
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
