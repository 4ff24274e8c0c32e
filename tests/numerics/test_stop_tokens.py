"""Four-bit weights keep the ends of answers: a network that learnt when to stop stops there in NF4 and in int4."""

import copy
from collections.abc import Callable

import pytest
import torch
from drawn_streams import drawn_codes, new_builder
from tiny import tiny_model_config

from omni_audio.model.answers import Answer, answer_all
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, SequenceBuilder, pack
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import OmniModel
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.int4 import pack_model
from omni_audio.weight_quant.nf4 import quantize_model

ANSWERS = {"a": "on", "b": "turn on the light", "c": "the light the light the light", "d": "o"}
"""Of different lengths, so that a place alone does not tell the end."""
LIMIT = 24


def asked(model: OmniModel, text: TextTokenizer, request: str, mode: Mode) -> SequenceBuilder:
    return new_builder(model, text).user_text(request).assistant(mode)


@pytest.fixture(scope="module")
def learnt(tiny_tokenizer: AudioTokenizer, tiny_text: TextTokenizer) -> OmniModel:
    """Overfitted to the answers, written and spoken."""
    torch.manual_seed(2)
    model = OmniModel(tiny_model_config(), tiny_tokenizer.config).train()
    model.load_codebooks(tiny_tokenizer)
    documents = []
    for number, (request, answer) in enumerate(ANSWERS.items()):
        written = asked(model, tiny_text, request, Mode.REPLY_TEXT).answer_text(answer)
        spoken = asked(model, tiny_text, request, Mode.REPLY_AUDIO)
        spoken.answer_speech(answer, drawn_codes(model, 3 + 2 * number, number))
        documents += [[written.end().build()], [spoken.end().build()]]
    batch = pack(documents)
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0)
    for _ in range(200):
        losses = model.losses(batch)
        loss = losses.text + losses.semantic + losses.acoustic
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.detach() < 0.03:
            break
    return model.eval()


def answers_of(model: OmniModel, text: TextTokenizer) -> list[Answer]:
    """To every request, in text and in sound, all at once and greedy."""
    questions = [
        (
            asked(model, text, request, mode).build(),
            GenerationRequest(mode=mode, audio_temperature=0.0, max_text_tokens=LIMIT, max_frames=LIMIT),
        )
        for mode in (Mode.REPLY_TEXT, Mode.REPLY_AUDIO)
        for request in ANSWERS
    ]
    return answer_all(model, questions, num_slots=len(questions))


@pytest.mark.parametrize(
    "pack_weights", [lambda model: quantize_model(model, NF4Config()), pack_model], ids=["nf4", "int4"]
)
def test_answers_stop_where_those_of_full_weights_do(
    learnt: OmniModel, tiny_text: TextTokenizer, pack_weights: Callable[[OmniModel], list[str]]
) -> None:
    full = answers_of(learnt, tiny_text)
    assert all(answer.stopped for answer in full)
    assert [answer.text_ids for answer in full[:4]] == [tiny_text.encode(text) for text in ANSWERS.values()]
    packed = copy.deepcopy(learnt)
    assert pack_weights(packed)
    found = answers_of(packed, tiny_text)
    assert all(answer.stopped for answer in found)
    assert [answer.text_ids for answer in found] == [answer.text_ids for answer in full]
    assert [len(answer.frames) for answer in found] == [len(answer.frames) for answer in full]


def test_a_network_that_lost_its_ends_is_seen(learnt: OmniModel, tiny_text: TextTokenizer) -> None:
    """The control: with other weights in the blocks, answers run into their limit."""
    lost = copy.deepcopy(learnt)
    torch.manual_seed(3)
    for parameter in lost.blocks.parameters():
        parameter.data = parameter.data[torch.randperm(len(parameter))]
    assert not all(answer.stopped for answer in answers_of(lost, tiny_text))
