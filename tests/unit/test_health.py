"""Trainings that went wrong stop with a word that says why; sound ones go on."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from omni_audio.tokenizer.code_usage import (
    code_counts,
    usage_entropy_percent,
    usage_perplexity,
    used_percent,
)
from omni_audio.training.health import HealthConfig, WatchCodes, WatchDiscriminator

SIZE = 16
CONFIG = HealthConfig(window_steps=4, after_steps=8, min_entropy_percent=30.0, min_discriminator_loss=0.1)


class Module:
    """Stands in for a LightningModule that logs."""

    def __init__(self) -> None:
        self.logged: dict[str, float] = {}

    def log(self, name: str, value: float, **_: Any) -> None:
        self.logged[name] = value


def run(callback: Any, outputs: Any, first: int, last: int) -> Module:
    """Steps first..last with what `outputs(step)` gives."""
    module = Module()
    for step in range(first, last + 1):
        trainer: Any = SimpleNamespace(global_step=step)
        callback.on_train_batch_end(trainer, module, outputs(step), None, 0)
    return module


def spread(step: int) -> dict[str, Tensor]:
    """Two codebooks, every code as often as any other."""
    return {"codes_NK": torch.arange(64).remainder(SIZE)[:, None].expand(-1, 2)}


def collapsed(step: int) -> dict[str, Tensor]:
    """The second codebook says one thing, but for one frame in 64."""
    codes_NK = spread(step)["codes_NK"].clone()
    codes_NK[1:, 1] = 3
    return {"codes_NK": codes_NK}


def test_entropy_is_a_share_of_what_is_possible() -> None:
    counts_KC = torch.tensor([[4, 4, 4, 4], [16, 0, 0, 0], [8, 8, 0, 0]])
    torch.testing.assert_close(usage_entropy_percent(counts_KC), torch.tensor([100.0, 0.0, 50.0]))
    # three frames cannot name more than three codes
    torch.testing.assert_close(usage_entropy_percent(torch.tensor([[1, 1, 1, 0]])), torch.tensor([100.0]))
    assert float(usage_entropy_percent(torch.zeros(1, 4, dtype=torch.long))) == 0.0
    assert code_counts(torch.tensor([[0, 1], [0, 2]]), 3).tolist() == [[2, 0, 0], [0, 1, 1]]
    torch.testing.assert_close(usage_perplexity(counts_KC), torch.tensor([4.0, 1.0, 2.0]))
    assert used_percent(counts_KC).tolist() == [100, 25, 50]


def test_usage_is_logged_for_every_codebook() -> None:
    module = run(WatchCodes(CONFIG, SIZE), spread, 1, 16)
    assert module.logged == {
        f"train/codebook{stage}_{kind}_percent": pytest.approx(100.0)
        for stage in range(2)
        for kind in ("entropy", "used")
    }


def test_a_collapsed_codebook_stops_the_run() -> None:
    watch = WatchCodes(CONFIG, SIZE)
    module = run(watch, collapsed, 1, 7)
    assert module.logged["train/codebook1_used_percent"] == pytest.approx(12.5)
    with pytest.raises(
        ValueError, match=r"entropy of codebook 1 at step 8 = .*min_entropy_percent = 30.0.*lower .*learning"
    ):
        run(watch, collapsed, 8, 8)


def test_codes_are_not_judged_too_early_nor_by_half_a_window_nor_when_told_not_to() -> None:
    run(WatchCodes(CONFIG, SIZE), collapsed, 1, 7)
    run(WatchCodes(CONFIG, SIZE), collapsed, 10, 12)  # resumed in the middle of a window
    with pytest.raises(ValueError, match="codebook 1 at step 16"):
        run(WatchCodes(CONFIG, SIZE), collapsed, 10, 16)
    unjudged = HealthConfig(window_steps=4, after_steps=0, min_entropy_percent=None)
    assert run(WatchCodes(unjudged, SIZE), collapsed, 1, 8).logged


def losses(discriminator: float, slope: float) -> Any:
    return lambda step: {
        "discriminator": torch.tensor(discriminator),
        "adversarial": torch.tensor(3.0 + slope * step),
    }


def test_a_discriminator_that_has_won_stops_the_run() -> None:
    watch = WatchDiscriminator(CONFIG)
    run(watch, losses(0.01, 0.1), 1, 7)
    with pytest.raises(
        ValueError, match=r"discriminator loss at step 8 = 0.01 .*it went from .*has won: lower adversarial"
    ):
        run(watch, losses(0.01, 0.1), 8, 8)
    with pytest.raises(ValueError, match="has won"):
        run(WatchDiscriminator(CONFIG), losses(0.0, 0.0), 1, 8)


@pytest.mark.parametrize(("discriminator", "slope"), [(0.01, -0.1), (0.5, 0.1), (2.0, 0.0)])
def test_a_game_that_is_open_goes_on(discriminator: float, slope: float) -> None:
    run(WatchDiscriminator(CONFIG), losses(discriminator, slope), 1, 40)


def test_the_discriminator_is_not_judged_by_half_a_window_nor_when_told_not_to() -> None:
    run(WatchDiscriminator(CONFIG), losses(0.0, 0.1), 10, 15)
    unjudged = HealthConfig(window_steps=4, after_steps=0, min_discriminator_loss=None)
    run(WatchDiscriminator(unjudged), losses(0.0, 0.1), 1, 8)
