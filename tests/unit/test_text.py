"""Any text has ids and comes back; control ids cannot be written; ids have bytes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_audio.model.text import NUM_SPECIAL, Special, TextTokenizer, Vocabulary

CORPUS = ["set a timer for ten minutes", "turn on the light", '{"name":"set_light","arguments":{"on":true}}']
TEXT = TextTokenizer.train(CORPUS * 5, 320)
WRITTEN_CONTROL = [f"<{special.name.lower()}>" for special in Special] + ["<|endoftext|>", "[PAD]", "</s>"]


@given(st.text())
@settings(max_examples=150, deadline=None)
def test_any_text_comes_back(text: str) -> None:
    ids = TEXT.encode(text)
    assert TEXT.decode(ids) == text
    assert b"".join(TEXT.token_bytes(token) for token in ids) == text.encode()
    assert all(NUM_SPECIAL <= token < NUM_SPECIAL + 320 for token in ids)


@given(st.lists(st.sampled_from([*WRITTEN_CONTROL, " ", "a", "\x00", "\n", "Ġ", "é"]), max_size=8))
@settings(max_examples=100, deadline=None)
def test_written_control_ids_are_plain_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    ids = TEXT.encode(text)
    assert not set(ids) & set(range(NUM_SPECIAL))
    assert TEXT.decode(ids) == text


def test_every_byte_has_an_id_and_every_id_its_bytes() -> None:
    single = {TEXT.token_bytes(NUM_SPECIAL + token): token for token in range(TEXT.backend.get_vocab_size())}
    assert {bytes([byte]) for byte in range(256)} <= set(single)
    assert b"" not in single
    assert TEXT.token_bytes(NUM_SPECIAL + 100_000) == b""
    merged = [letters for letters in single if len(letters) > 1]
    assert any(b"light" in letters for letters in merged)


def test_the_same_texts_give_the_same_ids(tmp_path: Path) -> None:
    again = TextTokenizer.train(CORPUS * 5, 320)
    assert again.backend.to_str() == TEXT.backend.to_str()
    TEXT.save(tmp_path / "text.json")
    loaded = TextTokenizer.load(tmp_path / "text.json")
    assert loaded.encode("turn on the timer") == TEXT.encode("turn on the timer")


def test_too_few_ids_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"num_text = 255 .*at least 256"):
        TextTokenizer.train(CORPUS, 255)
    with pytest.raises(ValueError, match=r"text tokenizer = .*text.json"):
        TextTokenizer.load(tmp_path / "text.json")


def test_vocabulary_lies_in_three_pieces() -> None:
    vocabulary = Vocabulary(num_text=300, num_semantic=64)
    assert (vocabulary.text_start, vocabulary.semantic_start, vocabulary.size) == (16, 316, 380)
    kinds = [(vocabulary.is_text(i), vocabulary.is_semantic(i)) for i in range(-1, 382)]
    assert kinds.count((True, False)) == 300
    assert kinds.count((False, True)) == 64
    assert (True, True) not in kinds
    assert max(Special) < NUM_SPECIAL
