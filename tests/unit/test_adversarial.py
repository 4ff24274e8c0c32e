"""The adversarial phase: the discriminator, its losses, their balance, and what a step moves."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from tiny import tiny_tokenizer_config
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from omni_audio.config.errors import ConfigError
from omni_audio.config.load import load_config
from omni_audio.data.tokenizer_data import Letters, TokenizerBatch
from omni_audio.tokenizer.discriminator import (
    DiscriminatorConfig,
    Judgement,
    MultiScaleDiscriminator,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
)
from omni_audio.tokenizer.semantic import text_to_ctc
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.adversarial_task import AdversarialConfig, AdversarialTask
from omni_audio.training.balancer import Balancer
from omni_audio.training.callbacks import SeedEachStep, StopOnNaN
from omni_audio.training.optim import OptimConfig, TaskTrainingConfig
from omni_audio.training.tokenizer_phases import phase_facts
from omni_audio.training.tokenizer_task import TokenizerLossConfig

SMALL = DiscriminatorConfig(windows_samples=[128, 256], filters=4)
FAST = OptimConfig(learning_rate=1e-2, warmup_steps=0)


def small_discriminator() -> MultiScaleDiscriminator:
    torch.manual_seed(0)
    return MultiScaleDiscriminator(SMALL)


def judged(*values: float) -> Judgement:
    return Judgement([torch.full((2, 1, 3, 3), value) for value in values], [[torch.ones(2, 4, 3, 3)]])


def new_task(
    freeze_codes: bool = True, discriminator_alone_steps: int = 0, **changes: Any
) -> AdversarialTask:
    torch.manual_seed(0)
    tokenizer = AudioTokenizer(tiny_tokenizer_config())
    for book in tokenizer.quantizer.codebooks:
        book.get_buffer("vectors").normal_()
        book.get_buffer("is_seeded").fill_(True)
    config = AdversarialConfig(
        enabled=True,
        freeze_codes=freeze_codes,
        discriminator_alone_steps=discriminator_alone_steps,
        discriminator=SMALL,
        discriminator_optim=FAST,
        training=TaskTrainingConfig(max_steps=3, log_every_steps=1, optim=FAST),
        **changes,
    )
    return AdversarialTask(tokenizer, TokenizerLossConfig(), config)


def batch() -> TokenizerBatch:
    letters = text_to_ctc("stop")
    pcm_BS = 0.1 * torch.randn(2, 20 * 1280, generator=torch.Generator().manual_seed(0))
    return TokenizerBatch(
        pcm_BS,
        pcm_BS,
        torch.tensor([20, 15]),
        Letters(letters.expand(2, -1), torch.tensor([len(letters)] * 2), ["stop", "stop"]),
    )


class Batches(IterableDataset):
    """The same batch, four times."""

    def __iter__(self) -> Iterator[TokenizerBatch]:
        return iter([batch()] * 4)


def train(task: AdversarialTask, folder: Path, *callbacks: lightning.Callback) -> None:
    trainer = lightning.Trainer(
        max_steps=task.config.training.max_steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(folder),
        callbacks=[SeedEachStep(0), StopOnNaN(), *callbacks],
        val_check_interval=1,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
    )
    trainer.fit(task, *(DataLoader(Batches(), batch_size=None) for _ in ("train", "validation")))


def state_of(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before: dict[str, Tensor], module: torch.nn.Module) -> set[str]:
    return {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize("num_samples", [1, 100, 13_600])
def test_the_discriminator_takes_any_length(num_samples: int) -> None:
    said = small_discriminator()(torch.randn(3, num_samples))
    assert [logits.shape[:2] for logits in said.logits] == [(3, 1), (3, 1)]
    assert [len(features) for features in said.features] == [4, 4]
    assert all(bool(torch.isfinite(logits).all()) for logits in said.logits)


def test_the_discriminator_hears_soft_speech_as_it_hears_loud_speech() -> None:
    discriminator, pcm_BS = small_discriminator(), torch.randn(2, 4000)
    loud, soft, silent = (discriminator(pcm_BS * gain).logits[0] for gain in (1.0, 0.1, 0.0))
    torch.testing.assert_close(soft, loud, atol=1e-2, rtol=1e-2)
    assert float((loud - silent).detach().abs().mean()) > 0.02


def test_the_discriminator_can_be_copied() -> None:
    discriminator, pcm_BS = small_discriminator(), torch.randn(1, 2000)
    twin = copy.deepcopy(discriminator)
    torch.testing.assert_close(twin(pcm_BS).logits, discriminator(pcm_BS).logits, rtol=0, atol=0)


def test_hinge_losses_have_their_known_values() -> None:
    assert float(discriminator_loss(judged(0.0, 0.0), judged(0.0, 0.0))) == 2.0
    assert float(discriminator_loss(judged(1.0, 3.0), judged(-1.0, -2.0))) == 0.0
    assert float(discriminator_loss(judged(1.0, -1.0), judged(-1.0, -1.0))) == 1.0
    assert float(adversarial_loss(judged(1.0, 5.0))) == 0.0
    assert float(adversarial_loss(judged(-1.0, 1.0))) == 1.0


def test_feature_loss_is_relative_and_teaches_the_decoded_side_only() -> None:
    real_BCTX = torch.rand(2, 4, 3, 3, requires_grad=True)
    decoded_BCTX = (1.5 * real_BCTX.detach()).requires_grad_()

    def loss(scale: float) -> Tensor:
        real = Judgement([], [[real_BCTX * scale]])
        return feature_loss(real, Judgement([], [[decoded_BCTX * scale]]))

    assert float(loss(1.0).detach()) == pytest.approx(0.5)
    assert float(loss(100.0).detach()) == pytest.approx(0.5)
    loss(1.0).backward()
    assert real_BCTX.grad is None
    assert decoded_BCTX.grad is not None


def balanced(balancer: Balancer, scales: dict[str, float], pcm_BS: Tensor) -> Tensor:
    """The gradient of losses whose own gradients lie in different samples."""
    pcm_BS = pcm_BS.detach().requires_grad_()
    losses = {name: scale * pcm_BS[:, i].sum() for i, (name, scale) in enumerate(scales.items())}
    return balancer(losses, pcm_BS)


def test_weights_are_shares_of_the_gradient_whatever_the_size_of_a_loss() -> None:
    pcm_BS = torch.zeros(2, 3)
    for scale in (1e-3, 1.0, 1e4):
        balancer = Balancer({"mel": 1.0, "adversarial": 3.0, "feature": 0.5}, 0.9)
        gradient = balanced(balancer, {"mel": 0.2, "adversarial": scale, "feature": 7 * scale}, pcm_BS)
        # the first keeps its size, the others follow it
        torch.testing.assert_close(gradient, torch.tensor([[0.2, 0.6, 0.1]] * 2))


def test_the_balance_follows_moving_averages_that_a_checkpoint_holds() -> None:
    one = Balancer({"mel": 1.0, "feature": 1.0}, 0.5)
    pcm_BS = torch.zeros(1, 2)
    balanced(one, {"mel": 1.0, "feature": 1.0}, pcm_BS)
    two = Balancer({"mel": 1.0, "feature": 1.0}, 0.5)
    two.load_state_dict(one.state_dict())
    after = [balanced(each, {"mel": 1.0, "feature": 4.0}, pcm_BS) for each in (one, two)]
    # the average of 1 and 4 at decay 0.5 is (0.5 + 4) / 1.5 = 3
    torch.testing.assert_close(after[0], torch.tensor([[1.0, 4 / 3]]))
    torch.testing.assert_close(after[0], after[1], rtol=0, atol=0)
    fresh = balanced(Balancer({"mel": 1.0, "feature": 1.0}, 0.5), {"mel": 1.0, "feature": 4.0}, pcm_BS)
    assert not torch.allclose(fresh, after[0])


def test_a_loss_without_a_gradient_is_left_out() -> None:
    gradient = balanced(
        Balancer({"mel": 1.0, "feature": 1.0}, 0.5), {"mel": 1.0, "feature": 0.0}, torch.zeros(1, 2)
    )
    torch.testing.assert_close(gradient, torch.tensor([[1.0, 0.0]]))


def test_one_backward_pass_is_what_two_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder's losses do not teach the discriminator, nor its loss the decoder."""
    task = new_task()
    totals: list[Tensor] = []
    monkeypatch.setattr(AdversarialTask, "_step", lambda self, total: totals.append(total))
    monkeypatch.setattr(AdversarialTask, "log", lambda *_, **__: None)
    monkeypatch.setattr(AdversarialTask, "log_dict", lambda *_, **__: None)
    torch.manual_seed(1)
    task.training_step(batch(), 0)
    totals[0].backward()
    together = {name: p.grad for name, p in task.named_parameters() if p.grad is not None}
    trained = {name for name, p in task.named_parameters() if p.requires_grad}
    assert together.keys() == trained  # DDP waits for every one of them
    assert any("expand" in name for name in trained)
    assert not any(part in name for name in trained for part in (".encoder.", ".reduce.", ".semantic."))

    apart = new_task()
    torch.manual_seed(1)
    heard = apart._reconstruct(batch())
    decoded_BS = heard.decoded_BS.detach()
    real, fake = apart.discriminator(heard.target_BS), apart.discriminator(decoded_BS)
    discriminator_loss(real, fake).backward()
    for name, p in apart.discriminator.named_parameters():
        torch.testing.assert_close(p.grad, together[f"discriminator.{name}"])
    leaf_BS = decoded_BS.requires_grad_()
    real, fake = apart.discriminator(heard.target_BS), apart.discriminator(leaf_BS)
    losses = {
        "mel": apart.mel_loss(leaf_BS, heard.target_BS),
        "adversarial": adversarial_loss(fake),
        "feature": feature_loss(real, fake),
    }
    heard.decoded_BS.backward(apart.balancer(losses, leaf_BS))
    for name, p in apart.tokenizer.named_parameters():
        if p.requires_grad:
            torch.testing.assert_close(p.grad, together[f"tokenizer.{name}"])


