"""How many bits a parameter takes in a build, by module, counted from what its files hold."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from omni_audio.weight_quant.config import Int4Config, NF4Config
from omni_audio.weight_quant.int8_rows import SCALE
from omni_audio.weight_quant.stored import StoredTensor, stored_file

MODULES = {
    "embed": "embedding",
    "frames": "embedding",
    "codebook_vectors": "embedding",
    "codebook_spreads": "embedding",
    "norm": "blocks",
}
"""Module of a report by the first part of a tensor's name, where it is not that part itself."""

ORDER = ["embedding", "blocks", "depth", "head"]
TOKENIZER = "tokenizer"
SHARED = "nf4_"
"""How values that all NF4 layers share are named."""
MARKS = {"absmax": NF4Config.title, "zeros": Int4Config.title}
"""What stands behind the name of a packed weight, and the format that it tells."""

BASE_BITS = 16


@dataclass(frozen=True, slots=True)
class StoredBits:
    """Stored values (weights and look-up values) of one module, and all bytes that they take."""

    module: str
    num_parameters: int
    num_bytes: int

    @property
    def bits_per_parameter(self) -> float:
        return 8 * self.num_bytes / self.num_parameters

    @property
    def memory_ratio(self) -> float:
        """Bytes against 16 bits a parameter."""
        return self.bits_per_parameter / BASE_BITS

    def described(self) -> str:
        return (
            f"{self.bits_per_parameter:.3f} bits/parameter, {self.num_parameters / 1e6:.3f} M parameters, "
            f"{self.num_bytes / 1e6:.3f} MB"
        )


@dataclass(frozen=True, slots=True)
class BitsReport:
    """What a build stores.

    Attributes:
        modules: embedding, blocks, depth, head and whatever else the network has, then the tokenizer.
        packed: the NF4 or int4 layers alone, values that they share included; None where there are none.
        whole: all of it.
    """

    modules: list[StoredBits]
    packed: StoredBits | None
    whole: StoredBits

    @property
    def rows(self) -> list[StoredBits]:
        """All of these."""
        return [*self.modules, *([] if self.packed is None else [self.packed]), self.whole]

    def described(self) -> list[tuple[str, str]]:
        """A name and a line for each row."""
        told = [(f"bits of {row.module}", row.described()) for row in self.rows]
        name, line = told[-1]
        return [*told[:-1], (name, f"{line}, {100 * self.whole.memory_ratio:.1f} % of {BASE_BITS} bit")]


def _owner(name: str) -> str:
    """The packed weight that a tensor of this name would belong to: itself, or what its statistics are of."""
    return name.removesuffix(".weight").partition(".weight.")[0] + ".weight"


def _sum(module: str, tensors: dict[str, StoredTensor], packed: set[str]) -> StoredBits:
    """All of these: two parameters a byte of packed codes, none in their statistics or in scales of rows."""
    num_parameters = 0
    for name, tensor in tensors.items():
        if name in packed:
            num_parameters += 2 * tensor.num_values
        elif _owner(name) not in packed and not name.startswith(SHARED) and not name.endswith(SCALE):
            num_parameters += tensor.num_values
    return StoredBits(module, num_parameters, sum(tensor.num_bytes for tensor in tensors.values()))


def bits_report(network: Path, tokenizer: Path) -> BitsReport:
    """Bits a parameter of a build's two files of weights.

    Values that all NF4 layers share (1 kB) count in `packed` and `whole` and in no module.

    Raises:
        ValueError: a file is missing, or cannot be read.
    """
    own, heard = stored_file(network).tensors, stored_file(tokenizer).tensors
    titles = {name: title for name in own for mark, title in MARKS.items() if f"{name}.{mark}" in own}
    packed = set(titles)
    by_module: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    for name, tensor in own.items():
        if not name.startswith(SHARED):
            top = name.partition(".")[0]
            by_module[MODULES.get(top, top)][name] = tensor
    names = [name for name in ORDER if name in by_module] + sorted(by_module.keys() - set(ORDER))
    layers = {name: t for name, t in own.items() if _owner(name) in packed or name.startswith(SHARED)}
    return BitsReport(
        [*(_sum(name, by_module[name], packed) for name in names), _sum(TOKENIZER, heard, set())],
        _sum(f"{min(titles.values())} layers", layers, packed) if packed else None,
        _sum("whole", {**own, **{f"{TOKENIZER}.{name}": t for name, t in heard.items()}}, packed),
    )
