"""Compiles the network's blocks by torch.compile, each by itself: what lies between them stays as it is written.

Blocks that are alike share what is compiled, so that it takes under a minute, and all shapes after the first few share
it too. Weights, names and checkpoints stay the same.
"""

import torch
import torch._dynamo

from omni_audio.checks import NotAllowedError
from omni_audio.model.transformer import OmniModel

FORMS_OF_A_BLOCK = 64
"""How often a block may be compiled again: for the stack and the depth decoder, with gradients and without."""


def check_compiler(device: torch.device) -> None:
    """Looks for what inductor needs to compile for this device.

    Raises:
        ValueError: it is a CPU, and inductor finds no C++ compiler ($CXX, else g++).
    """
    if device.type != "cpu":
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise NotAllowedError(
            "runtime.compile",
            True,
            "false where inductor finds no C++ compiler ($CXX, else g++): on a CPU blocks become C++",
            "Install g++ (Debian: apt-get install g++), or set runtime.compile=false.",
        ) from error


def compile_blocks(model: OmniModel, backend: str = "inductor") -> None:
    """Compiles the stack and the depth decoder in place; the work is done at the first steps.

    Args:
        model: the network.
        backend: of torch.compile.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, FORMS_OF_A_BLOCK)
    for block in (*model.blocks, *model.depth.blocks):
        block.compile(dynamic=True, backend=backend)
