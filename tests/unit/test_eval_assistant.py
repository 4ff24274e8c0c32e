import pytest
import torch
from torch import nn

from omni_audio.evaluation.assistant_subject import CONTROL_TEXT_TOKENS, AssistantSubject
from omni_audio.evaluation.memory import count_weights, saving_percent
from omni_audio.model.assistant import Assistant, Role, Turn
from omni_audio.model.depth import DepthConfig
from omni_audio.model.events import FinishReason
from omni_audio.model.generate import GenerationRequest
from omni_audio.model.sequence import Mode
from omni_audio.model.text import TextTokenizer
from omni_audio.model.transformer import ModelConfig, OmniModel
from omni_audio.tokenizer.acoustic import AcousticEncoderConfig
from omni_audio.tokenizer.semantic import SemanticConfig
from omni_audio.tokenizer.tokenizer import AudioTokenizer, TokenizerConfig
from omni_audio.tokenizer.vector_quantizer import VectorQuantizerConfig
from omni_audio.tokenizer.vocoder import VocoderConfig
from omni_audio.weight_quant.nf4 import NF4Config, quantize_model


@pytest.fixture(scope="module")
def subject():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = TokenizerConfig(
        encoder=AcousticEncoderConfig(width=16, num_blocks=1),
        vq=VectorQuantizerConfig(num_codebooks=4, codebook_size=16),
        semantic=SemanticConfig(num_coarse=2, width=16, num_blocks=1, num_decoder_blocks=1, levels=[4, 4]),
        vocoder=VocoderConfig(frame_width=16, num_frame_blocks=1, width=16, num_blocks=1),
    )
    depth = DepthConfig(width=16, num_layers=1, num_heads=2, mlp_width=32)
    model = ModelConfig(
        num_text=300, width=32, num_layers=2, num_heads=2, mlp_width=64, window=128, depth=depth
    )
    text = TextTokenizer.train(["set the volume to four"], 300)
    assistant = Assistant(AudioTokenizer(tokenizer), OmniModel(model, tokenizer), text, {"name": "fake"})
    return AssistantSubject(assistant, ["set_volume"])


def sound(index: int) -> torch.Tensor:
    return 0.1 * torch.sin(torch.arange(8000 + 1500 * index) * (0.1 + 0.05 * index))


def test_every_question_of_the_scorers_is_answered(subject):
    assert all(isinstance(text, str) for text in subject.transcribe([sound(0)]))
    for answer in subject.answer_text([sound(0), "set the volume to four"]):
        assert isinstance(answer.text, str)
        assert all(isinstance(call, str) for call in answer.raw_calls)
    assert len(subject.answer_speech([sound(0)])) == 1
    assert subject.say(["hello"], 2)[0].dim() == 1
    alone = subject.answer_alone(sound(0))
    assert (alone.pcm_S.numel() > 0) == (alone.first_audio_s is not None)


def test_many_at_once_answer_as_each_alone_and_in_order(subject):
    sounds = [sound(index) for index in range(5)]
    texts = [
        "set the volume to four, then say hello, then set the volume to two",
        "volume",
        "hello you",
        "four",
        "the",
    ]
    requests = [*sounds[:2], *texts[:2]]
    many = AssistantSubject(subject.assistant, subject.tools, num_slots=2)  # slots are taken again
    transcripts, answers = many.transcribe(sounds), many.answer_text(requests)
    spoken, said = many.answer_speech(sounds), many.say(texts, 3)
    assistant = subject.assistant
    assert transcripts == [assistant.transcribe(pcm_S) for pcm_S in sounds]
    for request, answer in zip(requests, answers, strict=True):
        given = {"text": request} if isinstance(request, str) else {"pcm_S": request}
        generation = GenerationRequest(mode=Mode.REPLY_TEXT, tools=True)
        reply = assistant.reply([Turn(role=Role.USER, **given)], generation, subject.tools)
        assert (answer.text, answer.raw_calls) == (reply.text.strip(), tuple(reply.tool_calls))
        assert answer.stopped == (reply.reason is not FinishReason.LENGTH)
    for pcm_S, answer in zip(sounds, spoken, strict=True):
        reply = assistant.reply([Turn(role=Role.USER, pcm_S=pcm_S)], GenerationRequest(mode=Mode.REPLY_AUDIO))
        assert answer.text == reply.text.strip()
        assert_same_sound(answer.pcm_S, reply.pcm_S)
    for text, pcm_S in zip(texts, said, strict=True):
        assert_same_sound(pcm_S, assistant.say(text, takes=3).pcm_S)
    assert len({pcm_S.numel() for pcm_S in said}) > 1


def assert_same_sound(pcm_S, streamed_S):
    torch.testing.assert_close(pcm_S, torch.zeros(0) if streamed_S is None else streamed_S, atol=1e-4, rtol=0)


def test_bits_are_those_of_the_codes(subject):
    encoded = subject.encode(torch.zeros(16000))
    assert encoded.num_frames == 13
    assert encoded.num_bits == 13 * (4 * 4 + 4)  # 4 codebooks of 16, one semantic code of 16 values
    assert subject.decode(encoded).shape == (13 * 1280,)


def test_untrained_control_has_other_weights_and_the_same_tokenizer(subject):
    control = subject.untrained(seed=1)
    assert control.assistant.tokenizer is subject.assistant.tokenizer
    ours, theirs = subject.assistant.model.head.linear.weight, control.assistant.model.head.linear.weight
    assert ours.shape == theirs.shape
    assert not torch.equal(ours, theirs)
    assert control.max_text_tokens == CONTROL_TEXT_TOKENS < subject.max_text_tokens
    again = subject.untrained(seed=1)
    assert torch.equal(theirs, again.assistant.model.head.linear.weight)
    state = torch.random.get_rng_state()
    subject.untrained(seed=2)
    assert torch.equal(state, torch.random.get_rng_state())


def test_nf4_weights_are_counted_packed_with_their_scales():
    full, packed = (nn.ModuleDict({"blocks": nn.Linear(256, 256, bias=False)}) for _ in range(2))
    quantize_model(packed, NF4Config(double_quant=False))
    weights = count_weights(packed)
    num_values = 256 * 256
    assert weights.num_values == 0
    assert weights.packed_bytes == weights.loaded_bytes
    scales = num_values // 64 * 4
    assert num_values // 2 + scales <= weights.packed_bytes <= num_values // 2 + scales + 2000
    assert 65 < saving_percent(weights.fp16_bytes, count_weights(full).fp16_bytes) < 75
