"""The .codes file: the audio tokens of one sound as safetensors, with the fingerprint of their tokenizer."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from omni_audio.tokenizer.tokenizer import AudioCodes

FORMAT = "omni-audio-codes-1"


@dataclass(slots=True)
class StoredCodes:
    """Codes of one sound: semantic (1, F), acoustic (1, F, K), int64, and the samples of the sound."""

    semantic_BF: Tensor
    acoustic_BFK: Tensor
    num_samples: int


def save_codes(path: Path, codes: AudioCodes, fingerprint: str, num_samples: int) -> None:
    """Writes the codes of one sound; on failure nothing is left behind.

    Args:
        path: The file to write.
        codes: Codes of one row, (1, F) and (1, F, K).
        fingerprint: Of the tokenizer that made them.
        num_samples: Length of the sound at 16 kHz, which the codes round up to whole frames.
    """
    tensors = {
        "semantic": _compact(codes.semantic_BF[0]),
        "acoustic": _compact(codes.acoustic_BFK[0]),
    }
    header = {"format": FORMAT, "tokenizer": fingerprint, "num_samples": str(num_samples)}
    data = save(tensors, metadata=header)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_codes(path: Path, fingerprint: str) -> StoredCodes:
    """Reads the codes of one sound.

    Raises:
        ValueError: not a .codes file, or made by a tokenizer with another fingerprint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ValueError(
                    f"{path} is not a .codes file of this version ({FORMAT}): encode the sound again"
                )
            if header.get("tokenizer") != fingerprint:
                raise ValueError(
                    f"{path} was made by tokenizer {header.get('tokenizer')}, this build has {fingerprint}: "
                    "name the build that encoded it with --build, or encode the sound again"
                )
            semantic_F = file.get_tensor("semantic").long()
            acoustic_FK = file.get_tensor("acoustic").long()
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a .codes file: {error}. Make one with `omni-audio encode`"
        ) from error
    return StoredCodes(
        semantic_BF=semantic_F[None], acoustic_BFK=acoustic_FK[None], num_samples=int(header["num_samples"])
    )


def _compact(codes: Tensor) -> Tensor:
    small = codes.numel() == 0 or int(codes.max()) < 2**15
    return codes.to(torch.int16 if small else torch.int32).contiguous().cpu()
