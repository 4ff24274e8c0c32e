"""Causal decoder: frame latents -> waveform by ConvNeXt blocks and an inverse STFT.

Source: Vocos (Siuzdak 2023, section 3.2), made causal: STFT column j ends at sample (j + 1) * hop, so that a sample is
complete `n_fft - hop` samples after its column began; that overlap is the decoder's share of the algorithmic delay.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from omni_audio.checks import require, require_positive
from omni_audio.plain import LATER
from omni_audio.tokenizer.causal import CausalStack, StackState

MAX_LOG_MAGNITUDE = 5.0


@dataclass(kw_only=True, slots=True)
class VocoderConfig:
    """Blocks at frame rate, then one column every `hop_samples`, then the inverse STFT."""

    frame_width: int = 256
    num_frame_blocks: int = 2
    width: int = 256
    num_blocks: int = 6
    kernel: int = 7
    expansion: int = field(default=4, metadata=LATER)
    hop_samples: int = field(default=160, metadata=LATER)
    n_fft: int = 640

    def __post_init__(self) -> None:
        require_positive("tokenizer.vocoder.width", self.width)
        require_positive("tokenizer.vocoder.frame_width", self.frame_width)
        require_positive("tokenizer.vocoder.expansion", self.expansion)
        require_positive("tokenizer.vocoder.hop_samples", self.hop_samples)
        require(
            self.n_fft % self.hop_samples == 0 and self.n_fft >= 3 * self.hop_samples,
            "tokenizer.vocoder.n_fft",
            self.n_fft,
            f"a multiple of tokenizer.vocoder.hop_samples = {self.hop_samples}, at least {3 * self.hop_samples}: only "
            "then do the squared windows that overlap sum to a constant",
            "Use 640 with a hop of 160, 960 with one of 320.",
        )

    @property
    def overlap_samples(self) -> int:
        """Delay of the overlap-add."""
        return self.n_fft - self.hop_samples


@dataclass(slots=True)
class VocoderState:
    """Block states, and the overlap-add tail (B, n_fft - hop); `is_first` until sound was given out."""

    frame_blocks: StackState
    blocks: StackState
    tail_BS: Tensor
    is_first: bool


class Vocoder(nn.Module):
    """(B, F, D) -> (B, frame_samples F) samples."""

    def __init__(self, config: VocoderConfig, latent_width: int, frame_samples: int) -> None:
        super().__init__()
        require(
            frame_samples % config.hop_samples == 0,
            "tokenizer.vocoder.hop_samples",
            config.hop_samples,
            f"a divisor of the {frame_samples} samples of a frame",
            "Use 160 or 320.",
        )
        require(
            config.overlap_samples < frame_samples,
            "tokenizer.vocoder.n_fft",
            config.n_fft,
            f"less than hop_samples + {frame_samples}, so that one frame gives sound",
            "Lower n_fft and hop_samples, or use longer frames.",
        )
        self.config = config
        self.columns_per_frame = frame_samples // config.hop_samples
        self.enter = nn.Linear(latent_width, config.frame_width)
        self.frame_stack = CausalStack(config.frame_width, config.num_frame_blocks, 3, config.expansion)
        self.upsample = nn.Linear(config.frame_width, self.columns_per_frame * config.width)
        self.stack = CausalStack(config.width, config.num_blocks, config.kernel, config.expansion)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.n_fft + 2)
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        self.gain = config.hop_samples / float(self.window.square().sum())

    def initial_state(self, num_rows: int, device: torch.device | None = None) -> VocoderState:
        """Nothing was said yet."""
        tail_BS = torch.zeros(num_rows, self.config.overlap_samples, device=device)
        return VocoderState(
            self.frame_stack.initial_state(num_rows, device),
            self.stack.initial_state(num_rows, device),
            tail_BS,
            True,
        )

    def columns(self, latent_BFD: Tensor, state: VocoderState) -> tuple[Tensor, StackState, StackState]:
        """Windowed time signals of the STFT columns, (B, columns_per_frame F, n_fft), and the block states."""
        hidden_BFD, frame_blocks = self.frame_stack(self.enter(latent_BFD), state.frame_blocks)
        hidden_BTD = rearrange(self.upsample(hidden_BFD), "b f (p d) -> b (f p) d", p=self.columns_per_frame)
        hidden_BTD, blocks = self.stack(hidden_BTD, state.blocks)
        magnitude_BTX, phase_BTX = self.head(self.norm(hidden_BTD)).float().chunk(2, -1)
        magnitude_BTX = magnitude_BTX.clamp_max(MAX_LOG_MAGNITUDE).exp()
        spectrum_BTX = torch.polar(magnitude_BTX, phase_BTX)
        return torch.fft.irfft(spectrum_BTX, n=self.config.n_fft) * self.window, frame_blocks, blocks

    def stream(self, latent_BFD: Tensor, state: VocoderState) -> tuple[Tensor, VocoderState]:
        """One chunk of frames.

        Returns:
            The samples that are complete: frame_samples F, less the overlap in the first chunk; and the new state.
        """
        columns_BTX, frame_blocks, blocks = self.columns(latent_BFD, state)
        overlap = self.config.overlap_samples
        total = columns_BTX.shape[1] * self.config.hop_samples + overlap
        sum_BS = F.fold(
            columns_BTX.transpose(1, 2),
            output_size=(1, total),
            kernel_size=(1, self.config.n_fft),
            stride=(1, self.config.hop_samples),
        ).view(columns_BTX.shape[0], total)
        sum_BS = torch.cat([sum_BS[:, :overlap] + state.tail_BS, sum_BS[:, overlap:]], -1)
        ready_BS, tail_BS = sum_BS[:, :-overlap] * self.gain, sum_BS[:, -overlap:]
        if state.is_first:
            ready_BS = ready_BS[:, overlap:]
        return ready_BS, VocoderState(frame_blocks, blocks, tail_BS, False)

    def flush(self, state: VocoderState) -> Tensor:
        """The last `overlap_samples` (B, n_fft - hop), which fade out: no later column completes them."""
        return state.tail_BS * self.gain

    def forward(self, latent_BFD: Tensor) -> Tensor:
        """Whole utterances, (B, F, D) -> (B, frame_samples F)."""
        ready_BS, state = self.stream(latent_BFD, self.initial_state(latent_BFD.shape[0], latent_BFD.device))
        return torch.cat([ready_BS, self.flush(state)], -1)
