"""What the tests of the CPU hold, on a GPU: attention in bfloat16, NF4, and greedy answers."""

import copy

import pytest
import torch
from drawn_streams import document, said_by
from torch import Tensor, nn

from omni_audio.model.attention import AttentionBackend, Places, attend, pinned_bias, visible, visible_blocks
from omni_audio.model.events import AudioFrame
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.nf4 import dequantized, quantize_model
from omni_audio.weight_quant.reference import nf4_round_trip

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICE = "cuda"
WINDOW, NUM_PINNED, CHUNK = 9, 3, 7

fast = pytest.mark.parametrize("backend", [AttentionBackend.SDPA, AttentionBackend.FLEX])
lengths = pytest.mark.parametrize("length", [64, 129, 300])


def stream(length: int) -> Places:
    """Two rows: a document with pinned start and encoder chunks up to its middle; two such, and padding."""
    place_T = torch.arange(length)
    rows = []
    for parts in ([length], [length // 2, length // 3]):
        position_T, document_T = torch.zeros(length).long(), torch.full((length,), -1)
        chunk_T, start = torch.full((length,), -1), 0
        for number, size in enumerate(parts):
            part = slice(start, start + size)
            position_T[part], document_T[part] = place_T[:size], number
            chunk_T[part] = torch.where(place_T[:size] < size // 2, place_T[:size] // CHUNK, -1)
            start += size
        rows.append((position_T, document_T, chunk_T, (position_T < NUM_PINNED) & (document_T >= 0)))
    return Places(*(torch.stack(field).to(DEVICE) for field in zip(*rows, strict=True)))


def mask_of(backend: AttentionBackend, places: Places, window: int = WINDOW) -> object:
    """The mask in the form that the backend takes."""
    return (visible_blocks if backend is AttentionBackend.FLEX else visible)(places, places, window)


def error(got: Tensor, expected: Tensor) -> float:
    """Norm of the difference over that of what was expected."""
    return float((got.float() - expected).norm() / expected.norm())


def drawn(length: int) -> tuple[Tensor, ...]:
    """q, k, v (2, 2, T, 32) in bfloat16, and what the result's gradient shall be."""
    torch.manual_seed(length)
    return torch.randn(4, 2, 2, length, 32).bfloat16().to(DEVICE).unbind()


@fast
@lengths
@pytest.mark.parametrize("is_long", [False, True])
@torch.no_grad()
def test_attention_in_bfloat16_is_the_naive_one(
    backend: AttentionBackend, length: int, is_long: bool
) -> None:
    """Against float32 from the same numbers; long streams add a bias for pinned keys. A wider window is seen."""
    q, k, v, to_pinned = drawn(length)
    places = stream(length)
    is_real = places.document_BT >= 0
    bias = pinned_bias(q, to_pinned, k, places.pinned_BT) if is_long else None
    naive = attend(
        q.float(), k.float(), v.float(), mask_of(AttentionBackend.NAIVE, places), AttentionBackend.NAIVE, bias
    )
    expected = naive.transpose(1, 2)[is_real]
    for window, is_right in ((WINDOW, True), (WINDOW + 1, False)):
        got = attend(q, k, v, mask_of(backend, places, window), backend, bias)
        assert got.dtype == torch.bfloat16
        assert (error(got.transpose(1, 2)[is_real], expected) < 0.02) == is_right


@fast
@lengths
def test_gradients_in_bfloat16_are_the_naive_ones(backend: AttentionBackend, length: int) -> None:
    *inputs, toward = drawn(length)
    places = stream(length)
    toward = toward.float() * (places.document_BT >= 0)[:, None, :, None]

    def gradients(backend: AttentionBackend, dtype: torch.dtype) -> tuple[Tensor, ...]:
        q, k, v = (tensor.detach().to(dtype).requires_grad_() for tensor in inputs)
        made = attend(q, k, v, mask_of(backend, places), backend)
        return torch.autograd.grad((made.float() * toward).sum(), (q, k, v))

    expected = gradients(AttentionBackend.NAIVE, torch.float32)
    for got, own in zip(gradients(backend, torch.bfloat16), expected, strict=True):
        assert error(got, own) < 0.03


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (96, 128), (352, 704)])
@pytest.mark.parametrize("num_inputs", [1, 5])
@torch.no_grad()
def test_nf4_is_the_reference(rows: int, columns: int, num_inputs: int) -> None:
    """Weights that lie between two values may be rounded the other way; one row and many have kernels of their own."""
    torch.manual_seed(rows)
    module = nn.Module()
    module.blocks = nn.ModuleList([nn.Linear(columns, rows, bias=False)])
    module.to(DEVICE)
    weight = module.blocks[0].weight.detach().clone()
    twice = copy.deepcopy(module)
    quantize_model(module, NF4Config(double_quant=False))
    quantize_model(twice, NF4Config(double_quant=True))
    own, expected = dequantized(module.blocks[0]).weight, nf4_round_trip(weight)
    differs = ~torch.isclose(own, expected, atol=1e-6, rtol=1e-5)
    assert float(differs.float().mean()) < 1e-4
    assert own.is_cuda
    x = torch.randn(num_inputs, columns, device=DEVICE)
    torch.testing.assert_close(module.blocks[0](x), x @ own.t(), atol=1e-4, rtol=1e-3)
    far = (dequantized(twice.blocks[0]).weight - own).abs().max() / own.abs().max()
    assert 0 < float(far) < 0.02


@pytest.mark.parametrize("mode", [Mode.TRANSCRIBE, Mode.REPLY_AUDIO])
def test_greedy_answers_are_those_of_the_cpu(
    tiny_model: OmniModel, tiny_text: TextTokenizer, mode: Mode
) -> None:
    """Past the window, in two slots at once."""
    request = GenerationRequest(
        mode=mode, temperature=0.0, audio_temperature=0.0, max_text_tokens=12, max_frames=12
    )
    said = []
    for model in (tiny_model, copy.deepcopy(tiny_model).to(DEVICE)):
        generator = Generator(model, 2)
        for slot, num_frames in enumerate((20, tiny_model.config.num_places + 9)):
            generator.open(slot, document(tiny_model, tiny_text, num_frames, mode), request)
        events = []
        while generator.streams:
            events += generator.step()
        said.append([said_by([event for event in events if event.slot == slot]) for slot in (0, 1)])
        assert (mode is Mode.REPLY_AUDIO) == any(isinstance(event, AudioFrame) for event in events)
    assert said[0] == said[1]
