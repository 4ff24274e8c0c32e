"""What several tests share: tiny networks, and a whole tiny build."""

from pathlib import Path

import pytest
import torch
from tiny import tiny_model_config, tiny_tokenizer_config

from omni_audio.model.assistant import Assistant
from omni_audio.model.build import save_build
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> AudioTokenizer:
    """An untrained tokenizer in evaluation mode; its codebooks and latents have a like scale."""
    torch.manual_seed(0)
    tokenizer = AudioTokenizer(tiny_tokenizer_config()).eval()
    for book in tokenizer.quantizer.codebooks:
        book.get_buffer("vectors").normal_()
    return tokenizer


@pytest.fixture(scope="session")
def tiny_model(tiny_tokenizer: AudioTokenizer) -> OmniModel:
    """An untrained network in evaluation mode."""
    torch.manual_seed(1)
    model = OmniModel(tiny_model_config(), tiny_tokenizer.config).eval()
    model.load_codebooks(tiny_tokenizer)
    return model


@pytest.fixture(scope="session")
def tiny_text() -> TextTokenizer:
    """A byte-level BPE that knows next to nothing."""
    return TextTokenizer.train(["turn on the light", '{"name":"set_light","arguments":{}}'], 300)


@pytest.fixture(scope="session")
def tiny_build(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_tokenizer: AudioTokenizer,
    tiny_model: OmniModel,
    tiny_text: TextTokenizer,
) -> Path:
    """A whole build of untrained weights: it answers, and understands nothing."""
    folder = tmp_path_factory.mktemp("builds") / "omni-audio-tiny-2026-01-01"
    card = {"name": folder.name, "date": "2026-01-01", "num_parameters": 0, "limits": "untrained"}
    save_build(folder, tiny_tokenizer, tiny_model, tiny_text, card)
    return folder


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Assistant]:
    """What `omni-audio serve` would serve, while the test lasts."""
    from omni_audio.serving import server

    assistants: list[Assistant] = []

    class Stopped:
        def run(self) -> None:
            """Serves nobody."""

    def make_server(config: object, assistant: Assistant) -> Stopped:
        assistants.append(assistant)
        return Stopped()

    monkeypatch.setattr(server, "make_server", make_server)
    return assistants
