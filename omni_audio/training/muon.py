"""Muon for the matrices inside blocks, AdamW for everything else, as one optimiser.

Muon (K. Jordan and others, 2024, kellerjordan.github.io/posts/muon, torch.optim.Muon) makes a matrix's step orthogonal.
Tables, heads, vectors and convolutions stay AdamW's, as its authors advise. The steps of a matrix are scaled to the
size that AdamW's have (`match_rms_adamw`), so that both share one learning rate and one schedule.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def is_block_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter, by its dotted name in the trained module, is a matrix inside a block."""
    return "blocks" in name.split(".") and parameter.dim() == 2


class MuonAdamW(torch.optim.Optimizer):
    """Steps both; what a schedule writes into `param_groups` is what they read.

    Args:
        matrices: of (rows, columns), for Muon.
        groups: of the rest, for AdamW, each with its `weight_decay`.
        learning_rate, weight_decay, betas: of both; Muon has the first beta as its momentum.
    """

    def __init__(
        self,
        matrices: list[nn.Parameter],
        groups: list[dict[str, Any]],
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float],
    ) -> None:
        self.muon = torch.optim.Muon(
            matrices,
            lr=learning_rate,
            weight_decay=weight_decay,
            momentum=betas[0],
            adjust_lr_fn="match_rms_adamw",
        )
        self.adamw = torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=True)
        super().__init__([*self.muon.param_groups, *self.adamw.param_groups], {})

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step of both; `closure` computes the loss and its gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.muon.step()
        self.adamw.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.muon.load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])
        self.param_groups = [*self.muon.param_groups, *self.adamw.param_groups]
