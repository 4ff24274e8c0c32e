"""Whatever a training sequence says, the grammar of answers lets the model say."""

import numpy as np
import pytest
import torch

from omni_audio.model.events import FinishReason
from omni_audio.model.grammar import AnswerGrammar, Grammar, ScriptGrammar
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import LayoutConfig, Mode, SequenceBuilder
from omni_audio.model.text import Special, TextTokenizer, Vocabulary
from omni_audio.model.text_form import TextForms
from omni_audio.tokenizer.tokenizer import AudioCodes

VOCABULARY = Vocabulary(num_text=300, num_semantic=16)
NUM_CODEBOOKS = 4
LAYOUTS = [(1, 1), (2, 3), (4, 4), (4, 8), (6, 2)]


class OneIdALetter:
    """Stands in for the BPE, so that a text of n letters has n ids."""

    def encode(self, text: str) -> list[int]:
        return [VOCABULARY.text_start + ord(letter) % 100 for letter in text]

    def spell_words(self, text: str) -> list[list[int]]:
        return [self.encode(word) for word in text.split()]


def codes_of(num_frames: int) -> AudioCodes:
    generator = torch.Generator().manual_seed(num_frames)
    return AudioCodes(
        torch.randint(16, (1, num_frames), generator=generator),
        torch.randint(16, (1, num_frames, NUM_CODEBOOKS), generator=generator),
    )


def opened(mode: Mode, text: object = None, layout: LayoutConfig | None = None) -> SequenceBuilder:
    assert isinstance(text, OneIdALetter | TextTokenizer | None)
    made: object = OneIdALetter() if text is None else text
    builder = SequenceBuilder(made, VOCABULARY, NUM_CODEBOOKS, layout or LayoutConfig())  # type: ignore[arg-type]
    return builder.assistant(mode)


def allowed_ids(grammar: Grammar) -> np.ndarray:
    """(V,) bool."""
    mask_V = np.zeros(VOCABULARY.size, dtype=bool)
    grammar.allow(mask_V)
    return mask_V


def finish_of(builder: SequenceBuilder, mode: Mode, **request: object) -> FinishReason | None:
    """Pushes the targets id by id, each of which must be allowed; returns the last reason."""
    ids = [token for token, target in zip(builder.ids, builder.targets, strict=True) if target]
    facts: dict = {"mode": mode, "max_text_tokens": 1000, "max_frames": 1000, **request}
    grammar = AnswerGrammar(VOCABULARY, builder.layout, GenerationRequest(**facts))
    reason = None
    for place, token in enumerate(ids):
        assert reason is None, f"over before id {place} of {ids}"
        assert bool(allowed_ids(grammar)[token]), f"id {place} of {ids} in {grammar.phase}"
        reason = grammar.push(token)
    return reason


@pytest.mark.parametrize(("n", "m"), LAYOUTS)
def test_every_layout_of_speech_is_allowed(n: int, m: int) -> None:
    layout = LayoutConfig(interleave_text_tokens=n, interleave_frames=m)
    for length in range(1, 3 * n + 1):
        for more in (1, m, 2 * m + 1):
            builder = opened(Mode.REPLY_AUDIO, layout=layout)
            num_frames = (length - 1) // n * m + more
            builder.answer_speech("a" * length, codes_of(num_frames)).end()
            assert finish_of(builder, Mode.REPLY_AUDIO) is FinishReason.STOP


def test_transcripts_and_written_replies_are_allowed() -> None:
    for mode in (Mode.TRANSCRIBE, Mode.REPLY_TEXT):
        for length in range(1, 14):
            builder = opened(mode).answer_text("a" * length).end()
            assert finish_of(builder, mode) is FinishReason.STOP
    assert finish_of(opened(Mode.TRANSCRIBE).end(), Mode.TRANSCRIBE) is FinishReason.STOP


@pytest.mark.parametrize("lead", [0, 1, 2, 9])
def test_a_script_stands_in_the_answer_as_it_is(lead: int) -> None:
    layout = LayoutConfig(script_lead_words=lead)
    for num_words in range(1, 5):
        words = ["abc", "d", "efgh", "ij"][:num_words]
        script = OneIdALetter().spell_words(" ".join(words))
        builder = opened(Mode.SAY, layout=layout)
        ends = [1, 4, 6, 9][:num_words]
        builder.answer_script(" ".join(words), codes_of(ends[-1]), ends).end()
        grammar = ScriptGrammar(
            VOCABULARY, layout, GenerationRequest(mode=Mode.SAY, script=script, max_text_tokens=1)
        )
        letters = [token for token in builder.ids if VOCABULARY.is_text(token)]
        assert letters == [token for word in script for token in word]
        assert sum(VOCABULARY.is_semantic(token) for token in builder.ids) == ends[-1]
        reason = None
        for token, target in list(zip(builder.ids, builder.targets, strict=True))[3:]:
            allowed = allowed_ids(grammar)
            assert bool(allowed[token])
            assert reason is None
            assert target or int(allowed.sum()) == 1, "what is no target leaves no choice"
            assert not (target and VOCABULARY.is_text(token))
            reason = grammar.push(token)
        assert reason is FinishReason.STOP


