"""Compiles the network's blocks by torch.compile, each by itself: what lies between them stays as it is written.

Blocks that are alike share what is compiled, so that it takes under a minute, and all shapes after the first few share
it too. Weights, names and checkpoints stay the same.
"""

from omni_audio.model.compiler import allow_forms
from omni_audio.model.transformer import OmniModel


def compile_blocks(model: OmniModel, backend: str = "inductor") -> None:
    """Compiles the stack and the depth decoder in place; the work is done at the first steps.

    Args:
        model: the network.
        backend: of torch.compile.
    """
    allow_forms()
    for block in (*model.blocks, *model.depth.blocks):
        block.compile(dynamic=True, backend=backend)
