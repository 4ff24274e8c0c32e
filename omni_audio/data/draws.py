"""Seeds that depend on what they are for and on nothing else."""

import hashlib


def draw_seed(*parts: object) -> int:
    """A 63-bit seed that depends on the parts only (stable between processes, unlike hash())."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
