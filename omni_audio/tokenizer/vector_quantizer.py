"""Residual vector quantiser: low-dimensional codebooks learnt by exponential moving averages.

Source: RVQ of SoundStream (Zeghidour et al. 2021, section III-C), looked up in a low-dimensional factorised space
(Yu et al. 2022, ViT-VQGAN, section 3.2). Dead codes are re-seeded *after* the moving-average update: re-seeding
before it, as some implementations do, is undone at once by the average that still points at the dead place.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.checks import require, require_positive, require_range


@dataclass(kw_only=True, slots=True)
class VectorQuantizerConfig:
    """Residual VQ: `num_codebooks` stages of `codebook_size` vectors of `code_width` numbers."""

    num_codebooks: int = 8
    codebook_size: int = 1024
    code_width: int = 96
    decay: float = 0.98
    dead_below: float = 0.1
    commitment_weight: float = 0.25
    codebook_dropout: float = 0.5

    def __post_init__(self) -> None:
        require_positive("tokenizer.vq.num_codebooks", self.num_codebooks)
        require_positive("tokenizer.vq.codebook_size", self.codebook_size)
        require_positive("tokenizer.vq.code_width", self.code_width)
        require_range("tokenizer.vq.decay", self.decay, 0.0, 0.9999)
        require_range("tokenizer.vq.codebook_dropout", self.codebook_dropout, 0.0, 1.0)


def straight_through(value: Tensor, quantized: Tensor) -> Tensor:
    """`quantized` forward, the identity's gradient to `value` backward."""
    return value + (quantized - value).detach()


TRAINING_STATE = ("mean_count", "mean_sum")
"""Names of the moving averages, which only training needs; a build leaves them out."""


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


class Codebook(nn.Module):
    """One stage: nearest neighbour look-up; vectors follow the moving average of what chose them, while it `learns`."""

    def __init__(self, config: VectorQuantizerConfig) -> None:
        super().__init__()
        self.config = config
        self.learns = True
        size, width = config.codebook_size, config.code_width
        self.vectors: Tensor
        self.mean_count: Tensor
        self.mean_sum: Tensor
        self.is_seeded: Tensor
        self.register_buffer("vectors", torch.randn(size, width) * 0.02)
        self.register_buffer("mean_count", torch.ones(size))
        self.register_buffer("mean_sum", self.vectors.clone())
        self.register_buffer("is_seeded", torch.zeros((), dtype=torch.bool))

    def restart_averages(self) -> None:
        """Moving averages that agree with the vectors: where training goes on after a build was loaded."""
        self.mean_count.fill_(1.0)
        self.mean_sum.copy_(self.vectors)

    def nearest(self, x_ND: Tensor) -> Tensor:
        """Index of the nearest vector, (N,) int64, for (N, D) float32."""
        return torch.addmm(
            self.vectors.square().sum(-1), x_ND, self.vectors.t(), beta=0.5, alpha=-1.0
        ).argmin(-1)

    @torch.no_grad()
    def seed_from(self, x_ND: Tensor, num_rounds: int = 8) -> None:
        """K-means on the first process's first batch; with fewer rows than codes, rows repeat with a little noise."""
        size = self.config.codebook_size
        picks_C = torch.randint(x_ND.shape[0], (size,), device=x_ND.device)
        if x_ND.shape[0] >= size:
            picks_C = torch.randperm(x_ND.shape[0], device=x_ND.device)[:size]
        noise_CD = torch.randn(size, x_ND.shape[1], device=x_ND.device) * x_ND.std() * 0.01
        self.vectors.copy_(x_ND[picks_C] + noise_CD)
        for _ in range(num_rounds):
            sums_CD, counts_C = self._assign(x_ND)
            used_C = counts_C > 0
            self.vectors[used_C] = sums_CD[used_C] / counts_C[used_C, None]
        if _is_distributed():
            dist.broadcast(self.vectors, src=0)
        self.restart_averages()
        self.is_seeded.fill_(True)

    def _assign(self, x_ND: Tensor, codes_N: Tensor | None = None) -> tuple[Tensor, Tensor]:
        codes_N = self.nearest(x_ND) if codes_N is None else codes_N
        sums_CD = torch.zeros_like(self.vectors).index_add_(0, codes_N, x_ND)
        counts_C = torch.bincount(codes_N, minlength=self.config.codebook_size).to(x_ND.dtype)
        return sums_CD, counts_C

    @torch.no_grad()
    def update(self, x_ND: Tensor, codes_N: Tensor) -> None:
        """Moving-average step, then dead codes move to random rows of this batch.

        Under torch.distributed the rows of all processes count. Dead codes move to rows of this one; DDP hands the
        codebooks of the first process to the others before the next step.
        """
        decay = self.config.decay
        sums_CD, counts_C = self._assign(x_ND, codes_N)
        if _is_distributed():
            dist.all_reduce(sums_CD)
            dist.all_reduce(counts_C)
        self.mean_count.mul_(decay).add_(counts_C, alpha=1 - decay)
        self.mean_sum.mul_(decay).add_(sums_CD, alpha=1 - decay)
        self.vectors.copy_(self.mean_sum / self.mean_count.clamp_min(1e-5)[:, None])
        per_code = float(counts_C.sum()) / self.config.codebook_size
        dead_C = self.mean_count < self.config.dead_below * min(per_code, 1.0)
        num_dead = int(dead_C.sum())
        if num_dead:
            rows_ND = x_ND[torch.randint(x_ND.shape[0], (num_dead,), device=x_ND.device)]
            self.vectors[dead_C] = rows_ND
            self.mean_count[dead_C] = min(per_code, 1.0)
            self.mean_sum[dead_C] = rows_ND * min(per_code, 1.0)


