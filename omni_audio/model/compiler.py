"""What torch.compile needs: a C++ compiler on a CPU, and leave to compile one function for many shapes."""

import torch

from omni_audio.checks import NotAllowedError

MOST_FORMS = 64
"""How often one function may be compiled again: for other numbers of rows, with gradients and without."""


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
            "false where inductor finds no C++ compiler ($CXX, else g++): on a CPU the network becomes C++",
            "Install g++ (Debian: apt-get install g++), or set runtime.compile=false.",
        ) from error


def allow_forms() -> None:
    """Lets torch compile one function for more shapes than its default, after which it would run as written."""
    import torch._dynamo  # takes a second, and few compile

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_FORMS)
