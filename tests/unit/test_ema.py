"""Averaged weights: the formula, the exchange for validation, and the way through a checkpoint."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import tiny_tokenizer_config

from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.ema import EmaWeights

NAMES = ("encoder.patch.weight", "quantizer.codebooks.0.vectors")


@pytest.fixture
def tokenizer() -> AudioTokenizer:
    torch.manual_seed(0)
    return AudioTokenizer(tiny_tokenizer_config())


def step(ema: EmaWeights, number: int) -> None:
    """Moves every weight as a training step would, then tells the average."""
    torch.manual_seed(number)
    with torch.no_grad():
        for tensor in ema.tokenizer.shipped_state().values():
            if tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor))
    trainer: Any = SimpleNamespace(global_step=number)
    ema.on_train_batch_end(trainer)


def test_the_average_is_the_formula(tokenizer: AudioTokenizer) -> None:
    ema = EmaWeights(tokenizer, 0.4)
    expected: dict[str, torch.Tensor] = {}
    for number in range(1, 9):
        step(ema, number)
        # the warm-up holds the decay down at first: 3/12, 4/13, 5/14, ...
        decay = min(0.4, (1 + number) / (10 + number))
        for name in NAMES:
            weights = tokenizer.state_dict()[name].clone()
            expected[name] = decay * expected.get(name, weights) + (1 - decay) * weights
    for name in NAMES:
        torch.testing.assert_close(ema.averages[name], expected[name])
        assert not torch.allclose(ema.averages[name], tokenizer.state_dict()[name])


def test_flags_are_taken_as_they_are(tokenizer: AudioTokenizer) -> None:
    ema = EmaWeights(tokenizer, 0.9)
    step(ema, 1)
    tokenizer.state_dict()["quantizer.codebooks.0.is_seeded"].fill_(True)
    step(ema, 2)
    assert ema.averages["quantizer.codebooks.0.is_seeded"].dtype is torch.bool
    assert bool(ema.averages["quantizer.codebooks.0.is_seeded"])


def test_validation_hears_the_average_and_training_goes_on_as_before(tokenizer: AudioTokenizer) -> None:
    ema = EmaWeights(tokenizer, 0.9)
    for number in (1, 2, 3):
        step(ema, number)
    weights = {name: tensor.clone() for name, tensor in tokenizer.state_dict().items()}
    averages = {name: tensor.clone() for name, tensor in ema.averages.items()}
    ema.on_validation_start()
    for name, average in averages.items():
        assert torch.equal(tokenizer.state_dict()[name], average)
    ema.on_validation_end()
    for name, tensor in weights.items():
        assert torch.equal(tokenizer.state_dict()[name], tensor)
    for name, average in averages.items():
        assert torch.equal(ema.averages[name], average)


def test_a_resumed_average_goes_on_bit_for_bit(tokenizer: AudioTokenizer) -> None:
    ema = EmaWeights(tokenizer, 0.9)
    for number in (1, 2):
        step(ema, number)
    saved = {name: tensor.clone() for name, tensor in ema.state_dict().items()}
    twin = AudioTokenizer(tokenizer.config)
    twin.load_state_dict(tokenizer.state_dict())
    resumed = EmaWeights(twin, 0.9)
    resumed.load_state_dict(saved)
    for each in (ema, resumed):
        step(each, 3)
    for name, average in ema.averages.items():
        assert torch.equal(resumed.averages[name], average)
    # what was saved is not what goes on
    assert not torch.equal(saved[NAMES[0]], ema.averages[NAMES[0]])


def test_the_build_takes_the_average(tokenizer: AudioTokenizer) -> None:
    ema = EmaWeights(tokenizer, 0.9)
    for number in (1, 2, 3):
        step(ema, number)
    ema.use()
    for name, tensor in tokenizer.shipped_state().items():
        assert torch.equal(tensor, ema.averages[name])
    book = tokenizer.quantizer.codebooks[0]
    torch.testing.assert_close(book.get_buffer("mean_sum"), book.get_buffer("vectors"))
