"""Semantic level: log-mel columns or coarse acoustic latents -> one finite-scalar code a frame, taught by CTC.

Source: FSQ (Mentzer et al. 2024, section 3.1); supervised semantic tokens as in CosyVoice (Du et al. 2024,
section 2.1).
A frame is 80 ms, several letters long, so that the CTC head says `ctc_steps` symbols for each frame.
"""

from dataclasses import dataclass, field
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.checks import require, require_positive
from omni_audio.plain import LATER
from omni_audio.tokenizer.causal import CausalStack, StackState
from omni_audio.tokenizer.column_stem import ColumnStem
from omni_audio.tokenizer.vector_quantizer import straight_through

CTC_ALPHABET = "abcdefghijklmnopqrstuvwxyz' "
CTC_BLANK = len(CTC_ALPHABET)


class SemanticInput(Enum):
    """What the semantic level reads of a frame: its coarse acoustic codes, or its log-mel columns."""

    codes = "codes"
    columns = "columns"


@dataclass(kw_only=True, slots=True)
class SemanticConfig:
    """Encoder, FSQ levels and CTC head of the semantic level.

    It reads the latents of `num_coarse` acoustic codes, or log-mel columns by overlapping convolutions: each halves the
    rate, and `stem_widths` are the channels after all but the last, which has `width`.
    """

    reads: SemanticInput = field(default=SemanticInput.codes, metadata=LATER)
    stem_widths: list[int] = field(default_factory=lambda: [128, 192], metadata=LATER)
    num_coarse: int = 4
    width: int = 256
    num_blocks: int = 5
    num_decoder_blocks: int = 2
    kernel: int = 7
    levels: list[int] = field(default_factory=lambda: [4, 4, 4, 4, 4, 4])
    ctc_steps: int = 4
    backprop_to_acoustic: bool = False

    def __post_init__(self) -> None:
        require_positive("tokenizer.semantic.num_coarse", self.num_coarse)
        require_positive("tokenizer.semantic.width", self.width)
        require_positive("tokenizer.semantic.ctc_steps", self.ctc_steps)
        require(
            len(self.levels) > 0 and all(level >= 2 for level in self.levels),
            "tokenizer.semantic.levels",
            self.levels,
            "one or more whole numbers of at least 2",
            "For 4096 codes use [4, 4, 4, 4, 4, 4].",
        )

    @property
    def reads_columns(self) -> bool:
        """Whether it reads log-mel columns, not acoustic codes."""
        return self.reads is SemanticInput.columns

    @property
    def columns_a_frame(self) -> int:
        """Log-mel columns that the convolutions make one vector of."""
        return 2 ** (len(self.stem_widths) + 1)

    @property
    def num_codes(self) -> int:
        """Size of the semantic vocabulary."""
        product = 1
        for level in self.levels:
            product *= level
        return product


