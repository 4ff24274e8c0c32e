"""How long one request may keep the worker that makes prompts, and that nobody waits for it any more."""

from __future__ import annotations

import threading
import time

from omni_audio.serving.errors import invalid_value, stopping


class PromptBudget:
    """Checked between clips and turns, on the worker's thread; cancelled from any.

    Args:
        timeout_s: the longest time from begin() on.
        param: the parameter that the prompt is made of, for errors.
    """

    def __init__(self, timeout_s: float, param: str) -> None:
        self._timeout_s = timeout_s
        self._param = param
        self._deadline_s: float | None = None
        self._cancelled = threading.Event()

    def begin(self) -> None:
        """Lets the time run; what waits for the worker has not begun."""
        self._deadline_s = time.monotonic() + self._timeout_s
        self.check()

    def cancel(self) -> None:
        """Ends the work at its next check()."""
        self._cancelled.set()

    def check(self) -> None:
        """Raises ApiError 503 once it was cancelled (the client has left, or the server stops), 400 over the time."""
        if self._cancelled.is_set():
            raise stopping()
        if self._deadline_s is not None and time.monotonic() > self._deadline_s:
            message = f"Invalid '{self._param}': reading it takes longer than {self._timeout_s:g} s. Send less of it."
            raise invalid_value(self._param, message, "context_length_exceeded")
