"""What the codes of speech clips hold: the letters that the semantic codes alone give, and phones frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from omni_audio.data.corpora.espeak_phones import frame_phones, phones_of_recording
from omni_audio.data.corpora.voices import VOICES, Engine
from omni_audio.evaluation.codec_clips import SpeechClip
from omni_audio.evaluation.phone_units import PhoneCounts, count_pairs
from omni_audio.evaluation.wer import ErrorCounts, count_characters, count_words
from omni_audio.tokenizer.semantic import ctc_to_text
from omni_audio.tokenizer.tokenizer import AudioTokenizer


@dataclass(frozen=True, slots=True)
class CodedClip:
    """A clip as its codes tell it.

    Attributes:
        clip: the clip.
        semantic_F: its semantic codes.
        acoustic_FK: its acoustic codes.
        words: errors of the words that greedy CTC finds in the semantic codes alone; None without a transcript.
        letters: the same in letters, spaces counted.
    """

    clip: SpeechClip
    semantic_F: Tensor
    acoustic_FK: Tensor
    words: ErrorCounts | None
    letters: ErrorCounts | None

    def stacked_codes(self) -> Tensor:
        """Acoustic codes, and the semantic one behind them: (F, K + 1)."""
        return torch.cat([self.acoustic_FK, self.semantic_F[:, None]], -1)


@torch.no_grad()
def code_clip(tokenizer: AudioTokenizer, clip: SpeechClip) -> CodedClip:
    """Encodes a clip and spells its semantic codes; nothing but these codes enters the spelling."""
    codes = tokenizer.encode(clip.pcm_S[None])
    log_probs_BTX = tokenizer.semantic.ctc_logits(tokenizer.semantic.fsq.values(codes.semantic_BF))
    heard = ctc_to_text(log_probs_BTX[0])
    return CodedClip(
        clip,
        codes.semantic_BF[0],
        codes.acoustic_BFK[0],
        None if clip.text is None else count_words(clip.text, heard),
        None if clip.text is None else count_characters(clip.text, heard),
    )


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A coded clip with the phone of each of its frames."""

    coded: CodedClip
    phones_F: list[str]


def label_clips(clips: Sequence[CodedClip], frame_s: float) -> tuple[list[LabelledClip], dict[str, str]]:
    """Phones of the clips whose voice tells them, which is those of eSpeak; and why other voices have none.

    A frame of their codes lasts `frame_s` seconds.

    Raises:
        ValueError: a recording is not what its voice says today.
        CorpusError: eSpeak is missing.
    """
    labelled: list[LabelledClip] = []
    absent: dict[str, str] = {}
    for coded in clips:
        clip = coded.clip
        voice = VOICES.get(clip.voice)
        if voice is None or clip.text is None:
            absent[clip.voice] = "not a voice of the corpus: nothing tells when a phone is said"
        elif voice.engine is not Engine.ESPEAK:
            absent[clip.voice] = f"the engine {voice.engine.value} does not tell when it says a phone"
        else:
            phones = phones_of_recording(voice, clip.text, clip.pcm_S.numpy())
            labels_F = frame_phones(phones, len(coded.semantic_F), frame_s)
            labelled.append(LabelledClip(coded, labels_F))
    return labelled, absent


def phone_counts(clips: Sequence[LabelledClip], codebook: int, delay_frames: int = 0) -> PhoneCounts:
    """Joint counts of phones and the codes of one codebook; -1 is the semantic one, 0 the first acoustic one.

    With a delay, a code is counted with the phone of so many frames before: a causal encoder may be sure of a phone
    only after it.
    """
    phones, codes = [], []
    for clip in clips:
        num_frames = len(clip.phones_F) - delay_frames
        phones += clip.phones_F[:num_frames]
        codes += clip.coded.stacked_codes()[delay_frames:, codebook].tolist()
    return count_pairs(phones, codes)


def shuffled_counts(counts: PhoneCounts, seed: int = 0) -> PhoneCounts:
    """Control: as many frames of each phone and of each unit, but who meets whom is drawn."""
    phones_N = np.repeat(counts.phones, counts.frames_PU.sum(axis=1)).tolist()
    units_N = np.repeat(counts.units, counts.frames_PU.sum(axis=0))
    return count_pairs(phones_N, np.random.default_rng(seed).permutation(units_N).tolist())
