"""Which parts of a network are held in few bits, the same for every format of 4-bit weights."""

from torch import nn

from omni_audio.checks import require
from omni_audio.weight_quant.config import NF4Config, TableFormat
from omni_audio.weight_quant.int8_rows import rounded_rows, whole_rows
from omni_audio.weight_quant.reference import BLOCK
from omni_audio.weight_quant.tables import hold_tables

AS_ROWS = ("depth.heads",)
"""Parameters (..., C), no linears, that a file holds as 8-bit integers with a scale for each row of C."""


def _is_chosen(name: str, linear: nn.Linear, config: NF4Config) -> bool:
    top = name.split(".")[0]
    if top == "frames":
        return config.frames and linear.in_features % BLOCK == 0
    return {"blocks": config.blocks, "depth": config.depth, "head": config.heads}.get(top, False)


def chosen_linears(model: nn.Module, config: NF4Config) -> list[tuple[str, nn.Linear]]:
    """The linears that the config packs, by name.

    Raises:
        ValueError: the config chooses no linear of this model, or one whose input width is no multiple of 64: there
            bitsandbytes 0.50 reads the wrong block maxima on the CPU, and int4 has no whole groups.
    """
    chosen = [
        (name, module)
        for name, module in model.named_modules()
        if type(module) is nn.Linear and _is_chosen(name, module, config)
    ]
    if not chosen:
        raise ValueError(
            f"weight_quant = {config} chooses no linear of this model. Set weight_quant.nf4.blocks, "
            "weight_quant.nf4.depth or weight_quant.nf4.heads to true."
        )
    odd = [f"{name} ({linear.in_features})" for name, linear in chosen if linear.in_features % BLOCK]
    if odd:
        raise ValueError(
            f"input widths {odd} are not allowed in 4-bit weights: expected multiples of {BLOCK}. Change the model's "
            "widths, or leave these parts out of NF4 by weight_quant.nf4.blocks, weight_quant.nf4.depth or "
            "weight_quant.nf4.heads = false."
        )
    return chosen


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Puts a module where the one of this dotted name stands."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def require_no_adapters(model: nn.Module) -> None:
    """Adapters learn beside the weights as they are then.

    Raises:
        ValueError: the model has some.
    """
    adapters = [name for name, _ in model.named_parameters() if name.endswith(".lora_a")]
    require(
        not adapters,
        "adapters of the model",
        adapters[:1],
        "none before the weights are packed",
        "Pack the weights first and call add_lora after it (NF4 alone), or fold_lora before it.",
    )


def hold_the_rest(model: nn.Module, tables: TableFormat) -> None:
    """Look-up tables in this format, and AS_ROWS with the values that a file would give back; in place."""
    hold_tables(model, tables)
    for name, parameter in model.named_parameters():
        if name in AS_ROWS:
            parameter.data = (
                whole_rows(*rounded_rows(parameter.flatten(0, -2))).view_as(parameter).to(parameter)
            )
