"""API keys: read once, kept as digests, compared in constant time, never logged."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from omni_audio.serving.errors import invalid_api_key

API_KEYS_ENV = "OMNI_AUDIO_API_KEYS"


class KeyRing:
    """The keys that open the server; an empty ring lets everybody in.

    Args:
        keys: the keys in plain text; blank ones are left out.

    Raises:
        ValueError: a key has letters that no header can carry.
    """

    def __init__(self, keys: list[str]) -> None:
        for number, key in enumerate(keys, 1):
            if not (key.strip().isascii() and key.strip().isprintable()):
                raise ValueError(
                    f"API key {number} of {len(keys)} is not allowed: expected printable ASCII letters, which a "
                    "header can carry. Make another one."
                )
        self._digests = [_digest(key.strip()) for key in keys if key.strip()]

    @classmethod
    def load(cls, api_keys_file: Path | None) -> KeyRing:
        """Reads the keys of a file (one a line, # opens a comment) and of OMNI_AUDIO_API_KEYS (with commas).

        Raises:
            ValueError: the file, or the variable without a file, is there and holds no key: a server meant to be closed
                must not open by mistake; or a key has letters that no header can carry.
        """
        in_environment = os.environ.get(API_KEYS_ENV)
        keys = [key for key in (in_environment or "").split(",") if key.strip()]
        if in_environment is not None and not keys and api_keys_file is None:
            raise ValueError(
                f"{API_KEYS_ENV} = {in_environment!r} is not allowed: expected at least one key, with commas "
                "between them. Set one, or unset the variable to serve without keys."
            )
        if api_keys_file is not None:
            lines = Path(api_keys_file).read_text(encoding="utf-8").splitlines()
            in_file = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
            if not in_file:
                raise ValueError(
                    f"api_keys_file = {str(api_keys_file)!r} is not allowed: expected a file with at least "
                    "one key, one a line. Write one, or leave the option out to serve without keys."
                )
            keys += in_file
        return cls(keys)

    def __len__(self) -> int:
        return len(self._digests)

    def owner(self, authorization: str | None) -> str:
        """Checks an Authorization header.

        Returns:
            An opaque name of the key's owner, "" where no keys are asked for.

        Raises:
            ApiError: 401, the key is missing or wrong.
        """
        if not self._digests:
            return ""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise invalid_api_key()
        offered = _digest(key.strip())
        matches = [hmac.compare_digest(offered, digest) for digest in self._digests]
        if not any(matches):
            raise invalid_api_key()
        return offered.hex()[:32]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