def test_the_letters_of_a_word_stand_before_its_frames_and_those_of_the_next() -> None:
    def kinds(lead: int) -> str:
        builder = opened(Mode.SAY, layout=LayoutConfig(script_lead_words=lead))
        builder.answer_script("ab c de", codes_of(6), [1, 3, 6]).end()
        names = {Special.NEXT_WORD: "+", Special.TEXT_END: "|", Special.END: "."}
        return "".join(
            "f" if VOCABULARY.is_semantic(token) else names.get(token, "t") for token in builder.ids[3:]
        )

    assert kinds(0) == "ttf+tff+tt|fff."
    assert kinds(1) == "tttf+tt|ff+fff."
    assert kinds(5) == "ttttt|f+ff+fff."


def test_a_word_has_sound_but_not_without_end() -> None:
    grammar = ScriptGrammar(VOCABULARY, LayoutConfig(), GenerationRequest(mode=Mode.SAY, script=[[20], [21]]))
    for token in (20, 21, Special.TEXT_END):
        grammar.push(token)
    assert not allowed_ids(grammar)[[Special.NEXT_WORD, Special.END]].any()
    for _ in range(LayoutConfig.most_frames([20])):
        assert allowed_ids(grammar)[VOCABULARY.semantic_start :].all()
        grammar.push(VOCABULARY.semantic_start)
        assert allowed_ids(grammar)[[Special.NEXT_WORD, Special.END]].tolist() == [True, False]
    assert np.flatnonzero(allowed_ids(grammar)).tolist() == [Special.NEXT_WORD], "the word is over"


def test_each_word_has_one_end() -> None:
    with pytest.raises(ValueError, match="word_ends = 1 is not allowed: expected 2"):
        opened(Mode.SAY).answer_script("two words", codes_of(3), [3])


def test_a_script_belongs_to_say_alone() -> None:
    with pytest.raises(ValueError, match="script = "):
        GenerationRequest(mode=Mode.SAY)
    with pytest.raises(ValueError, match="script = "):
        GenerationRequest(mode=Mode.REPLY_AUDIO, script=[[20]])


@pytest.mark.parametrize("script", [[20, 21], [[]], [[20], []], ["ab"]])
def test_a_script_is_words_of_ids(script: list) -> None:
    with pytest.raises(ValueError, match=r"script = .*a list of words.*spell_words"):
        GenerationRequest(mode=Mode.SAY, script=script)


@pytest.mark.parametrize("mode", [Mode.REPLY_TEXT, Mode.REPLY_AUDIO])
@pytest.mark.parametrize("required", [False, True])
def test_tool_calls_are_allowed(mode: Mode, required: bool, tiny_text: TextTokenizer) -> None:
    builder = opened(mode, tiny_text).answer_tool_call('{"name":"set_light","arguments":{}}').end()
    assert finish_of(builder, mode, tools=True, tool_required=required) is FinishReason.TOOL_CALLS


@pytest.mark.parametrize("mode", [Mode.REPLY_TEXT, Mode.REPLY_AUDIO])
def test_an_answer_holds_as_many_calls_as_the_request_allows(mode: Mode, tiny_text: TextTokenizer) -> None:
    for num_calls in range(1, 4):
        builder = opened(mode, tiny_text)
        for _ in range(num_calls):
            builder.answer_tool_call("{}")
        builder.end()
        for max_calls in range(1, 4):
            facts = {"tools": True, "max_calls": max_calls}
            if num_calls <= max_calls:
                assert finish_of(builder, mode, **facts) is FinishReason.TOOL_CALLS
            else:
                with pytest.raises(AssertionError, match=r"in Phase\.TOOL"):
                    finish_of(builder, mode, **facts)
    with pytest.raises(ValueError, match=r"max_calls = 0 is not allowed: expected 1 to 128"):
        GenerationRequest(mode=mode, tools=True, max_calls=0)


def test_a_call_begins_only_behind_a_whole_one(tiny_text: TextTokenizer) -> None:
    """As its form says; what is taken at last is the next call, which begins its own form."""
    form = TextForms(tiny_text, VOCABULARY.num_text).call({"dim": None})
    request = GenerationRequest(mode=Mode.REPLY_TEXT, tools=True, max_calls=2, call_form=form)
    grammar = AnswerGrammar(VOCABULARY, LayoutConfig(), request)
    for number in range(2):
        assert allowed_ids(grammar)[Special.TOOL_CALL]
        grammar.push(Special.TOOL_CALL)
        for token in tiny_text.encode('{"name":"dim","arguments":{"to":5}}'):
            allowed = allowed_ids(grammar)
            assert not allowed[[Special.TOOL_CALL, Special.END]].any()
            assert allowed[token]
            grammar.push(token)
        marker = [Special.TOOL_CALL] if number == 0 else []
        assert np.flatnonzero(allowed_ids(grammar)).tolist() == sorted([Special.END, *marker])


def test_what_the_format_has_no_place_for_is_refused() -> None:
    builder = opened(Mode.REPLY_AUDIO)
    builder._decoder([VOCABULARY.semantic_start])
    with pytest.raises(AssertionError, match="id 0"):
        finish_of(builder, Mode.REPLY_AUDIO)
    builder = opened(Mode.REPLY_AUDIO).answer_speech("a", codes_of(3))
    builder._decoder([Special.TEXT_END])
    with pytest.raises(AssertionError, match="id 5"):
        finish_of(builder, Mode.REPLY_AUDIO)
