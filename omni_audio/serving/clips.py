"""The clips of one request, however they are sent: base64 text, a data: URI, or a part of a multipart body."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.serving.audio_codec import ClipDecoder, decode_clip
from omni_audio.serving.errors import invalid_value, unsupported
from omni_audio.serving.prompt_budget import PromptBudget
from omni_audio.serving.settings import RequestLimits

DATA_URI = "data:audio/"
"""How sound begins that stands where text or base64 may stand."""

PART_URI = "cid:"
"""How a reference to a part of a multipart body begins; its name follows (as in RFC 2392)."""

FORMATS_OF_TYPES = {
    "wav": "wav",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "mpeg": "mp3",
    "mp3": "mp3",
    "flac": "flac",
    "x-flac": "flac",
    "ogg": "opus",
    "opus": "opus",
    "webm": "webm",
}
"""Formats by the subtype of their media type."""


class Clips:
    """Decodes the clips of one request, within a limit for all of them together.

    Args:
        parts: bytes of the multipart body's parts, by name; empty for a JSON body.
        limits: of all clips together.
        decoder: decodes them.
        budget: checked before each clip; None sets no time.
    """

    def __init__(
        self,
        parts: Mapping[str, bytes],
        limits: RequestLimits,
        decoder: ClipDecoder,
        budget: PromptBudget | None = None,
    ) -> None:
        self._parts = parts
        self._decoder = decoder
        self._audio_left_s = limits.max_input_audio_s
        self._max_clips = limits.max_input_clips
        self._num_clips = 0
        self._budget = budget
        self._unused = set(parts)

    def decode(self, data: str, declared_format: str | None, *, param: str) -> Tensor:
        """Decodes a clip.

        Args:
            data: base64 text, a data: URI of base64, or `cid:` and the name of a part.
            declared_format: what it must be; None takes what a data: URI says, else every format with a header.
            param: path of `data`, for errors.

        Returns:
            pcm_S, 16 kHz mono float32.

        Raises:
            ApiError: 400, there is no such part, not base64, not sound, of another type than declared, too long, or one
                clip too many; as PromptBudget.check().
        """
        self._num_clips += 1
        if self._num_clips > self._max_clips:
            message = (
                f"Invalid '{param}': more than {self._max_clips} clips. Join some of them, or send fewer."
            )
            raise invalid_value(param, message, "context_length_exceeded")
        if self._budget is not None:
            self._budget.check()
        if is_audio_uri(data):
            format_of_uri, data = _of_uri(data, param)
            if declared_format not in (None, format_of_uri):
                message = f"Invalid '{param}': a {format_of_uri} where format is {declared_format}. Send one of them."
                raise invalid_value(param, message)
            declared_format = format_of_uri
            raw = _decoded(data, param)
        elif data.startswith(PART_URI):
            raw = self._part(data.removeprefix(PART_URI), param)
        else:
            raw = _decoded(data, param)
        if self._audio_left_s <= 0:
            message = f"Invalid '{param}': the clips before it use up the allowed duration. Send less sound."
            raise invalid_value(param, message, "invalid_audio")
        pcm_S = decode_clip(
            self._decoder, raw, declared_format, param=param, max_duration_s=self._audio_left_s
        )
        self._audio_left_s -= len(pcm_S) / SAMPLE_RATE_HZ
        return pcm_S

    def require_all_used(self) -> None:
        """Raises ApiError 400 if a part of the body was named by no message."""
        if self._unused:
            name = min(self._unused)[:80]
            message = (
                f"Invalid '{name}': no message names this part. Name it as {PART_URI}{name}, or leave it out."
            )
            raise invalid_value(name, message)

    def _part(self, name: str, param: str) -> bytes:
        if name not in self._parts:
            names = ", ".join(repr(each) for each in self._parts) or "none"
            message = f"Invalid '{param}': the body has no part {name[:80]!r}. It has: {names[:200]}."
            raise invalid_value(param, message)
        self._unused.discard(name)
        return self._parts[name]


def is_audio_uri(text: str) -> bool:
    """Whether a text begins as a data: URI of sound; scheme (RFC 3986, 3.1) and type (RFC 6838, 4.2) in any case."""
    return text[: len(DATA_URI)].lower() == DATA_URI


def _of_uri(uri: str, param: str) -> tuple[str, str]:
    """Format and base64 text of a data: URI."""
    head, _, data = uri.partition(",")
    media_type, *options = head[len(DATA_URI) :].split(";")
    if not options or options[-1].strip().lower() != "base64":
        message = f"Invalid '{param}': a data: URI that is not of base64. Send data:audio/wav;base64,..."
        raise invalid_value(param, message, "invalid_base64")
    subtype = media_type.strip().lower()
    if subtype not in FORMATS_OF_TYPES:
        raise unsupported(param, f"audio/{subtype}", [f"audio/{known}" for known in FORMATS_OF_TYPES])
    return FORMATS_OF_TYPES[subtype], data


def _decoded(data: str, param: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        message = f"Invalid '{param}': it is not base64. Encode the file's bytes."
        raise invalid_value(param, message, "invalid_base64") from None
