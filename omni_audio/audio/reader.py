"""Reads sound files of any length in constant memory: as blocks of 16 kHz mono samples."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from omni_audio.audio.block_reader import BlockReader
from omni_audio.audio.formats import AudioError, find_format


@contextlib.contextmanager
def open_sound(path: Path, max_duration_s: float = math.inf) -> Iterator["SoundReader"]:
    """Opens a sound file to read it from front to back.

    Args:
        path: a file of a format in `omni_audio.audio.formats`; its content says which it is, and only formats without
            a header are known by the name's suffix.
        max_duration_s: the longest sound that is accepted, seconds.

    Raises:
        AudioError: the file is missing, empty, of another format, damaged or without sound.
    """
    if not path.is_file():
        raise AudioError("path", str(path), "an existing file", "Check the path.")
    with path.open("rb") as file:
        form = find_format(file, str(path), path.suffix.removeprefix("."))
        with contextlib.closing(SoundReader(file, form, str(path), max_duration_s)) as reader:
            yield reader


class SoundReader(BlockReader):
    """A BlockReader whose blocks are tensors, read once by iteration: (S,) float32 at 16 kHz."""

    def __iter__(self) -> Iterator[Tensor]:
        for block_S in self.blocks():
            yield torch.from_numpy(block_S)
