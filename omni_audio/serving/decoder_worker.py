"""The process that decodes what clients send: `python -m omni_audio.serving.decoder_worker SOCKET_FD MEMORY_MIB`.

It holds no key, no weights and no file: once it has loaded its libraries it can open neither files nor sockets, and
has only so much memory. It loads no PyTorch, so that it starts in well under a second.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from omni_audio.audio.clip import RAW_FORMATS, decode_clip
from omni_audio.audio.formats import AudioError
from omni_audio.serving.framing import READY, receive_message, send_message


def main() -> None:
    """Answers requests until the other side closes the socket."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    _load_all()
    _limit(int(sys.argv[2]))
    with contextlib.suppress(EOFError, OSError):
        send_message(connection, READY, b"")
        while True:
            request, data = receive_message(connection)
            answer, pcm_S = _answer(request, bytes(data))
            del data
            send_message(connection, answer, pcm_S.tobytes())


def _answer(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
    nothing = np.zeros(0, dtype=np.float32)
    try:
        return {}, decode_clip(data, request["format"], request["max_duration_s"], allows_cut=True)
    except AudioError as error:
        return {"refusal": str(error)}, nothing
    except MemoryError:
        return {"refusal": "decoding it takes more memory than one clip may take"}, nothing
    except Exception:  # whatever a decoder throws at hostile bytes
        return {"refusal": "it could not be decoded"}, nothing


def _load_all() -> None:
    """Decodes a little of each kind of samples, so that nothing is left to be loaded later."""
    for name in RAW_FORMATS:
        decode_clip(bytes(2), name, 1.0)


def _limit(memory_mib: int) -> None:
    memory_bytes = memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    for forbidden in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(forbidden, (0, 0))


if __name__ == "__main__":
    main()
