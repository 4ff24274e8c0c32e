"""What the objects of one answer have in common: ids, names, the prompt's length, the usage object."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from omni_audio.serving.answer_store import AnswerStore
from omni_audio.serving.stream import Stream, TokenCounts


@dataclass(kw_only=True, slots=True)
class AnswerContext:
    """What stands in every object of one answer, where a spoken answer is kept, and how long a frame is at speed 1."""

    model: str
    system_fingerprint: str
    owner: str
    store: AnswerStore
    num_prompt_tokens: int
    num_prompt_audio_tokens: int
    frame_ms: float
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(16)}")
    created_s: int = field(default_factory=lambda: int(time.time()))

    def head(self, object_name: str) -> dict[str, Any]:
        """The fields that open a completion or a chunk."""
        return {
            "id": self.id,
            "object": object_name,
            "created": self.created_s,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": self.system_fingerprint,
        }

    def usage(self, streams: Sequence[Stream]) -> dict[str, Any]:
        """The usage object: the prompt once, what came of it of all choices together."""
        counts = TokenCounts()
        for stream in streams:
            counts.add_counts(stream.delivered)
        return {
            "prompt_tokens": self.num_prompt_tokens,
            "completion_tokens": counts.total_tokens,
            "total_tokens": self.num_prompt_tokens + counts.total_tokens,
            "prompt_tokens_details": {
                "audio_tokens": self.num_prompt_audio_tokens,
                "text_tokens": self.num_prompt_tokens - self.num_prompt_audio_tokens,
                "cached_tokens": 0,
            },
            "completion_tokens_details": {
                "audio_tokens": counts.audio_frames,
                "text_tokens": counts.text_tokens + counts.tool_tokens,
                "reasoning_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }
