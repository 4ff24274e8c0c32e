"""Stop sequences over streamed text: found across pieces, never let out."""

from __future__ import annotations

from collections.abc import Sequence


class StopFilter:
    """Passes text on, holding back what may become a stop sequence.

    Args:
        stop: sequences that end the text; none passes everything.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = list(stop)
        self._held = ""
        self.is_stopped = False

    def feed(self, text: str) -> str:
        """The text that is safe to let out; "" after the stop."""
        if self.is_stopped:
            return ""
        self._held += text
        places = [place for place in (self._held.find(item) for item in self._stop) if place >= 0]
        if places:
            self.is_stopped = True
            out, self._held = self._held[: min(places)], ""
            return out
        keep = max((self._overlap(item) for item in self._stop), default=0)
        cut = len(self._held) - keep
        out, self._held = self._held[:cut], self._held[cut:]
        return out

    def finish(self) -> str:
        """The text that was held back in vain."""
        out, self._held = self._held, ""
        return out

    def _overlap(self, item: str) -> int:
        """Length of the longest end of the held text that begins `item`."""
        for length in range(min(len(item) - 1, len(self._held)), 0, -1):
            if self._held.endswith(item[:length]):
                return length
        return 0
