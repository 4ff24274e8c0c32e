"""Batches for the audio tokenizer: padded sound or acoustic codes, and their letters."""

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lhotse import CutSet
from torch import Tensor

from omni_audio.audio.augment import Augment
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.data.codes_cache import AcousticCache
from omni_audio.data.corpora.manifests import each_cut, words_of
from omni_audio.data.draws import draw_seed
from omni_audio.data.speech_cuts import pcm_of
from omni_audio.tokenizer.semantic import CTC_ALPHABET, text_to_ctc

FRAMES_MULTIPLE = 8
"""Batches come in few shapes: see model/shapes.py."""


@dataclass(slots=True)
class Letters:
    """CTC targets (B, L) padded with 0, their lengths (B,), and the words as CTC can spell them."""

    targets_BL: Tensor
    lengths_B: Tensor
    texts: list[str]


@dataclass(slots=True)
class TokenizerBatch:
    """pcm (B, S), frames a row (B,), letters."""

    pcm_BS: Tensor
    num_frames_B: Tensor
    letters: Letters


@dataclass(slots=True)
class AcousticBatch:
    """Acoustic codes (B, F, K), frames a row (B,), letters."""

    acoustic_BFK: Tensor
    num_frames_B: Tensor
    letters: Letters


def letters_of(cuts: CutSet) -> Letters:
    """Letters of the words of each cut."""
    targets = [text_to_ctc(words_of(cut)) for cut in each_cut(cuts)]
    return Letters(
        torch.nn.utils.rnn.pad_sequence(targets, batch_first=True),
        torch.tensor([len(target) for target in targets]),
        ["".join(CTC_ALPHABET[sign] for sign in target.tolist()) for target in targets],
    )


class TokenizerCollate:
    """Cuts -> TokenizerBatch; every row is augmented by a generator of (seed, epoch, cut id)."""

    def __init__(self, augment: Augment | None, seed: int) -> None:
        self.augment, self.seed = augment, seed

    def __call__(self, cuts: CutSet, epoch: int) -> TokenizerBatch:
        rows = []
        for cut in each_cut(cuts):
            pcm_S = pcm_of(cut)
            if self.augment is not None:
                generator = torch.Generator().manual_seed(draw_seed(self.seed, epoch, cut.id))
                pcm_S = self.augment(pcm_S, generator)
            rows.append(F.pad(pcm_S, (0, -len(pcm_S) % FRAME_SAMPLES)))
        longest = max(len(row) for row in rows)
        return TokenizerBatch(
            pcm_BS=torch.stack([F.pad(row, (0, longest - len(row))) for row in rows]),
            num_frames_B=torch.tensor([len(row) // FRAME_SAMPLES for row in rows]),
            letters=letters_of(cuts),
        )


class AcousticCollate:
    """Cuts -> AcousticBatch; the copy of each row is drawn by (seed, epoch, cut id), or is the clean one."""

    def __init__(self, codes: AcousticCache, seed: int, augmented: bool) -> None:
        self.codes, self.seed, self.augmented = codes, seed, augmented

    def __call__(self, cuts: CutSet, epoch: int) -> AcousticBatch:
        rows = []
        for cut in each_cut(cuts):
            copies = self.codes.copies(cut.recording_id) if self.augmented else [0]
            copy = random.Random(draw_seed(self.seed, epoch, cut.id)).choice(copies)
            rows.append(self.codes.acoustic(cut.recording_id, copy))
        num_frames_B = torch.tensor([len(row) for row in rows])
        acoustic_BFK = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        missing = -acoustic_BFK.shape[1] % FRAMES_MULTIPLE
        return AcousticBatch(F.pad(acoustic_BFK, (0, 0, 0, missing)), num_frames_B, letters_of(cuts))