@dataclass(slots=True)
class Quantized:
    """What the quantiser returns: latents (B, F, D) with straight-through gradient, codes (B, F, K), the loss."""

    latent_BFD: Tensor
    codes_BFK: Tensor
    commitment_loss: Tensor


class ResidualVectorQuantizer(nn.Module):
    """(B, F, D) latents -> K codes a frame, coarse to fine."""

    def __init__(self, config: VectorQuantizerConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.reduce = nn.Linear(width, config.code_width)
        self.expand = nn.Linear(config.code_width, width)
        self.codebooks = nn.ModuleList(Codebook(config) for _ in range(config.num_codebooks))

    def forward(self, x_BFD: Tensor, mask_BF: Tensor) -> Quantized:
        """Training pass.

        Args:
            x_BFD: (B, F, D) encoder output.
            mask_BF: (B, F) bool, true on real frames; only they teach the codebooks and count in the loss.

        Returns:
            Quantized; with `codebook_dropout`, some rows keep only their first n codebooks in the latent, n drawn
            uniformly from 1 to K, so that one model serves every operating point. Codebooks that do not learn
            stay as they are.
        """
        target_BFD = self.reduce(x_BFD).float()
        residual_BFD = target_BFD
        keep_B = self._draw_kept(x_BFD.shape[0], x_BFD.device)
        total_BFD = torch.zeros_like(residual_BFD)
        codes, loss = [], residual_BFD.new_zeros(())
        for stage, codebook in enumerate(self.codebooks):
            assert isinstance(codebook, Codebook)
            rows_ND = residual_BFD[mask_BF].detach()
            learns = self.training and codebook.learns
            if learns and not bool(codebook.is_seeded):
                codebook.seed_from(rows_ND)
            codes_BF = codebook.nearest(residual_BFD.detach().flatten(0, 1)).view(mask_BF.shape)
            quantized_BFD = F.embedding(codes_BF, codebook.vectors)
            used_BF = mask_BF & (keep_B > stage)[:, None]
            error_BF = (residual_BFD - quantized_BFD).square().mean(-1)
            loss = loss + (error_BF * used_BF).sum() / used_BF.sum().clamp_min(1)
            if learns:
                codebook.update(rows_ND, codes_BF[mask_BF])
            total_BFD = total_BFD + quantized_BFD * (keep_B > stage)[:, None, None]
            residual_BFD = residual_BFD - quantized_BFD
            codes.append(codes_BF)
        loss = loss / self.config.num_codebooks * self.config.commitment_weight
        latent_BFD = self.expand(straight_through(target_BFD, total_BFD))
        return Quantized(latent_BFD, torch.stack(codes, -1), loss)

    def _draw_kept(self, num_rows: int, device: torch.device) -> Tensor:
        """How many codebooks each row keeps, (B,) int64."""
        total = self.config.num_codebooks
        keep_B = torch.full((num_rows,), total, device=device)
        if not self.training or self.config.codebook_dropout == 0:
            return keep_B
        drop_B = torch.rand(num_rows, device=device) < self.config.codebook_dropout
        return torch.where(drop_B, torch.randint(1, total + 1, (num_rows,), device=device), keep_B)

    @torch.no_grad()
    def encode(self, x_BFD: Tensor) -> Tensor:
        """Codes (B, F, K) int64 of (B, F, D)."""
        residual_BFD = self.reduce(x_BFD).float()
        codes = []
        for codebook in self.codebooks:
            assert isinstance(codebook, Codebook)
            codes_BF = codebook.nearest(residual_BFD.flatten(0, 1)).view(residual_BFD.shape[:2])
            residual_BFD = residual_BFD - F.embedding(codes_BF, codebook.vectors)
            codes.append(codes_BF)
        return torch.stack(codes, -1)

    def code_latents(self, codes_BFK: Tensor) -> Tensor:
        """Sum of the vectors of the first codes, (B, F, code_width); fewer than K codebooks may be given.

        Raises:
            ValueError: a code is outside 0..codebook_size - 1, or there are more codebooks than this model has.
        """
        num_given, size = codes_BFK.shape[-1], self.config.codebook_size
        require(
            1 <= num_given <= self.config.num_codebooks,
            "codes_BFK.shape[-1]",
            num_given,
            f"1 to {self.config.num_codebooks} codebooks",
            "Use codes of this tokenizer.",
        )
        if codes_BFK.numel():
            low, high = int(codes_BFK.min()), int(codes_BFK.max())
            require(
                low >= 0 and high < size,
                "codes",
                (low, high),
                f"0 to {size - 1}",
                "Use codes of this tokenizer.",
            )
        total_BFD = torch.zeros(*codes_BFK.shape[:2], self.config.code_width, device=codes_BFK.device)
        for stage in range(num_given):
            codebook = self.codebooks[stage]
            assert isinstance(codebook, Codebook)
            total_BFD = total_BFD + F.embedding(codes_BFK[..., stage], codebook.vectors)
        return total_BFD

    def decode(self, codes_BFK: Tensor) -> Tensor:
        """(B, F, D) latents of the codes."""
        return self.expand(self.code_latents(codes_BFK))
