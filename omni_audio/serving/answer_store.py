"""Spoken answers that later requests may name by id: bounded, expiring, bound to the key that asked."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass

from omni_audio.serving.errors import ApiError


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is kept of a spoken answer."""

    owner: str
    transcript: str
    expires_at_s: int


class AnswerStore:
    """Ids of 128 random bits to answers; when it is full, the oldest of the key that has most of them leaves.

    Args:
        limit_answers: answers kept at most.
        limit_answers_per_key: of one key.
        lifetime_s: seconds that an answer can be named.
    """

    def __init__(self, *, limit_answers: int, limit_answers_per_key: int, lifetime_s: int) -> None:
        self._limit_answers = limit_answers
        self._limit_answers_per_key = limit_answers_per_key
        self._lifetime_s = lifetime_s
        self._answers: dict[str, StoredAnswer] = {}
        self._ids: defaultdict[str, deque[str]] = defaultdict(deque)
        """Of each owner's answers, the oldest first."""
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
            self._drop_expired()
            self._answers[answer_id] = StoredAnswer(owner, transcript, expires_at_s)
            self._ids[owner].append(answer_id)
            if len(self._ids[owner]) > self._limit_answers_per_key:
                self._drop_oldest(owner)
            if len(self._answers) > self._limit_answers:
                self._drop_oldest(max(self._ids, key=lambda each: len(self._ids[each])))
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

    def _drop_expired(self) -> None:
        """All live equally long, so that the first ones of each owner expire first."""
        now_s = time.time()
        for owner, ids in list(self._ids.items()):
            while ids and self._answers[ids[0]].expires_at_s <= now_s:
                self._drop_oldest(owner)

    def _drop_oldest(self, owner: str) -> None:
        ids = self._ids[owner]
        del self._answers[ids.popleft()]
        if not ids:
            del self._ids[owner]
