"""Spoken answers that later requests may name by id: bounded, expiring, bound to the key that asked."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from omni_audio.serving.errors import ApiError


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is kept of a spoken answer."""

    owner: str
    transcript: str
    expires_at_s: int


class AnswerStore:
    """Ids of 128 random bits to answers; the oldest leave when it is full.

    Args:
        limit_answers: answers kept at most.
        lifetime_s: seconds that an answer can be named.
    """

    def __init__(self, *, limit_answers: int, lifetime_s: int) -> None:
        self._limit_answers = limit_answers
        self._lifetime_s = lifetime_s
        self._answers: OrderedDict[str, StoredAnswer] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def new_id() -> str:
        """A fresh id; nothing is stored under it yet."""
        return f"audio_{secrets.token_hex(16)}"

    def put(self, answer_id: str, transcript: str, owner: str) -> int:
        """Keeps an answer.

        Returns:
            Unix time in seconds at which it is forgotten.
        """
        expires_at_s = int(time.time()) + self._lifetime_s
        with self._lock:
            self._answers[answer_id] = StoredAnswer(owner, transcript, expires_at_s)
            while len(self._answers) > self._limit_answers:
                self._answers.popitem(last=False)
        return expires_at_s

    def transcript(self, answer_id: str, owner: str, *, param: str) -> str:
        """The words of an earlier answer.

        Raises:
            ApiError: 404, the same for unknown, expired and another key's.
        """
        with self._lock:
            answer = self._answers.get(answer_id)
            if answer is not None and answer.owner == owner and answer.expires_at_s > time.time():
                return answer.transcript
        message = (
            f"'{param}' names no earlier answer: it is unknown or has expired. Send its text as content."
        )
        raise ApiError(404, message, param=param, code="audio_not_found")