class FiniteScalarQuantizer(nn.Module):
    """Bounds each of L numbers, rounds it to one of `levels[l]` values: no codebook, nothing to collapse."""

    def __init__(self, levels: list[int]) -> None:
        super().__init__()
        self.levels: Tensor
        self.basis: Tensor
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        basis = torch.cumprod(torch.tensor([1, *levels[:-1]]), 0)
        self.register_buffer("basis", basis, persistent=False)

    def forward(self, x_BFL: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F, L) -> values in [-1, 1] with straight-through gradient, codes (B, F)."""
        x_BFL = x_BFL.float()
        half_L = (self.levels - 1) * 1.001 / 2
        offset_L = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        bounded_BFL = torch.tanh(x_BFL + torch.atanh(offset_L / half_L)) * half_L - offset_L
        rounded_BFL = straight_through(bounded_BFL, bounded_BFL.round())
        width_L = self.levels // 2
        codes_BF = ((rounded_BFL.detach() + width_L).round().long() * self.basis).sum(-1)
        return rounded_BFL / width_L, codes_BF

    def values(self, codes_BF: Tensor) -> Tensor:
        """Codes (B, F) -> values (B, F, L) in [-1, 1]."""
        width_L = self.levels // 2
        return (self.digits(codes_BF) - width_L).float() / width_L

    def digits(self, codes_BF: Tensor) -> Tensor:
        """Codes (...) -> their digits (..., L), each from 0 to its level - 1."""
        return (codes_BF[..., None] // self.basis) % self.levels


@dataclass(slots=True)
class SemanticState:
    """Streaming state: of the encoder before the FSQ, of the letter decoder behind it, of the stem if there is one."""

    encoder: StackState
    letters: StackState
    stem: StackState | None = None


class SemanticEncoder(nn.Module):
    """Frames (code latents or log-mel columns) -> semantic codes -> states of a letter decoder, which CTC teaches.

    `num_inputs` is the width of a code latent, or the bands of a column. The states are a function of the semantic
    codes alone. The network hears them beside the codes; their letters serve training and reports.
    """

    def __init__(self, config: SemanticConfig, num_inputs: int) -> None:
        super().__init__()
        self.config = config
        self.stem = (
            ColumnStem(num_inputs, [*config.stem_widths, config.width]) if config.reads_columns else None
        )
        self.enter = nn.Linear(config.width if config.reads_columns else num_inputs, config.width)
        self.stack = CausalStack(config.width, config.num_blocks, config.kernel)
        self.norm = nn.LayerNorm(config.width)
        self.squeeze = nn.Linear(config.width, len(config.levels))
        self.fsq = FiniteScalarQuantizer(config.levels)
        self.widen = nn.Linear(len(config.levels), config.width)
        self.ctc_stack = CausalStack(config.width, config.num_decoder_blocks, config.kernel)
        self.ctc_norm = nn.LayerNorm(config.width)
        self.ctc_head = letter_head(config)

    def forward(
        self, heard_BFX: Tensor, state: SemanticState | None = None
    ) -> tuple[Tensor, Tensor, Tensor, SemanticState]:
        """(B, F, X) frames -> FSQ values (B, F, L), codes (B, F), states (B, F, D), new streaming state."""
        if state is None:
            state = self.initial_state(heard_BFX.shape[0], heard_BFX.device)
        hidden_BFD, stem, encoder = self._hidden(heard_BFX, state)
        values_BFL, codes_BF = self.fsq(self.squeeze(hidden_BFD))
        states_BFD, letters = self.letter_states(values_BFL, state.letters)
        return values_BFL, codes_BF, states_BFD, SemanticState(encoder, letters, stem)

    def hidden(self, heard_BFX: Tensor) -> Tensor:
        """(B, F, X) frames -> what the FSQ is given, before it is squeezed, (B, F, D)."""
        return self._hidden(heard_BFX, self.initial_state(heard_BFX.shape[0], heard_BFX.device))[0]

    def _hidden(
        self, heard_BFX: Tensor, state: SemanticState
    ) -> tuple[Tensor, StackState | None, StackState]:
        """What the FSQ is given, and the new states of stem and encoder."""
        stem = None
        if self.stem is not None:
            assert state.stem is not None
            heard_BFX, stem = self.stem(heard_BFX, state.stem)
        hidden_BFD, encoder = self.stack(self.enter(heard_BFX), state.encoder)
        return self.norm(hidden_BFD), stem, encoder

    def initial_state(self, num_rows: int, device: torch.device | None = None) -> SemanticState:
        """Nothing was heard yet."""
        return SemanticState(
            self.stack.initial_state(num_rows, device),
            self.ctc_stack.initial_state(num_rows, device),
            None if self.stem is None else self.stem.initial_state(num_rows, device),
        )

    def letter_states(self, values_BFL: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """(B, F, L) FSQ values -> normalised states of the letter decoder (B, F, D), new state."""
        hidden_BFD, new_state = self.ctc_stack(self.widen(values_BFL), state)
        return self.ctc_norm(hidden_BFD), new_state

    def ctc_logits(self, values_BFL: Tensor) -> Tensor:
        """(B, F, L) FSQ values -> (B, F * ctc_steps, letters + blank) log-probabilities, from the codes alone."""
        return letter_log_probs(self.ctc_head, self.letter_states(values_BFL)[0])


def letter_head(config: SemanticConfig) -> nn.Linear:
    """Says `ctc_steps` symbols for each frame."""
    return nn.Linear(config.width, config.ctc_steps * (len(CTC_ALPHABET) + 1))


def letter_log_probs(head: nn.Module, states_BFD: Tensor) -> Tensor:
    """States (B, F, D) -> (B, F * ctc_steps, letters + blank) log-probabilities by a letter head."""
    logits_BFX = head(states_BFD).float()
    return logits_BFX.view(logits_BFX.shape[0], -1, len(CTC_ALPHABET) + 1).log_softmax(-1)


def text_to_ctc(text: str) -> Tensor:
    """Letters of the lower-cased text as CTC targets, (T,) int64; other signs become spaces.

    Raises:
        ValueError: no letter is left.
    """
    words = "".join(sign if sign in CTC_ALPHABET else " " for sign in text.lower()).split()
    require(len(words) > 0, "text", text, "at least one letter a-z", "Give the transcript in letters.")
    return torch.tensor([CTC_ALPHABET.index(sign) for sign in " ".join(words)])


def least_steps(letters_L: Tensor) -> int:
    """CTC steps that letters (L,) take at the least: a letter that follows itself needs a blank between."""
    return len(letters_L) + int((letters_L[1:] == letters_L[:-1]).sum())


def letters_loss(
    log_probs_BTX: Tensor, num_steps_B: Tensor, letters_BL: Tensor, num_letters_B: Tensor
) -> Tensor:
    """CTC loss, nats a letter: log-probabilities (B, T, letters + blank), their steps, padded targets, lengths."""
    return F.ctc_loss(
        log_probs_BTX.transpose(0, 1),
        letters_BL,
        num_steps_B,
        num_letters_B,
        blank=CTC_BLANK,
        zero_infinity=True,
    )


def ctc_to_text(log_probs_TX: Tensor) -> str:
    """Greedy CTC decoding of one utterance, (T, letters + blank) -> text."""
    best = log_probs_TX.argmax(-1).tolist()
    letters = [code for i, code in enumerate(best) if code != CTC_BLANK and (i == 0 or best[i - 1] != code)]
    return " ".join("".join(CTC_ALPHABET[code] for code in letters).split())