def test_frozen_codes_stay_valid(tmp_path: Path) -> None:
    task = new_task()
    pcm_BS = batch().pcm_BS
    before, codes = state_of(task.tokenizer), task.tokenizer.encode(pcm_BS)
    sound = task.tokenizer.decode(codes.acoustic_BFK)
    discriminator = state_of(task.discriminator)
    train(task, tmp_path)
    moved = changed(before, task.tokenizer)
    assert {name.partition(".")[0] for name in moved} == {"quantizer", "vocoder"}
    assert {name for name in moved if name.startswith("quantizer")} == {
        "quantizer.expand.weight",
        "quantizer.expand.bias",
    }
    after = task.tokenizer.encode(pcm_BS)
    assert torch.equal(after.acoustic_BFK, codes.acoustic_BFK)
    assert torch.equal(after.semantic_BF, codes.semantic_BF)
    assert not torch.allclose(task.tokenizer.decode(codes.acoustic_BFK), sound)
    assert changed(discriminator, task.discriminator)
    # the decoder still meets frames of which the fine codes were dropped
    assert task.tokenizer.quantizer.training


def test_unfrozen_codes_move(tmp_path: Path) -> None:
    task = new_task(freeze_codes=False)
    before = state_of(task.tokenizer)
    train(task, tmp_path)
    moved = {name.partition(".")[0] for name in changed(before, task.tokenizer)}
    assert moved == {"encoder", "quantizer", "semantic", "vocoder"}


