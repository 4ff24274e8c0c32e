"""What the machine can do at most: bytes from memory, products of matrices; and what weights take."""

import copy
import statistics

import torch
from torch import nn

from measuring.timing import Case, Way, time_ways
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant.chosen import chosen_linears
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.nf4 import weight_bytes
from omni_audio.weight_quant.nf4_file import NF4File
from omni_audio.weight_quant.packed import expected_tensors
from omni_audio.weight_quant.stored import StoredTensor
from omni_audio.weight_quant.tables import hold_tables


def bandwidth_case(mib: int, repeats: int) -> Case:
    """Reads one large block (sum) or reads it and writes another (copy); the better one counts."""
    source = torch.ones(mib * 2**18)
    target = torch.empty_like(source)
    ways = [Way("memory", "sum", source.sum), Way("memory", "copy", lambda: target.copy_(source))]
    case = Case("memory bandwidth", {"mib": mib}, time_ways(ways, repeats))
    moved = {"sum": source.nbytes, "copy": 2 * source.nbytes}
    case.figures["gb_per_s"] = max(
        moved[name] / statistics.median(times) / 1e6 for (_, name), times in case.times_ms.items()
    )
    return case


def gemm_case(size: int, dtype: torch.dtype, repeats: int) -> Case:
    """Product of two square matrices."""
    left, right = torch.randn(2, size, size).to(dtype)
    case = Case(
        "gemm peak",
        {"dtype": str(dtype).removeprefix("torch."), "size": size},
        time_ways([Way("gemm", "matmul", lambda: left @ right)], repeats, warm_up=2),
    )
    case.figures["gflops"] = 2 * size**3 / case.median_ms("gemm") / 1e6
    return case


def step_bytes(model: OmniModel) -> int:
    """Bytes of the weights that a decode step reads: blocks, last norm, main head with its table of digits."""
    parts: list[nn.Module] = [model.blocks, model.norm, model.head]
    table_LV = model.head.digits_of_ids
    return sum(weight_bytes(part) for part in parts) + table_LV.numel() * table_LV.element_size()


def nf4_stored(model: OmniModel) -> tuple[float, float]:
    """Bits a parameter of the layers that NF4 packs, and bytes of the whole file over 16 bit a parameter."""
    form, layers = NF4File(NF4Config()), dict[str, StoredTensor]()
    num_parameters = sum(tensor.numel() for tensor in model.state_dict().values())
    packed = copy.deepcopy(model).to("meta")
    hold_tables(packed, form.choice.tables)
    linears = chosen_linears(packed, form.choice)
    for name, linear in linears:
        layers |= form.expected(name, linear)
    layer_bytes, file_bytes = (
        sum(tensor.num_bytes for tensor in tensors.values())
        for tensors in (layers, expected_tensors(packed, form))
    )
    return (
        8 * layer_bytes / sum(linear.weight.numel() for _, linear in linears),
        file_bytes / (2 * num_parameters),
    )


def train_flops(model: OmniModel, num_positions: int) -> float:
    """Of the products with weights, forward and backward: 6 a weight and position; attention's own left out."""
    weights = sum(p.numel() for part in (model.blocks, model.head) for p in part.parameters() if p.dim() == 2)
    return 6.0 * weights * num_positions
