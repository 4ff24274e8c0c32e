"""Codes of a corpus, made once for each tokenizer: semantic level and network train on these, never on sound."""

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
from omni_audio.data.corpora.manifests import each_cut
from omni_audio.data.draws import draw_seed
from omni_audio.data.speech_cuts import pcm_of
from omni_audio.files import written_whole
from omni_audio.tokenizer.tokenizer import AudioCodes, AudioTokenizer

BATCH_CUTS = 32
COLUMNS = "columns.safetensors"
UNDERSTOOD_ROWS = 128


@dataclass(slots=True)
class AcousticCache:
    """Acoustic codes of all frames of all recordings, concatenated: (F, K); where each recording lies.

    Where the semantic level reads log-mel columns they stand beside, (F, X) in half precision.
    """

    acoustic_FK: Tensor
    index: dict[str, tuple[int, int]]
    num_copies: int
    columns_FX: Tensor | None = None

    def copies(self, recording_id: str) -> list[int]:
        """Which copies of a recording there are: 0 is clean, the others were augmented before encoding."""
        return [copy for copy in range(self.num_copies) if f"{recording_id}#{copy}" in self.index]

    def place(self, recording_id: str, copy: int) -> slice:
        """Where the frames of a recording lie.

        Raises:
            ValueError: the recording or the copy is not in the cache.
        """
        key = f"{recording_id}#{copy}"
        if key not in self.index:
            raise ValueError(
                f"recording {key!r} has no codes here: expected one of {len(self.index)}. Run stage codes."
            )
        start, length = self.index[key]
        return slice(start, start + length)

    def acoustic(self, recording_id: str, copy: int) -> Tensor:
        """Acoustic codes (F, K), int64, of one copy of a recording."""
        return self.acoustic_FK[self.place(recording_id, copy)].long()

    def frames(self, recording_id: str, copy: int) -> Tensor:
        """What the semantic level reads of one copy of a recording: columns (F, X), else its codes."""
        if self.columns_FX is None:
            return self.acoustic(recording_id, copy)
        return self.columns_FX[self.place(recording_id, copy)].float()

    def save(self, folder: Path) -> None:
        """Writes codes.safetensors, columns.safetensors if there are any and, last, index.json."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"acoustic": self.acoustic_FK}, folder / "codes.safetensors")
        if self.columns_FX is not None:
            save_file({"columns": self.columns_FX}, folder / COLUMNS)
        with written_whole(folder / "index.json") as temporary:
            temporary.write_text(json.dumps({"num_copies": self.num_copies, "index": self.index}))

    @classmethod
    def load(cls, folder: Path, with_columns: bool = False) -> "AcousticCache":
        """What save() wrote; the columns, which are large, only for the semantic level."""
        tensors = load_file(folder / "codes.safetensors")
        facts = json.loads((folder / "index.json").read_text())
        index = {key: (int(start), int(length)) for key, (start, length) in facts["index"].items()}
        has_columns = with_columns and (folder / COLUMNS).is_file()
        columns_FX = load_file(folder / COLUMNS)["columns"] if has_columns else None
        return cls(tensors["acoustic"], index, facts["num_copies"], columns_FX)


@dataclass(slots=True)
class CodesCache:
    """All that the network is trained on: acoustic codes, semantic codes (F,), states (F, D) of the semantic level."""

    acoustic: AcousticCache
    semantic_F: Tensor
    states_FD: Tensor

    @property
    def num_codebooks(self) -> int:
        return self.acoustic.acoustic_FK.shape[1]

    def codes(self, recording_id: str, copy: int) -> AudioCodes:
        """Codes and states of one copy of a recording."""
        place = self.acoustic.place(recording_id, copy)
        return AudioCodes(
            self.semantic_F[place].long()[None],
            self.acoustic.acoustic_FK[place].long()[None],
            self.states_FD[place].float()[None],
        )

    def save(self, folder: Path) -> None:
        """Writes semantic.safetensors; the acoustic codes have their own folder."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"semantic": self.semantic_F, "states": self.states_FD}, folder / "semantic.safetensors")

    @classmethod
    def load(cls, acoustic_folder: Path, semantic_folder: Path) -> "CodesCache":
        """What was saved in the two folders."""
        tensors = load_file(semantic_folder / "semantic.safetensors")
        return cls(AcousticCache.load(acoustic_folder), tensors["semantic"], tensors["states"])


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
) -> AcousticCache:
    """Encodes every cut (copy 0, clean) and `num_augmented[cut.id]` augmented copies of it.

    The tokenizer is causal, so that the zeros behind the shorter rows of a batch do not touch their codes. It
    computes where its weights lie; the codes come back to the CPU, and the columns if the semantic level reads them.
    """
    recordings = _Recordings(cuts, augment, num_augmented, seed)
    loader = DataLoader(recordings, batch_size=BATCH_CUTS, num_workers=num_workers, collate_fn=list)
    keeps_columns = tokenizer.config.semantic.reads_columns
    acoustic, columns, index, total = [], [], {}, 0
    tokenizer.eval()
    for batch in tqdm(loader, desc="codes", unit="batch"):
        longest = max(len(pcm_S) for _, pcm_S in batch)
        pcm_BS = torch.stack([F.pad(pcm_S, (0, longest - len(pcm_S))) for _, pcm_S in batch])
        acoustic_BFK, frames_BFX = (part.cpu() for part in tokenizer.acoustic_and_frames(pcm_BS))
        for row, (key, pcm_S) in enumerate(batch):
            length = -(-len(pcm_S) // tokenizer.config.frame_samples)
            acoustic.append(acoustic_BFK[row, :length].short())
            if keeps_columns:
                columns.append(frames_BFX[row, :length].half())
            index[key] = (total, length)
            total += length
    copies = 1 + max(num_augmented.values(), default=0)
    return AcousticCache(torch.cat(acoustic), index, copies, torch.cat(columns) if keeps_columns else None)


def add_semantics(tokenizer: AudioTokenizer, acoustic: AcousticCache) -> CodesCache:
    """Semantic codes and states of everything in the cache, each copy of a recording for itself."""
    num_frames = acoustic.acoustic_FK.shape[0]
    semantic_F = torch.zeros(num_frames, dtype=torch.int16)
    states_FD = torch.zeros(num_frames, tokenizer.config.semantic.width, dtype=torch.float16)
    places = sorted(acoustic.index.values(), key=lambda place: place[1])
    frames_FX = acoustic.acoustic_FK if acoustic.columns_FX is None else acoustic.columns_FX
    tokenizer.eval()
    for first in tqdm(range(0, len(places), UNDERSTOOD_ROWS), desc="semantic", unit="batch"):
        batch = places[first : first + UNDERSTOOD_ROWS]
        rows = [frames_FX[start : start + length] for start, length in batch]
        frames_BFX = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(tokenizer.device)
        if not frames_BFX.is_floating_point():
            frames_BFX = frames_BFX.long()
        semantic_BF, states_BFD, _ = tokenizer.understand(frames_BFX)
        for (start, length), semantic_R, states_RD in zip(
            batch, semantic_BF.cpu(), states_BFD.cpu(), strict=True
        ):
            semantic_F[start : start + length] = semantic_R[:length].short()
            states_FD[start : start + length] = states_RD[:length].half()
    return CodesCache(acoustic, semantic_F, states_FD)
