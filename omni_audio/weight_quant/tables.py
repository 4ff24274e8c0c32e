"""Look-up tables of few bits: rows are turned into floats as they are looked up."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omni_audio.weight_quant.config import TableFormat
from omni_audio.weight_quant.int8_rows import rounded_rows, whole_rows


class Int8Table(nn.Module):
    """An embedding whose rows (V, D) are 8-bit integers with a scale each; nothing is learnt through it."""

    def __init__(self, weight: Tensor, row_scale: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.row_scale = nn.Parameter(row_scale, requires_grad=False)

    @classmethod
    def of(cls, table: nn.Embedding) -> "Int8Table":
        """The nearest rows."""
        return cls(*rounded_rows(table.weight))

    @classmethod
    def empty(cls, table: nn.Embedding) -> "Int8Table":
        """Of the same shape, where it lies; its numbers are yet to be given."""
        weight = table.weight
        return cls(torch.empty_like(weight, dtype=torch.int8), weight.new_empty(weight.shape[0]))

    def forward(self, ids: Tensor) -> Tensor:
        """(...) -> (..., D), float32."""
        return F.embedding(ids, self.weight).float() * self.row_scale[ids][..., None]

    def whole(self) -> nn.Embedding:
        """A plain float32 embedding of these rows."""
        return nn.Embedding.from_pretrained(whole_rows(self.weight, self.row_scale), freeze=False)


def hold_tables(model: nn.Module, tables: TableFormat) -> None:
    """Holds every embedding of the model in this format, in place; on the meta device its numbers are left out."""
    for name, module in list(model.named_modules()):
        if not isinstance(module, nn.Embedding) or tables is TableFormat.float32:
            continue
        if tables is TableFormat.bfloat16:
            module.to(torch.bfloat16)
        else:
            make = Int8Table.empty if module.weight.is_meta else Int8Table.of
            model.set_submodule(name, make(module).train(module.training))
