"""Decodes what clients send, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from omni_audio.serving.settings import DecoderConfig
from omni_audio.serving.worker_process import WorkerCrashedError, WorkerProcess


class ClipRefusedError(ValueError):
    """The clip cannot be decoded; the text may be shown to the client."""


class Decoder:
    """The process and what it is asked; clips wait for each other.

    It starts with the first clip, or with start(). Use it from any thread.

    Args:
        config: limits of the process.
        on_restart: called whenever it had to be started again.
    """

    def __init__(self, config: DecoderConfig, on_restart: Callable[[], None] = lambda: None) -> None:
        self._config = config
        self._process = WorkerProcess(
            "omni_audio.serving.decoder_worker", [str(config.memory_limit_mib)], on_restart=on_restart
        )

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid

    def start(self) -> None:
        """Starts the process, if there is none, and does not wait for it."""
        self._process.start()

    def stop(self) -> None:
        """Ends the process; waits for a clip that is being decoded."""
        self._process.stop()

    def decode(
        self, data: bytes, declared_format: str | None, max_duration_s: float
    ) -> npt.NDArray[np.float32]:
        """Decodes the bytes of a clip as 16 kHz mono.

        Args:
            data: a whole sound.
            declared_format: as of `audio.clip.decode_clip`.
            max_duration_s: the longest clip that is taken, above 0.

        Returns:
            (S,) float32.

        Raises:
            ClipRefusedError: it is not sound, of another type than declared, too large, too long, takes too much time
                or memory, or breaks the decoder.
            WorkerGoneError: the process was ended from outside.
        """
        limit_bytes = self._config.clip_limit_bytes
        if len(data) > limit_bytes:
            raise ClipRefusedError(f"it has {len(data)} bytes; allowed: {limit_bytes}. Send less sound.")
        request = {"format": declared_format, "max_duration_s": max_duration_s}
        try:
            answer, samples = self._process.ask(request, data, self._config.timeout_s)
        except TimeoutError:
            limit = f"{self._config.timeout_s:g} s"
            raise ClipRefusedError(f"decoding it takes longer than {limit}. Send less sound.") from None
        except WorkerCrashedError:
            raise ClipRefusedError("it breaks the decoder. Convert it, for example to wav.") from None
        if "refusal" in answer:
            raise ClipRefusedError(answer["refusal"])
        return np.frombuffer(samples, dtype=np.float32)
