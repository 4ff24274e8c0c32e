"""Compiled blocks compute what written ones compute, and take any shape."""

import copy
import shutil

import pytest
import torch
from drawn_streams import drawn_codes, new_builder

from omni_audio.model.sequence import Mode, SequenceBatch, pack
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.training.compiling import compile_blocks

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def batches(model: OmniModel, text: TextTokenizer) -> list[SequenceBatch]:
    """Of other lengths and numbers of rows; the last is longer than the window."""
    made = []
    for rows, num_frames in ((1, 20), (2, 31), (1, 150)):
        builder = new_builder(model, text)
        builder.user_audio(drawn_codes(model, num_frames), "hello").assistant(Mode.REPLY_AUDIO)
        answered = builder.answer_speech("on it", drawn_codes(model, 12, seed=1)).end().build()
        made.append(pack([[answered]] * rows))
    return made


def gradients(model: OmniModel, batch: SequenceBatch) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model.zero_grad()
    losses = model.losses(batch)
    (losses.text + losses.semantic + losses.acoustic).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "backend", ["aot_eager", pytest.param("inductor", marks=[pytest.mark.slow, needs_compiler])]
)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # dynamo's own doing
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex operators")
def test_compiled_blocks_train_as_written_ones(
    backend: str, tiny_model: OmniModel, tiny_text: TextTokenizer
) -> None:
    written, compiled = copy.deepcopy(tiny_model).train(), copy.deepcopy(tiny_model).train()
    compile_blocks(compiled, backend)
    assert compiled.state_dict().keys() == written.state_dict().keys()
    for batch in batches(tiny_model, tiny_text):
        expected, got = gradients(written, batch), gradients(compiled, batch)
        assert expected.keys() == got.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(got[name], gradient, atol=1e-5, rtol=1e-3)
