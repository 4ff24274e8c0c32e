"""Muon beside AdamW: who steps what, one schedule for both, and a resumed training goes on as if it had not stopped."""

import copy

import pytest
import torch
from torch import Tensor, nn

from omni_audio.training.muon import MuonAdamW
from omni_audio.training.optim import OptimConfig, Optimizer, build_optimizer

RATE = 0.01


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 16)
        self.blocks = nn.ModuleList([nn.Linear(16, 16)])
        self.head = nn.Linear(16, 7)

    def forward(self, ids_B: Tensor) -> Tensor:
        return self.head(torch.tanh(self.blocks[0](self.embed(ids_B))))


def made(optimizer: Optimizer = Optimizer.muon, seed: int = 0):
    torch.manual_seed(seed)
    model = Small()
    config = OptimConfig(optimizer=optimizer, learning_rate=RATE, warmup_steps=4, weight_decay=0.0)
    parts = build_optimizer(model, config, 20)
    return model, parts["optimizer"], parts["lr_scheduler"]["scheduler"]


def step(model: nn.Module, optimizer: torch.optim.Optimizer, schedule, seed: int) -> None:
    ids_B = torch.randint(0, 7, (32,), generator=torch.Generator().manual_seed(seed))
    loss = nn.functional.cross_entropy(model(ids_B), (ids_B + 1) % 7)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()


def test_matrices_of_blocks_take_orthogonal_steps_and_the_rest_those_of_adamw() -> None:
    (model, optimizer, schedule), (plain, adamw, its_schedule) = made(), made(Optimizer.adamw)
    before = copy.deepcopy(model.state_dict())
    step(model, optimizer, schedule, 0)
    step(plain, adamw, its_schedule, 0)
    for name, parameter in model.named_parameters():
        is_like_adamw = torch.equal(parameter, plain.get_parameter(name))
        assert is_like_adamw is (name != "blocks.0.weight"), name
    moved = before["blocks.0.weight"] - model.get_parameter("blocks.0.weight").detach()
    sizes = torch.linalg.svdvals(moved)
    assert sizes[0] < 4 * sizes[8]  # a gradient of seven ids has rank 7: AdamW's step has no such plateau
    its_sizes = torch.linalg.svdvals(
        before["blocks.0.weight"] - plain.get_parameter("blocks.0.weight").detach()
    )
    assert sizes[0] / sizes.norm() < its_sizes[0] / its_sizes.norm()


def test_both_follow_the_schedule() -> None:
    _, optimizer, schedule = made()
    assert isinstance(optimizer, MuonAdamW)
    rates = []
    for _ in range(6):
        rates.append({group["lr"] for group in (*optimizer.muon.param_groups, *optimizer.adamw.param_groups)})
        optimizer.step()
        schedule.step()
    assert all(len(rate) == 1 for rate in rates)
    assert [min(rate) for rate in rates[:4]] == pytest.approx([RATE * n / 4 for n in (1, 2, 3, 4)])


def test_a_resumed_training_goes_on_as_if_it_had_not_stopped() -> None:
    whole = made()
    for seed in range(6):
        step(*whole, seed)
    first, second = made(), made(seed=1)
    for seed in range(3):
        step(*first, seed)
    second[0].load_state_dict(first[0].state_dict())
    second[1].load_state_dict(copy.deepcopy(first[1].state_dict()))
    second[2].load_state_dict(first[2].state_dict())
    for seed in range(3, 6):
        step(*second, seed)
    for name, parameter in whole[0].named_parameters():
        assert torch.equal(parameter, second[0].get_parameter(name)), name


def test_muon_without_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"optim.optimizer = 'muon'.*adamw"):
        build_optimizer(nn.Linear(3, 3), OptimConfig(optimizer=Optimizer.muon), 5)
