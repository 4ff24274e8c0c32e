"""Folders of finished stages: what was done with the same config and inputs is not done again."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omni_audio.files import written_whole
from omni_audio.plain import to_plain

STAGE_FILE = "stage.json"


def fingerprint(*parts: Any) -> str:
    """16 hex digits of configs and of the fingerprints of what a stage is made from."""
    return hashlib.sha256(
        json.dumps([to_plain(part) for part in parts], sort_keys=True).encode()
    ).hexdigest()[:16]


def finished(folder: Path, expected: str) -> bool:
    """Whether this folder holds the finished stage of this fingerprint."""
    path = folder / STAGE_FILE
    return path.is_file() and json.loads(path.read_text())["fingerprint"] == expected


def run_stage(name: str, folder: Path, expected: str, work: Callable[[], None]) -> bool:
    """Does the work unless it is done already; returns whether it was done now.

    Raises:
        ValueError: the folder holds the same stage of another config.
    """
    if finished(folder, expected):
        print(f"{name}: already done in {folder}", flush=True)
        return False
    marker, plan = folder / STAGE_FILE, folder / "plan.json"
    if plan.is_file() and json.loads(plan.read_text())["fingerprint"] != expected:
        raise ValueError(
            f"{folder} was begun with another config or other inputs: expected fingerprint {expected}. "
            f"Choose another name=, or delete {folder}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(plan, {"stage": name, "fingerprint": expected})
    print(f"{name}: working in {folder}", flush=True)
    start = time.perf_counter()
    work()
    _write_json(
        marker, {"stage": name, "fingerprint": expected, "seconds": round(time.perf_counter() - start, 1)}
    )
    return True


def _write_json(path: Path, value: dict[str, Any]) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")
