"""Several losses of one waveform become one gradient, each with the share that its weight says.

Source: balancer of EnCodec (Défossez et al. 2022, section 3.4): gradients with respect to the decoder's output are
divided by the moving average of their norms. Here the first loss keeps its own size and the others are brought to it,
as the adaptive weight of VQGAN does (Esser et al. 2021, equation 7), so that losses outside the balancer keep the
weight that they had without it. The averages are buffers: a checkpoint holds them.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from omni_audio.checks import require_range

SMALLEST_NORM = 1e-12


class Balancer(nn.Module):
    """Gradient of a weighted sum of losses whose weights are shares of the gradient, not of the loss.

    Args:
        weights: of each loss, in order; the first is the reference.
        decay: of the moving averages of the norms.
    """

    def __init__(self, weights: dict[str, float], decay: float) -> None:
        super().__init__()
        require_range("adversarial.norm_decay", decay, 0.0, 0.99999)
        self.weights, self.decay = weights, decay
        self.norm_sums: Tensor
        self.num_norms: Tensor
        self.register_buffer("norm_sums", torch.zeros(len(weights)))
        self.register_buffer("num_norms", torch.zeros(()))

    def forward(self, losses: dict[str, Tensor], pcm_BS: Tensor) -> Tensor:
        """The gradient to send into `pcm_BS` (B, S), of the same shape.

        Args:
            losses: scalars that depend on `pcm_BS`, under the names of the weights.
            pcm_BS: a waveform that asks for a gradient; the graph behind it stays for another backward pass.
        """
        gradients = [torch.autograd.grad(losses[name], pcm_BS, retain_graph=True)[0] for name in self.weights]
        norms = self._averages(torch.stack([gradient.norm(dim=-1).mean() for gradient in gradients]))
        total_BS = torch.zeros_like(pcm_BS)
        for gradient, norm, weight in zip(gradients, norms, self.weights.values(), strict=True):
            total_BS += gradient * (weight * norms[0] / norm.clamp_min(SMALLEST_NORM))
        return total_BS

    def _averages(self, norms_L: Tensor) -> Tensor:
        """Moving averages after these norms (L,), over all processes; without bias towards their start at 0."""
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(norms_L)
            norms_L = norms_L / dist.get_world_size()
        self.norm_sums.mul_(self.decay).add_(norms_L)
        self.num_norms.mul_(self.decay).add_(1.0)
        return self.norm_sums / self.num_norms
