"""Settings of NF4, apart from bitsandbytes, which takes long to import."""

from dataclasses import dataclass


@dataclass(kw_only=True, slots=True)
class NF4Config:
    """Which linears become NF4.

    Attributes:
        blocks: those of the stack.
        depth: those of the depth decoder.
        heads: the main head.
        embeddings_bfloat16: hold look-up tables in bfloat16, which needs no product and so no NF4.
        double_quant: quantise the block maxima too.
    """

    blocks: bool = True
    depth: bool = True
    heads: bool = True
    embeddings_bfloat16: bool = True
    double_quant: bool = True
