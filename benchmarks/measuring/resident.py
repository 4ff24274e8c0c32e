"""Resident memory of this process."""

import os
from pathlib import Path

_STATM = Path("/proc/self/statm")


def rss_mib() -> float | None:
    """MiB that are resident now; None where the system does not tell (no /proc)."""
    if not _STATM.exists():
        return None
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
