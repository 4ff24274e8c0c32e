"""Settings of 4-bit weights, apart from bitsandbytes, which takes long to import."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final

from omni_audio.checks import require


class TableFormat(Enum):
    """How look-up tables are held: 8-bit integers with a scale a row, or numbers of 16 or 32 bits."""

    int8 = "int8"
    bfloat16 = "bfloat16"
    float32 = "float32"


@dataclass(kw_only=True, slots=True)
class NF4Config:
    """Which linears become NF4, and what becomes of the rest.

    Attributes:
        blocks: those of the stack.
        depth: those of the depth decoder.
        heads: the main head.
        frames: those of the frame embedding whose input width is a multiple of 64.
        tables: look-up tables, of which a step reads a few rows: these are turned into floats as they are read.
        double_quant: quantise the block maxima too.
        tokenizer_int8: a build that is written stores the audio tokenizer's matrices as 8-bit rows (int8_rows); in
            memory they are floats.
    """

    key: ClassVar[str] = "nf4"
    title: ClassVar[str] = "NF4"
    blocks: bool = True
    depth: bool = True
    heads: bool = True
    frames: bool = True
    tables: TableFormat = TableFormat.int8
    double_quant: bool = True
    tokenizer_int8: bool = True

    def __post_init__(self) -> None:
        formats = ", ".join(kind.value for kind in TableFormat)
        is_known = isinstance(self.tables, TableFormat)
        name, remedy = "weight_quant.nf4.tables", "Name one of these."
        require(is_known, name, self.tables, f"a TableFormat: {formats}", remedy)


@dataclass(kw_only=True, slots=True)
class Int4Config:
    """How a build of packed integers was made; its linears, tables and tokenizer are those of NF4Config().

    Attributes:
        group: inputs that share a scale and a zero.
    """

    key: ClassVar[str] = "int4"
    title: ClassVar[str] = "int4"
    group: int = 64

    def __post_init__(self) -> None:
        require(self.group == 64, "int4.group", self.group, "64", "Make the build again.")


PACKED: Final[dict[str, type[NF4Config] | type[Int4Config]]] = {
    kind.key: kind for kind in (NF4Config, Int4Config)
}
"""By the key of a build's config.json that says how its network's weights lie packed."""
