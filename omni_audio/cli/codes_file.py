"""The .codes file: the audio tokens of one sound as safetensors, with the fingerprint of their tokenizer."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from omni_audio.checks import require
from omni_audio.files import written_whole
from omni_audio.tokenizer.tokenizer import AudioCodes, TokenizerConfig

FORMAT = "omni-audio-codes-1"
_REMEDY = "The file was changed after it was written: encode the sound again."


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
    with written_whole(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=header))


def load_codes(path: Path, fingerprint: str, config: TokenizerConfig) -> StoredCodes:
    """Reads the codes of one sound.

    Args:
        path: a .codes file.
        fingerprint: of the tokenizer that is to decode them.
        config: of that tokenizer.

    Raises:
        ValueError: not a .codes file, made by a tokenizer with another fingerprint, codes out of range, or a length
            that is not that of the codes.
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
    _check(path, semantic_F, acoustic_FK, config)
    num_samples, num_frames = header.get("num_samples", ""), len(semantic_F)
    frame_samples = config.frame_samples
    longest = num_frames * frame_samples
    require(
        num_samples.isdecimal() and longest - frame_samples < int(num_samples) <= longest,
        f"num_samples of {path}",
        num_samples,
        f"{longest - frame_samples + 1} to {longest}, the length of {num_frames} frames",
        _REMEDY,
    )
    return StoredCodes(semantic_F[None], acoustic_FK[None], int(num_samples))


def _check(path: Path, semantic_F: Tensor, acoustic_FK: Tensor, config: TokenizerConfig) -> None:
    """Raises ValueError for shapes or codes that this tokenizer cannot have made."""
    shapes = (tuple(semantic_F.shape), tuple(acoustic_FK.shape))
    is_whole = len(shapes[0]) == 1 and len(shapes[1]) == 2 and 0 < shapes[0][0] == shapes[1][0]
    most = config.vq.num_codebooks
    require(
        is_whole and 1 <= shapes[1][1] <= most,
        f"shapes in {path}",
        shapes,
        f"(F,) and (F, K) with F >= 1 frames and K = 1 to {most} codebooks",
        _REMEDY,
    )
    for name, codes, size in (
        ("semantic", semantic_F, config.semantic.num_codes),
        ("acoustic", acoustic_FK, config.vq.codebook_size),
    ):
        low, high = int(codes.min()), int(codes.max())
        require(
            low >= 0 and high < size,
            f"{name} codes of {path}",
            low if low < 0 else high,
            f"0 to {size - 1}",
            _REMEDY,
        )


def _compact(codes: Tensor) -> Tensor:
    small = codes.numel() == 0 or int(codes.max()) < 2**15
    return codes.to(torch.int16 if small else torch.int32).contiguous().cpu()