def test_the_discriminator_learns_alone_first(tmp_path: Path) -> None:
    task = new_task(discriminator_alone_steps=2)
    moves: list[tuple[bool, bool]] = []

    class Watch(lightning.Callback):
        """Whether a step moved the decoder, and the discriminator."""

        def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
            self.before = state_of(task.tokenizer), state_of(task.discriminator)

        def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
            decoder, discriminator = self.before
            moves.append(
                (bool(changed(decoder, task.tokenizer)), bool(changed(discriminator, task.discriminator)))
            )

    train(task, tmp_path, Watch())
    assert moves == [(False, True), (False, True), (True, True)]
    assert task.trainer.global_step == 3


def test_a_batch_is_a_step_of_both_schedules(tmp_path: Path) -> None:
    task = new_task()
    train(task, tmp_path)
    assert task.trainer.global_step == 3
    schedules: Any = task.lr_schedulers()
    assert [schedule.last_epoch for schedule in schedules] == [3, 3]


def test_a_gradient_that_is_no_number_stops_before_the_weights_are_spoilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = new_task()
    before = state_of(task.discriminator)
    monkeypatch.setattr(
        "omni_audio.training.adversarial_task.discriminator_loss",
        lambda real, fake: discriminator_loss(real, fake) * math.nan,
    )
    with pytest.raises(ValueError, match=r"discriminator's gradient norm = nan at step 0: expected a finite"):
        train(task, tmp_path)
    assert not changed(before, task.discriminator)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("adversarial.discriminator.windows_samples=[]", "one or more whole numbers"),
        ("adversarial.discriminator.windows_samples=[130]", "multiples of 4"),
        ("adversarial.discriminator.filters=0", "adversarial.discriminator.filters"),
        ("adversarial.feature_weight=0", "adversarial.feature_weight"),
        ("adversarial.norm_decay=1", "adversarial.norm_decay"),
        ("adversarial.freze_codes=true", "did you mean 'adversarial.freeze_codes'?"),
        ("tokenizer_ema.decay=1", "tokenizer_ema.decay"),
        ("tokenizer_health.min_entropy_percent=101", "tokenizer_health.min_entropy_percent"),
        ("data.speech_cuts.with_corpus=false", "data.speech_cuts.with_corpus"),
    ],
)
def test_a_wrong_value_is_named(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config([override])
    assert said in str(raised.value)


def test_what_is_off_leaves_the_fingerprint_alone() -> None:
    assert phase_facts(load_config(["experiment=tiny"])) == []
    off = ["tokenizer_health.window_steps=7", "tokenizer_samples.num_clips=0", "adversarial.feature_weight=3"]
    assert phase_facts(load_config(["experiment=tiny", *off])) == []
    on = ["adversarial.enabled=true", "tokenizer_ema.decay=0.0"]
    assert len(phase_facts(load_config(["experiment=tiny", *on]))) == 2


def test_codes_of_a_build_must_stay_frozen() -> None:
    overrides = ["adversarial.enabled=true", "adversarial.freeze_codes=false", "tokenizer_build=somewhere"]
    with pytest.raises(ValueError, match=r"adversarial.freeze_codes = False .*tokenizer_build=null"):
        phase_facts(load_config(overrides))
