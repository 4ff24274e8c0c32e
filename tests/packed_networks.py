"""What tests of packed builds ask of a network: its logits to the bit, and how large tensors get."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from omni_audio.model.sequence import NO_CHUNK, NO_CODE
from omni_audio.model.transformer import OmniModel


@torch.no_grad()
def logits(model: OmniModel) -> list[bytes]:
    """Bytes of the logits of both heads after text and audio positions, one and many at once."""
    torch.manual_seed(3)
    num_codebooks = model.depth.num_codebooks
    ids_BT = torch.randint(model.vocabulary.semantic_start, (1, 9))
    codes_BTK = torch.full((1, 9, num_codebooks), NO_CODE)
    ids_BT[:, 4:8] = model.vocabulary.semantic_start + torch.arange(4)
    codes_BTK[:, 4:8] = torch.randint(16, (1, 4, num_codebooks))
    states_BTS = torch.randn(1, 9, model.state_width)
    cache, found = model.empty_cache(1), []
    for part in (slice(0, 8), slice(8, 9)):
        chunk_BT = torch.full_like(ids_BT[:, part], NO_CHUNK)
        slots, pinned_BT = torch.tensor([0]), torch.zeros_like(chunk_BT, dtype=torch.bool)
        fed = (ids_BT[:, part], codes_BTK[:, part], chunk_BT, pinned_BT, cache, slots, states_BTS[:, part])
        hidden_BTD = model.advance(*fed)
        found.append(model.head(hidden_BTD))
        semantic_MD = model.embed(ids_BT[0, part])

        def choose(stage: int, logits_MC: torch.Tensor) -> torch.Tensor:
            found.append(logits_MC)
            return logits_MC.argmax(-1)

        model.depth.generate(hidden_BTD[0], semantic_MD, model.codebook_vectors, choose)
    return [part.numpy().tobytes() for part in found]


class LargestTensor(TorchDispatchMode):
    """Remembers the largest tensors off the meta device that operations gave, in bytes: of any kind, and of floats."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = self.num_float_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        for tensor in given if isinstance(given, tuple | list) else [given]:
            if isinstance(tensor, torch.Tensor) and not tensor.is_meta:
                num_bytes = tensor.numel() * tensor.element_size()
                self.num_bytes = max(self.num_bytes, num_bytes)
                if tensor.is_floating_point():
                    self.num_float_bytes = max(self.num_float_bytes, num_bytes)
        return given
