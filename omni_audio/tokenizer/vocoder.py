"""Causal decoder: frame latents -> waveform by ConvNeXt blocks and an inverse STFT.

Source: Vocos (Siuzdak 2023, section 3.2), made causal: STFT column j ends at sample (j + 1) * hop, so that a sample is
complete `n_fft - hop` samples after its column began; that overlap is the decoder's share of the algorithmic delay.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from omni_audio.audio.units import HOP_SAMPLES, PATCH_MEL_FRAMES
from omni_audio.checks import require, require_positive
from omni_audio.tokenizer.causal import CausalStack, StackState

MAX_LOG_MAGNITUDE = 5.0


@dataclass(kw_only=True, slots=True)
class VocoderConfig:
    """Blocks at frame rate, then at 100 Hz, then the inverse STFT."""

    frame_width: int = 256
    num_frame_blocks: int = 2
    width: int = 256
    num_blocks: int = 6
    kernel: int = 7
    n_fft: int = 640

    def __post_init__(self) -> None:
        require_positive("tokenizer.vocoder.width", self.width)
        require_positive("tokenizer.vocoder.frame_width", self.frame_width)
        require(
            self.n_fft % HOP_SAMPLES == 0 and self.n_fft >= 2 * HOP_SAMPLES,
            "tokenizer.vocoder.n_fft",
            self.n_fft,
            f"a multiple of {HOP_SAMPLES}, at least {2 * HOP_SAMPLES}",
            "Use 640.",
        )

    @property
    def overlap_samples(self) -> int:
        """Delay of the overlap-add."""
        return self.n_fft - HOP_SAMPLES


@dataclass(slots=True)
class VocoderState:
    """Block states, and the overlap-add tail (B, n_fft - hop); `is_first` until sound was given out."""

    frame_blocks: StackState
    blocks: StackState
    tail_BS: Tensor
    is_first: bool


class Vocoder(nn.Module):
    """(B, F, D) -> (B, 1280 F) samples."""

    def __init__(self, config: VocoderConfig, latent_width: int) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(latent_width, config.frame_width)
        self.frame_stack = CausalStack(config.frame_width, config.num_frame_blocks, kernel=3)
        self.upsample = nn.Linear(config.frame_width, PATCH_MEL_FRAMES * config.width)
        self.stack = CausalStack(config.width, config.num_blocks, config.kernel)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.n_fft + 2)
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        self.gain = HOP_SAMPLES / float(self.window.square().sum())

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
        """Windowed time signals of the STFT columns, (B, 8F, n_fft), and the block states."""
        hidden_BFD, frame_blocks = self.frame_stack(self.enter(latent_BFD), state.frame_blocks)
        hidden_BTD = rearrange(self.upsample(hidden_BFD), "b f (p d) -> b (f p) d", p=PATCH_MEL_FRAMES)
        hidden_BTD, blocks = self.stack(hidden_BTD, state.blocks)
        magnitude_BTX, phase_BTX = self.head(self.norm(hidden_BTD)).float().chunk(2, -1)
        magnitude_BTX = magnitude_BTX.clamp_max(MAX_LOG_MAGNITUDE).exp()
        spectrum_BTX = torch.polar(magnitude_BTX, phase_BTX)
        return torch.fft.irfft(spectrum_BTX, n=self.config.n_fft) * self.window, frame_blocks, blocks

    def stream(self, latent_BFD: Tensor, state: VocoderState) -> tuple[Tensor, VocoderState]:
        """One chunk of frames.

        Returns:
            The samples that are complete: 1280 F, less the overlap (480) in the first chunk; and the new state.
        """
        columns_BTX, frame_blocks, blocks = self.columns(latent_BFD, state)
        overlap = self.config.overlap_samples
        total = columns_BTX.shape[1] * HOP_SAMPLES + overlap
        sum_BS = F.fold(
            columns_BTX.transpose(1, 2),
            output_size=(1, total),
            kernel_size=(1, self.config.n_fft),
            stride=(1, HOP_SAMPLES),
        ).view(columns_BTX.shape[0], total)
        sum_BS = torch.cat([sum_BS[:, :overlap] + state.tail_BS, sum_BS[:, overlap:]], -1)
        ready_BS, tail_BS = sum_BS[:, :-overlap] * self.gain, sum_BS[:, -overlap:]
        if state.is_first:
            ready_BS = ready_BS[:, overlap:]
        return ready_BS, VocoderState(frame_blocks, blocks, tail_BS, False)

    def flush(self, state: VocoderState) -> Tensor:
        """The last `overlap` samples (B, 480), which fade out: no later column completes them."""
        return state.tail_BS * self.gain

    def forward(self, latent_BFD: Tensor) -> Tensor:
        """Whole utterances, (B, F, D) -> (B, 1280 F)."""
        ready_BS, state = self.stream(latent_BFD, self.initial_state(latent_BFD.shape[0], latent_BFD.device))
        return torch.cat([ready_BS, self.flush(state)], -1)
