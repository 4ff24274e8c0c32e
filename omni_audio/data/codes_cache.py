"""Codes of a corpus, made once for each tokenizer: the model trains on these and never on sound."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from lhotse import CutSet
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from omni_audio.audio.augment import Augment
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.data.corpora.manifests import each_cut
from omni_audio.data.speech_cuts import pcm_of
from omni_audio.data.tokenizer_data import draw_seed
from omni_audio.tokenizer.tokenizer import AudioCodes, AudioTokenizer

BATCH_CUTS = 32


@dataclass(slots=True)
class CodesCache:
    """All frames of all recordings, concatenated: semantic (F,), acoustic (F, K); where each recording lies."""

    semantic_F: Tensor
    acoustic_FK: Tensor
    index: dict[str, tuple[int, int]]
    num_copies: int

    def codes(self, recording_id: str, copy: int) -> AudioCodes:
        """Codes of one recording; copy 0 is clean, the others were augmented before encoding.

        Raises:
            ValueError: the recording or the copy is not in the cache.
        """
        key = f"{recording_id}#{copy}"
        if key not in self.index:
            raise ValueError(
                f"recording {key!r} has no codes here: expected one of {len(self.index)}. Run stage codes."
            )
        start, length = self.index[key]
        piece = slice(start, start + length)
        return AudioCodes(self.semantic_F[piece].long()[None], self.acoustic_FK[piece].long()[None])

    def save(self, folder: Path) -> None:
        """Writes codes.safetensors and, last, index.json."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"semantic": self.semantic_F, "acoustic": self.acoustic_FK}, folder / "codes.safetensors")
        temporary = folder / "index.json.tmp"
        temporary.write_text(json.dumps({"num_copies": self.num_copies, "index": self.index}))
        temporary.replace(folder / "index.json")

    @classmethod
    def load(cls, folder: Path) -> "CodesCache":
        tensors = load_file(folder / "codes.safetensors")
        facts = json.loads((folder / "index.json").read_text())
        index = {key: (int(start), int(length)) for key, (start, length) in facts["index"].items()}
        return cls(tensors["semantic"], tensors["acoustic"], index, facts["num_copies"])


class _Recordings(Dataset):
    """(key, pcm) of every cut and copy, shortest first, so that a batch holds like lengths."""

    def __init__(self, cuts: CutSet, augment: Augment, num_augmented: dict[str, int], seed: int) -> None:
        self.augment, self.seed = augment, seed
        jobs = [(cut, copy) for cut in each_cut(cuts) for copy in range(1 + num_augmented[cut.id])]
        self.jobs = sorted(jobs, key=lambda job: job[0].duration)

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, i: int) -> tuple[str, Tensor]:
        cut, copy = self.jobs[i]
        pcm_S = pcm_of(cut)
        if copy > 0:
            generator = torch.Generator().manual_seed(draw_seed(self.seed, "codes", cut.recording_id, copy))
            pcm_S = self.augment(pcm_S, generator)
        return f"{cut.recording_id}#{copy}", pcm_S


def make_codes(
    tokenizer: AudioTokenizer,
    cuts: CutSet,
    augment: Augment,
    num_augmented: dict[str, int],
    seed: int,
    num_workers: int = 1,
) -> CodesCache:
    """Encodes every cut (copy 0, clean) and `num_augmented[cut.id]` augmented copies of it.

    The tokenizer is causal, so that the zeros behind the shorter rows of a batch do not touch their codes. It
    computes where its weights lie; the codes come back to the CPU.
    """
    recordings = _Recordings(cuts, augment, num_augmented, seed)
    loader = DataLoader(recordings, batch_size=BATCH_CUTS, num_workers=num_workers, collate_fn=list)
    semantic, acoustic, index, total = [], [], {}, 0
    tokenizer.eval()
    for batch in tqdm(loader, desc="codes", unit="batch"):
        longest = max(len(pcm_S) for _, pcm_S in batch)
        pcm_BS = torch.stack([F.pad(pcm_S, (0, longest - len(pcm_S))) for _, pcm_S in batch])
        codes = tokenizer.encode(pcm_BS.to(tokenizer.device))
        semantic_BF, acoustic_BFK = codes.semantic_BF.cpu(), codes.acoustic_BFK.cpu()
        for row, (key, pcm_S) in enumerate(batch):
            length = -(-len(pcm_S) // FRAME_SAMPLES)
            semantic.append(semantic_BF[row, :length].short())
            acoustic.append(acoustic_BFK[row, :length].short())
            index[key] = (total, length)
            total += length
    copies = 1 + max(num_augmented.values(), default=0)
    return CodesCache(torch.cat(semantic), torch.cat(acoustic), index, copies)
