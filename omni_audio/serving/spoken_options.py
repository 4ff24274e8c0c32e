"""Voice and format of a spoken answer: which names are served, for every endpoint that speaks."""

from __future__ import annotations

from collections.abc import Mapping

from omni_audio.serving.audio_codec import OutputFormat
from omni_audio.serving.errors import unsupported
from omni_audio.serving.schemas import VoiceReference
from omni_audio.serving.settings import RequestLimits

CHAT_FORMATS = {item.value: item for item in OutputFormat}
"""What `audio.format` of a chat completion may be."""


def check_voice(voice: str | VoiceReference, limits: RequestLimits, param: str) -> None:
    """Refuses other voices than the build's.

    Args:
        voice: as it was asked for.
        limits: of this server.
        param: path of the voice, for errors.

    Raises:
        ApiError: 400, there is no such voice here.
    """
    name = voice if isinstance(voice, str) else voice.id
    if name not in limits.voices:
        raise unsupported(param if isinstance(voice, str) else f"{param}.id", name, limits.voices)


def served_format(name: str, formats: Mapping[str, OutputFormat], param: str) -> OutputFormat:
    """The format of this name.

    Args:
        name: one of `formats`.
        formats: what the endpoint knows, by name.
        param: path of the format, for errors.

    Raises:
        ApiError: 400, this installation cannot make it.
    """
    wanted = formats[name]
    if not wanted.is_served:
        served = [known for known, item in formats.items() if item.is_served]
        raise unsupported(param, name, served, "The server's PyAV has no encoder for it.")
    return wanted
