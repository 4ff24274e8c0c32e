"""Resident memory of this process, and of another with those that it started."""

import os
from pathlib import Path

_PROC = Path("/proc")


def rss_mib() -> float | None:
    """MiB that are resident now; None where the system does not tell (no /proc)."""
    return _rss_mib("self") if (_PROC / "self" / "statm").exists() else None


def rss_mib_of(pid: int) -> float | None:
    """MiB that are resident now in a process and all that it started; None where it has ended, or there is no /proc.

    Pages that several of them share count for each.
    """
    try:
        tasks = (_PROC / str(pid) / "task").glob("*/children")
        children = [int(child) for task in tasks for child in task.read_text().split()]
        return _rss_mib(str(pid)) + sum(rss_mib_of(child) or 0.0 for child in children)
    except (OSError, ValueError):
        return None


def _rss_mib(process: str) -> float:
    pages = int((_PROC / process / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
