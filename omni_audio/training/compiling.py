"""Compiles the network's blocks by torch.compile, each by itself: what lies between them stays as it is written.

Blocks that are alike share what is compiled, so that it takes under a minute, and all shapes after the first few share
it too. Weights, names and checkpoints stay the same.
"""

import os
import shutil

import torch._dynamo

from omni_audio.checks import require
from omni_audio.model.transformer import OmniModel

CPU_COMPILERS = ("g++", "clang++")
FORMS_OF_A_BLOCK = 64
"""How often a block may be compiled again: for the stack and the depth decoder, with gradients and without."""


def compile_blocks(model: OmniModel, backend: str = "inductor") -> None:
    """Compiles the stack and the depth decoder in place; the work is done at the first steps.

    Args:
        model: the network.
        backend: of torch.compile.

    Raises:
        ValueError: the network is on a CPU and no C++ compiler is found.
    """
    if backend == "inductor" and model.device.type == "cpu":
        wanted = [os.environ["CXX"]] if "CXX" in os.environ else CPU_COMPILERS
        require(
            any(shutil.which(name) for name in wanted),
            "runtime.compile",
            True,
            f"false where none of {', '.join(wanted)} is installed: on a CPU blocks become C++",
            "Install g++ (Debian: apt-get install g++), or set runtime.compile=false.",
        )
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, FORMS_OF_A_BLOCK)
    for block in (*model.blocks, *model.depth.blocks):
        block.compile(dynamic=True, backend=backend)
