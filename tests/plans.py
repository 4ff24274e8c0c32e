"""What tests of plans share: a decoder without a process, and the plan of a request's fields."""

from collections.abc import Mapping

import numpy as np

from omni_audio.audio.clip import decode_clip
from omni_audio.audio.formats import AudioError
from omni_audio.serving.clips import Clips
from omni_audio.serving.decoder import ClipRefusedError
from omni_audio.serving.plan import AnswerPlan, plan_answer
from omni_audio.serving.schemas import parse_chat_request
from omni_audio.serving.settings import RequestLimits

USER = {"role": "user", "content": "hi"}


class DecoderHere:
    """Decodes in this process."""

    def decode(self, data: bytes, declared_format: str | None, max_duration_s: float) -> np.ndarray:
        try:
            return decode_clip(data, declared_format, max_duration_s, allows_cut=True)
        except AudioError as error:
            raise ClipRefusedError(str(error)) from None


def transcript_of(answer_id: str, *, param: str) -> str:
    """Finds every earlier answer."""
    return f"words of {answer_id}"


def plan_of(
    parts: Mapping[str, bytes] | None = None,
    limits: RequestLimits | None = None,
    usual_max_calls: int = 1,
    **fields: object,
) -> AnswerPlan:
    """The plan of a chat request: one typed message, and what `fields` change."""
    limits = limits or RequestLimits()
    clips = Clips(parts or {}, limits, DecoderHere())
    request = parse_chat_request({"model": "m", "messages": [USER], **fields})
    return plan_answer(request, limits, transcript_of, clips, usual_max_calls)
