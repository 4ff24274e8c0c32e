"""What a run computes on: device, precision, threads. Chosen by config and logged, never silently."""

import logging
import os
from dataclasses import dataclass
from enum import Enum

import torch

from omni_audio.checks import require, require_positive
from omni_audio.record import usable_cores

log = logging.getLogger(__name__)


class Device(Enum):
    """Where to compute; `auto` takes the GPU where there is one and says so."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Precision(Enum):
    """Number format of training; weights stay float32 in both."""

    float32 = "32-true"
    bfloat16 = "bf16-mixed"


@dataclass(kw_only=True, slots=True)
class RuntimeConfig:
    """Device and numbers of a run.

    Attributes:
        device: auto, cpu or cuda.
        precision: float32, or bfloat16 autocast over float32 weights.
        num_threads: CPU threads of torch; None takes what OMP_NUM_THREADS says, else every core this process may use.
        deterministic: refuse kernels that do not repeat bit for bit.
        compile: the stage `model` trains blocks that torch.compile made, the first steps taking up to a minute longer;
            `serve` compiles its decode steps (server.compile).
    """

    device: Device = Device.auto
    precision: Precision = Precision.float32
    num_threads: int | None = None
    deterministic: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        if self.num_threads is not None:
            require_positive("runtime.num_threads", self.num_threads)


def resolve_device(device: Device) -> torch.device:
    """Returns the torch device; `auto` becomes cuda or cpu.

    Raises:
        ValueError: cuda is asked for and there is none.
    """
    has_cuda = torch.cuda.is_available()
    require(
        device is not Device.cuda or has_cuda,
        "runtime.device",
        device.value,
        "a device of this machine, which has no CUDA GPU",
        "Set runtime.device=cpu or runtime.device=auto.",
    )
    if device is Device.auto:
        return torch.device("cuda" if has_cuda else "cpu")
    return torch.device(device.value)


def apply_runtime(config: RuntimeConfig) -> torch.device:
    """Sets torch's threads and determinism, logs the choice, and returns the device."""
    device = resolve_device(config.device)
    if config.num_threads is not None:
        torch.set_num_threads(config.num_threads)
    elif "OMP_NUM_THREADS" not in os.environ:  # torch has read it
        torch.set_num_threads(usable_cores())
    torch.use_deterministic_algorithms(config.deterministic)
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    log.info("computing on %s (%s), precision %s", device.type, name, config.precision.name)
    return device
