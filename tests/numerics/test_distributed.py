"""What DistributedDataParallel asks of the modules: a gradient for every parameter, codebooks taught by all rows."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from tiny import tiny_model_config, tiny_tokenizer_config

from omni_audio.data.tokenizer_data import Letters, SemanticBatch
from omni_audio.model.depth import DepthConfig
from omni_audio.model.sequence import Mode, SequenceBuilder, pack
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.semantic import SemanticInput, text_to_ctc
from omni_audio.tokenizer.tokenizer import AudioCodes, AudioTokenizer
from omni_audio.tokenizer.vector_quantizer import Codebook, VectorQuantizerConfig
from omni_audio.training.optim import TaskTrainingConfig
from omni_audio.training.semantic_task import SemanticLossConfig, SemanticTask


def without_gradient(module: torch.nn.Module) -> list[str]:
    return [name for name, p in module.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize("reads", list(SemanticInput))
@pytest.mark.parametrize("early_weight", [0.0, 0.5, 1.0])
def test_the_semantic_task_trains_the_semantic_level_only(
    early_weight: float, reads: SemanticInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    config = tiny_tokenizer_config()
    tokenizer = AudioTokenizer(replace(config, semantic=replace(config.semantic, reads=reads)))
    task = SemanticTask(tokenizer, SemanticLossConfig(early_weight=early_weight), TaskTrainingConfig())
    letters = text_to_ctc("stop")
    batch = SemanticBatch(
        torch.randint(16, (1, 10, 4)) if reads is SemanticInput.codes else torch.randn(1, 10, 640),
        torch.tensor([10]),
        Letters(letters[None], torch.tensor([len(letters)]), ["stop"]),
    )
    monkeypatch.setattr(task, "log", lambda *_, **__: None)  # there is no trainer to log to
    task.training_step(batch, 0).backward()
    assert without_gradient(task) == []
    assert all(name.startswith("semantic.") for name, p in tokenizer.named_parameters() if p.requires_grad)
    assert all(p.requires_grad for p in tokenizer.semantic.parameters())


@pytest.mark.parametrize("has_frames", [False, True])
def test_every_parameter_of_the_model_has_a_gradient(
    has_frames: bool,
    tiny_tokenizer: AudioTokenizer,
    tiny_text: TextTokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    depth = DepthConfig(width=64, num_layers=1, num_heads=2, mlp_width=64, train_fraction=0.01)
    model = OmniModel(tiny_model_config(depth=depth), tiny_tokenizer.config).train()
    layout = model.config.layout
    builder = SequenceBuilder(tiny_text, model.vocabulary, 4, layout, model.state_width)
    builder.user_text("hi").assistant(Mode.REPLY_AUDIO)
    if has_frames:
        codes = AudioCodes(torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 4, 4, dtype=torch.long))
        builder.answer_speech("light", codes)
    else:
        builder.answer_text("light")
    monkeypatch.setattr(torch, "rand", lambda shape, **more: torch.ones(shape, **more))  # draws no frame
    losses = model.losses(pack([[builder.end().build()]]))
    assert losses.acoustic.item() == 0
    (losses.text + losses.semantic + losses.acoustic + losses.hearing).backward()
    assert without_gradient(model) == []
    assert all(not bool(p.grad.any()) for p in model.depth.parameters() if p.grad is not None)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def codebook() -> Codebook:
    torch.manual_seed(0)
    book = Codebook(VectorQuantizerConfig(codebook_size=4, code_width=2, decay=0.5, dead_below=0.0))
    book.get_buffer("vectors").copy_(torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]]))
    book.restart_averages()
    return book


def test_codebooks_follow_the_rows_of_all_processes(group: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ours_ND, theirs_ND = torch.rand(12, 2), torch.rand(12, 2)
    alone = codebook()
    rows_ND = torch.cat([ours_ND, theirs_ND])
    alone.update(rows_ND, alone.nearest(rows_ND))
    among = codebook()
    others = list(among._assign(theirs_ND))
    reduce = dist.all_reduce

    def of_two(tensor: torch.Tensor) -> None:
        reduce(tensor)
        tensor.add_(others.pop(0))

    monkeypatch.setattr(dist, "all_reduce", of_two)
    among.update(ours_ND, among.nearest(ours_ND))
    for name in ("mean_count", "mean_sum", "vectors"):
        torch.testing.assert_close(among.get_buffer(name), alone.get_buffer(name))
    assert others == []
