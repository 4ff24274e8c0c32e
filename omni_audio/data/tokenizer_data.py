"""Batches for the audio tokenizer: padded sound, or what its semantic level reads; and their letters."""

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lhotse import CutSet, MonoCut
from torch import Tensor

from omni_audio.audio.augment import Augment
from omni_audio.audio.units import FRAME_SAMPLES, SAMPLE_RATE_HZ
from omni_audio.data.codes_cache import AcousticCache
from omni_audio.data.column_augment import ColumnAugment
from omni_audio.data.corpora.manifests import each_cut
from omni_audio.data.draws import draw_seed
from omni_audio.data.speech_cuts import pcm_of, words_to_spell
from omni_audio.data.teacher_cache import TeacherCache
from omni_audio.tokenizer.semantic import CTC_ALPHABET, text_to_ctc

PIECE_MARGIN = 1.2
FRAMES_MULTIPLE = 8
"""Batches come in few shapes: see model/shapes.py."""


@dataclass(slots=True)
class Letters:
    """CTC targets (B, L) padded with 0, their lengths (B,), and the words as CTC can spell them.

    A row whose words nobody wrote down, or not in the letters of CTC, has length 0 and the text "".
    """

    targets_BL: Tensor
    lengths_B: Tensor
    texts: list[str]

    @property
    def rows_with_words(self) -> list[int]:
        """Rows that have a transcript."""
        return [row for row, text in enumerate(self.texts) if text]


@dataclass(slots=True)
class TokenizerBatch:
    """What is heard (B, S), what is to be given back (B, S), frames a row (B,), letters."""

    pcm_BS: Tensor
    target_BS: Tensor
    num_frames_B: Tensor
    letters: Letters


@dataclass(slots=True)
class SemanticBatch:
    """What the semantic level reads (B, F, X), frames a row (B,), letters; features of a teacher (B, F, D) or None.

    It reads acoustic codes (int64, X = K) or log-mel columns (float32).
    """

    frames_BFX: Tensor
    num_frames_B: Tensor
    letters: Letters
    teacher_BFD: Tensor | None = None


def frame_mask(num_frames_B: Tensor, total: int) -> Tensor:
    """(B, total) bool, true on the real frames of each row."""
    return torch.arange(total, device=num_frames_B.device)[None] < num_frames_B[:, None]


def letters_of(cuts: CutSet) -> Letters:
    """Letters of the words of each cut; none for a cut without a whole transcript, or one that CTC cannot spell."""
    no_letters = torch.zeros(0, dtype=torch.long)
    words = [words_to_spell(cut) for cut in each_cut(cuts)]
    targets = [no_letters if text is None else text_to_ctc(text) for text in words]
    return Letters(
        torch.nn.utils.rnn.pad_sequence(targets, batch_first=True),
        torch.tensor([len(target) for target in targets]),
        ["".join(CTC_ALPHABET[sign] for sign in target.tolist()) for target in targets],
    )


class TokenizerCollate:
    """Cuts -> TokenizerBatch; every row is cut and augmented by a generator of (seed, epoch, cut id).

    A frame has `frame_samples`. With `piece_frames` a row is a random piece of its cut, so many frames long; a shorter
    cut is filled with zeros.
    With `clean_targets` what is to be given back has no room, noise or telephone, else it is what is heard.
    """

    def __init__(
        self,
        augment: Augment | None,
        seed: int,
        piece_frames: int | None = None,
        clean_targets: bool = False,
        frame_samples: int = FRAME_SAMPLES,
    ) -> None:
        self.augment, self.seed, self.piece_frames = augment, seed, piece_frames
        self.clean_targets, self.frame_samples = clean_targets, frame_samples

    def __call__(self, cuts: CutSet, epoch: int) -> TokenizerBatch:
        pairs = [self._heard_and_target(cut, epoch) for cut in each_cut(cuts)]
        heard, targets = ([self._whole_frames(pcm_S) for pcm_S in side] for side in zip(*pairs, strict=True))
        return TokenizerBatch(
            pcm_BS=torch.nn.utils.rnn.pad_sequence(heard, batch_first=True),
            target_BS=torch.nn.utils.rnn.pad_sequence(targets, batch_first=True),
            num_frames_B=torch.tensor([len(row) // self.frame_samples for row in heard]),
            letters=letters_of(cuts),
        )

    def _heard_and_target(self, cut: MonoCut, epoch: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(draw_seed(self.seed, epoch, cut.id))
        pcm_S = (
            pcm_of(cut)
            if self.piece_frames is None
            else _piece(cut, self.piece_frames * self.frame_samples, generator)
        )
        if self.augment is None:
            return pcm_S, pcm_S
        heard_S, spoken_S = self.augment.heard_and_spoken(pcm_S, generator)
        return heard_S, spoken_S if self.clean_targets else heard_S

    def _whole_frames(self, pcm_S: Tensor) -> Tensor:
        """Zeros behind it up to a whole frame; a piece is cut or filled up to its length."""
        if self.piece_frames is None:
            return F.pad(pcm_S, (0, -len(pcm_S) % self.frame_samples))
        length = self.piece_frames * self.frame_samples
        return F.pad(pcm_S[:length], (0, max(0, length - len(pcm_S))))


def _piece(cut: MonoCut, num_samples: int, generator: torch.Generator) -> Tensor:
    """A random piece, longer than `num_samples` by a frame and what a faster playing takes away."""
    wanted_s = (num_samples + FRAME_SAMPLES) * PIECE_MARGIN / SAMPLE_RATE_HZ
    if cut.duration <= wanted_s:
        return pcm_of(cut)
    start_s = float(torch.rand((), generator=generator)) * (cut.duration - wanted_s)
    piece = cut.truncate(offset=start_s, duration=wanted_s)
    assert isinstance(piece, MonoCut)
    return pcm_of(piece)


class SemanticCollate:
    """Cuts -> SemanticBatch; the copy of each row is drawn by (seed, epoch, cut id), or is the clean one.

    With a teacher's cache its features come along, zeros behind the real frames. With `column_augment`, which takes a
    cache with columns, these are distorted anew each time.
    """

    def __init__(
        self,
        codes: AcousticCache,
        seed: int,
        augmented: bool,
        teacher: TeacherCache | None = None,
        column_augment: ColumnAugment | None = None,
    ) -> None:
        self.codes, self.seed, self.augmented, self.teacher = codes, seed, augmented, teacher
        self.column_augment = column_augment

    def __call__(self, cuts: CutSet, epoch: int) -> SemanticBatch:
        rows = []
        for cut in each_cut(cuts):
            copies = self.codes.copies(cut.recording_id) if self.augmented else [0]
            seed = draw_seed(self.seed, epoch, cut.id)
            frames_FX = self.codes.frames(cut.recording_id, random.Random(seed).choice(copies))
            if self.column_augment is not None:
                frames_FX = self.column_augment(frames_FX, torch.Generator().manual_seed(seed))
            rows.append(frames_FX)
        features = None
        if self.teacher is not None:
            pairs = zip(each_cut(cuts), rows, strict=True)
            features = _padded([self.teacher.features(cut.recording_id, len(row)) for cut, row in pairs])
        num_frames_B = torch.tensor([len(row) for row in rows])
        return SemanticBatch(_padded(rows), num_frames_B, letters_of(cuts), features)


def _padded(rows: list[Tensor]) -> Tensor:
    """Rows (F, X) as (B, F, X), zeros behind them, with a number of frames that few batches differ in."""
    rows_BFX = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return F.pad(rows_BFX, (0, 0, 0, -rows_BFX.shape[1] % FRAMES_MULTIPLE))
