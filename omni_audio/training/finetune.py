"""Fine-tuning: a network that starts from a build and is trained whole, or by adapters beside its frozen weights.

Source: LoRA (Hu et al. 2021); beside NF4 weights, QLoRA (Dettmers et al. 2023).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from omni_audio.model.assistant import WeightQuant, load_network
from omni_audio.model.lora import add_lora, fold_lora, is_adapter
from omni_audio.model.lora_file import load_lora
from omni_audio.model.transformer import OmniModel
from omni_audio.training.model_task import ModelLossConfig, ModelTask
from omni_audio.training.optim import TaskTrainingConfig

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig

ADAPTERS = "adapters.safetensors"
"""The trained adapters, in the folder of the stage `model`."""


class LoraTask(ModelTask):
    """Trains the adapters of a network; a checkpoint holds nothing else of it."""

    def __init__(self, model: OmniModel, loss: ModelLossConfig, training: TaskTrainingConfig) -> None:
        super().__init__(model, loss, training)
        self.strict_loading = False  # the base's tensors come from its build, not from the checkpoint

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        state = super().state_dict(*args, **kwargs)
        return {name: tensor for name, tensor in state.items() if is_adapter(name)}


def _load_base(config: "RootConfig") -> OmniModel:
    assert config.base is not None
    weights = config.weight_quant
    nf4 = weights.nf4 if weights.format is WeightQuant.NF4 else None
    return load_network(Path(config.base), weights.format, nf4, config.model)


def starting_model(config: "RootConfig") -> OmniModel:
    """The base's network with the config's settings of training and, where it asks for them, fresh adapters.

    Raises:
        ValueError: the base cannot be read, or the config's adapters or NF4 settings do not fit its network.
    """
    model = _load_base(config)
    if config.adapters is not None:
        torch.manual_seed(config.seed)
        add_lora(model, config.adapters)
    return model


def merged_model(config: "RootConfig", adapters: Path) -> OmniModel:
    """The base's network with trained adapters added to its weights: a plain model, of full precision.

    Raises:
        ValueError: the adapters are missing, damaged, or of another base than the config's.
    """
    model = _load_base(config)
    load_lora(adapters, model)
    fold_lora(model)
    return model
