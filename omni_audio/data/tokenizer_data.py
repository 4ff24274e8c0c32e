"""Batches for the audio tokenizer: padded sound and its letters."""

import hashlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lhotse import CutSet
from torch import Tensor

from omni_audio.audio.augment import Augment
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.data.corpora.manifests import each_cut, words_of
from omni_audio.data.speech_cuts import pcm_of
from omni_audio.tokenizer.semantic import text_to_ctc


@dataclass(slots=True)
class TokenizerBatch:
    """pcm (B, S), frames a row (B,), CTC targets (B, L) padded with 0, their lengths (B,), and the texts."""

    pcm_BS: Tensor
    num_frames_B: Tensor
    ctc_targets: Tensor
    ctc_lengths_B: Tensor
    ctc_texts: list[str]


def draw_seed(*parts: object) -> int:
    """A 63-bit seed that depends on the parts only (stable between processes, unlike hash())."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class TokenizerCollate:
    """Cuts -> TokenizerBatch; every row is augmented by a generator of (seed, epoch, cut id)."""

    def __init__(self, augment: Augment | None, seed: int) -> None:
        self.augment, self.seed = augment, seed

    def __call__(self, cuts: CutSet, epoch: int) -> TokenizerBatch:
        rows, texts = [], []
        for cut in each_cut(cuts):
            pcm_S = pcm_of(cut)
            if self.augment is not None:
                generator = torch.Generator().manual_seed(draw_seed(self.seed, epoch, cut.id))
                pcm_S = self.augment(pcm_S, generator)
            rows.append(F.pad(pcm_S, (0, -len(pcm_S) % FRAME_SAMPLES)))
            texts.append(words_of(cut))
        targets = [text_to_ctc(text) for text in texts]
        longest = max(len(row) for row in rows)
        return TokenizerBatch(
            pcm_BS=torch.stack([F.pad(row, (0, longest - len(row))) for row in rows]),
            num_frames_B=torch.tensor([len(row) // FRAME_SAMPLES for row in rows]),
            ctc_targets=torch.nn.utils.rnn.pad_sequence(targets, batch_first=True),
            ctc_lengths_B=torch.tensor([len(target) for target in targets]),
            ctc_texts=[
                " ".join("".join(c if c.isalpha() or c == "'" else " " for c in t).split()) for t in texts
            ],
        )
