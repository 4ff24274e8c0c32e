"""What a generator, a cache and a request cannot take is named, with what is allowed and what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from drawn_streams import document, run, said_by

from omni_audio.checks import NotAllowedError
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant.config import NF4Config

ASKED = GenerationRequest(mode=Mode.TRANSCRIBE, temperature=1.0, max_text_tokens=9)
ODD: Any = "int3"

GENERATORS = {
    "no slots": ("num_slots", {"num_slots": 0}),
    "half a slot": ("num_slots", {"num_slots": 1.5}),
    "no positions": ("prefill_positions", {"prefill_positions": 0}),
    "format of keys": ("kv_format", {"kv_format": ODD}),
}


@pytest.mark.parametrize("bad", GENERATORS)
def test_a_generator_that_cannot_be_is_named(tiny_model: OmniModel, bad: str) -> None:
    name, settings = GENERATORS[bad]
    with pytest.raises(NotAllowedError) as caught:
        Generator(tiny_model, **settings)
    assert caught.value.name == name
    assert caught.value.value in settings.values()
    assert caught.value.allowed
    assert caught.value.remedy


SLOTS: dict[str, Callable[[Generator, Any], object]] = {
    "open": lambda generator, slot: generator.open(slot, PROMPT[0], ASKED),
    "listen": lambda generator, slot: generator.listen(slot, PROMPT[0]),
    "answer": lambda generator, slot: generator.answer(slot, ASKED),
    "interrupt": lambda generator, slot: generator.interrupt(slot),
    "close": lambda generator, slot: generator.close(slot),
}
PROMPT: list = []


@pytest.mark.parametrize("call", SLOTS)
def test_slots_that_are_not_there_are_named_and_others_go_on(
    tiny_model: OmniModel, tiny_text: TextTokenizer, call: str
) -> None:
    prompt = document(tiny_model, tiny_text, 9, Mode.TRANSCRIBE)
    PROMPT[:] = [prompt]
    alone = Generator(tiny_model, 1)
    alone.open(0, prompt, ASKED)
    expected = said_by(run(alone, 0))
    generator = Generator(tiny_model, 2)
    generator.open(1, prompt, ASKED)
    events = generator.step()
    for slot in (-1, 2, 1.0, "1"):
        with pytest.raises(NotAllowedError, match=r"slot = .* expected 0 to 1\. Use a slot"):
            SLOTS[call](generator, slot)
    assert said_by(events + run(generator, 1)) == expected


def test_an_answer_in_a_slot_that_listens_is_refused(tiny_model: OmniModel, tiny_text: TextTokenizer) -> None:
    """Reuse without closing; the stream in it goes on as if nobody had tried."""
    prompt = document(tiny_model, tiny_text, 9, Mode.TRANSCRIBE)
    generator = Generator(tiny_model, 1)
    generator.listen(0, prompt)
    with pytest.raises(NotAllowedError, match=r"slot = 0 .* a free slot\. Close the stream"):
        generator.open(0, prompt, ASKED)
    with pytest.raises(NotAllowedError, match=r"slot 0 = 1 .* a further segment\. Close the slot"):
        generator.listen(0, prompt)
    generator.answer(0, ASKED)
    alone = Generator(tiny_model, 1)
    alone.open(0, prompt, ASKED)
    assert said_by(run(generator, 0)) == said_by(run(alone, 0))


def fed(**changes: Any) -> dict[str, Any]:
    """Two positions of text for each of two slots."""
    none_BT = torch.full((2, 2), -1)
    tensors = {
        "ids_BT": torch.ones(2, 2, dtype=torch.long),
        "codes_BTK": torch.full((2, 2, 4), -1),
        "chunk_BT": none_BT,
        "pinned_BT": none_BT > 0,
        "slots": torch.tensor([0, 1]),
    }
    return {**tensors, **changes}


FED = {
    "ids_BT.dtype": {"ids_BT": torch.ones(2, 2)},
    "ids_BT.shape": {"ids_BT": torch.ones(2, dtype=torch.long)},
    "ids_BT.shape[1]": {"ids_BT": torch.ones(2, 0, dtype=torch.long)},
    "codes_BTK.shape": {"codes_BTK": torch.full((2, 2, 3), -1)},
    "codes_BTK.dtype": {"codes_BTK": torch.full((2, 2, 4), -1.0)},
    "chunk_BT.shape": {"chunk_BT": torch.full((2, 1), -1)},
    "pinned_BT.dtype": {"pinned_BT": torch.zeros(2, 2, dtype=torch.long)},
}


@pytest.mark.parametrize("name", FED)
def test_positions_of_another_dtype_or_shape_are_named(tiny_model: OmniModel, name: str) -> None:
    cache = tiny_model.empty_cache(2)
    with pytest.raises(NotAllowedError) as caught:
        tiny_model.advance(**fed(**FED[name]), cache=cache)
    assert caught.value.name == name
    assert not cache.length_S.any()


@pytest.mark.parametrize("slots", [[0, 2], [-1, 0], [1, 1], [0]])
def test_slots_of_another_cache_are_named(tiny_model: OmniModel, slots: list[int]) -> None:
    cache = tiny_model.empty_cache(2)
    with pytest.raises(NotAllowedError, match=r"slots = \["):
        tiny_model.advance(**fed(slots=torch.tensor(slots)), cache=cache)
    assert not cache.length_S.any()


def test_formats_and_modes_that_are_none_are_named() -> None:
    with pytest.raises(NotAllowedError, match=r"nf4.tables = 'int3' .*int8, bfloat16, float32\."):
        NF4Config(tables=ODD)
    with pytest.raises(NotAllowedError, match=r"mode = 'int3' .*TRANSCRIBE, SAY, REPLY_TEXT, REPLY_AUDIO"):
        GenerationRequest(mode=ODD)


def test_nf4_needs_no_instructions_of_its_own() -> None:
    """Where bitsandbytes has no library for the processor, torch computes the same, in a process of its own."""
    script = (
        "import ctypes, json, sys\n"
        "load = ctypes.cdll.LoadLibrary\n"
        "def refused(name):\n"
        "    if 'bitsandbytes' in str(name) and sys.argv[1] == 'without':\n"
        "        raise OSError('no such instructions')\n"
        "    return load(name)\n"
        "ctypes.cdll.LoadLibrary = refused\n"
        "import torch\n"
        "from omni_audio.weight_quant.config import NF4Config\n"
        "from omni_audio.weight_quant.nf4 import quantize_model\n"
        "from bitsandbytes import cextension\n"
        "torch.manual_seed(0)\n"
        "model = torch.nn.ModuleDict({'head': torch.nn.Linear(128, 40)})\n"
        "quantize_model(model, NF4Config())\n"
        "is_there = not isinstance(cextension.lib, cextension.ErrorHandlerMockBNBNativeLibrary)\n"
        "print(json.dumps([is_there, model['head'](torch.randn(3, 128)).tolist()]))\n"
    )
    made = {}
    for way in ("with", "without"):
        done = subprocess.run(
            [sys.executable, "-c", script, way], capture_output=True, text=True, check=True, env=os.environ
        )
        is_there, made[way] = json.loads(done.stdout.splitlines()[-1])
        assert is_there == (way == "with")
    torch.testing.assert_close(
        torch.tensor(made["without"]), torch.tensor(made["with"]), atol=1e-4, rtol=1e-4
    )
