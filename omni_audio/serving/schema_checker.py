"""Tries to compile JSON schemas that clients send in a process of its own, which gives up in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omni_audio.checks import NotAllowedError
from omni_audio.model.text_form import require_followable
from omni_audio.serving.settings import SchemaConfig
from omni_audio.serving.worker_process import WorkerCrashedError, WorkerProcess

_WAIT_FACTOR = 20
"""How many times longer than its processor time a check may take on a busy machine."""
_REMEDY = "Simplify it: fewer or shorter patterns, `allOf`, `multipleOf`, optional properties and chains of references."


class SchemaChecker:
    """The process and what it is asked; it starts with the first schema. Use it from any thread.

    Args:
        tokens: bytes of each text id of the build.
        config: what one check may take.
    """

    def __init__(self, tokens: Sequence[bytes], config: SchemaConfig) -> None:
        self._config = config
        greeting = {"sizes": [len(token) for token in tokens]}, b"".join(tokens)
        self._process = WorkerProcess("omni_audio.serving.schema_worker", greeting=greeting)

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid

    def stop(self) -> None:
        """Ends the process; waits for a check that it makes."""
        self._process.stop()

    def check(self, schema: str, parts: Mapping[str, str]) -> int:
        """Compiles a schema and its parts there.

        Args:
            schema: as JSON.
            parts: schemas that have to compile by themselves, by the names that errors give them.

        Returns:
            Bytes that compiling the schema took at most, and so what is left of it.

        Raises:
            ValueError: one of them cannot be compiled, or all of them take too much time or memory.
            WorkerGoneError: the process was ended from outside.
        """
        config = self._config
        texts = [each.encode() for each in (schema, *parts.values())]
        request = {
            "sizes": [len(text) for text in texts],
            "timeout_s": config.timeout_s,
            "memory_limit_bytes": config.memory_limit_mib * 2**20,
        }
        allowed = f"at most {config.timeout_s:g} s of processor time, that of all tools together"
        try:
            answer, _ = self._process.ask(request, b"".join(texts), _WAIT_FACTOR * config.timeout_s)
        except TimeoutError:
            raise NotAllowedError("schema", "too long to compile", allowed, _REMEDY) from None
        except WorkerCrashedError:
            raise NotAllowedError("schema", "too complex to compile", allowed, _REMEDY) from None
        if answer.get("ran_out") == "time":
            raise NotAllowedError("schema", "too long to compile", allowed, _REMEDY)
        if answer.get("ran_out") == "memory":
            memory = f"at most {config.memory_limit_mib} MiB of memory"
            raise NotAllowedError("schema", "too large to compile", memory, _REMEDY)
        index = answer["index"]
        require_followable(answer["reason"], list(parts)[index - 1] if index else None)
        return answer["num_bytes"]
