"""Schemas that would take minutes to compile: refused in time, by a process of their own that lives on."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from omni_audio.model import text_form
from omni_audio.model.form_compiler import short_reason
from omni_audio.model.text_form import TextForms
from omni_audio.serving.errors import ApiError
from omni_audio.serving.json_schemas import check_schema
from omni_audio.serving.schema_checker import SchemaChecker
from omni_audio.serving.settings import SchemaConfig
from omni_audio.serving.worker_process import WorkerGoneError

SIMPLE = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def texts(**of_each):
    return {"type": "object", "properties": of_each}


HOSTILE = {
    "patterns that must all match": {"allOf": [{"type": "string", "pattern": f"{i}.*a"} for i in range(500)]},
    "factors": texts(**{f"p{i}": {"type": "integer", "multipleOf": 1001 + i} for i in range(2000)}),
    "thousands of patterns": texts(
        **{f"p{i}": {"type": "string", "pattern": f"^a{i}$"} for i in range(4900)}
    ),
    "a chain of references": {
        "$defs": {f"d{i}": texts(a={"$ref": f"#/$defs/d{i + 1}"}, b={"type": "string"}) for i in range(2000)}
        | {"d2000": {"type": "string"}},
        "$ref": "#/$defs/d0",
    },
}


@pytest.fixture(scope="module")
def forms(tiny_text):
    return TextForms(tiny_text, tiny_text.backend.get_vocab_size())


@pytest.fixture(scope="module")
def checker(forms):
    made = SchemaChecker(forms.tokens, SchemaConfig(timeout_s=0.3))
    yield made
    made.stop()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_what_takes_too_much_is_refused_in_time_and_the_process_lives_on(forms, checker, name):
    assert checker.check(json.dumps(SIMPLE), {}) > 0
    pid = checker.pid
    start_s = time.process_time()
    with pytest.raises(ValueError, match=r"to compile' is not allowed: expected at most .* Simplify it"):
        forms.json(HOSTILE[name], checker.check)
    assert time.process_time() - start_s < 1, "this process compiled it, too"
    assert checker.pid == pid
    assert checker.check(json.dumps(SIMPLE), {}) > 0


@pytest.mark.timeout(60)
def test_the_tool_at_fault_is_named(forms, checker):
    never = {"type": "object", "properties": {"a": False}, "required": ["a"]}
    for tools in ({"good": SIMPLE, "bad": never}, {"bad": never}):
        with pytest.raises(ValueError, match=r"^tool 'bad': schema = .*can be followed"):
            forms.call(tools, checker.check)
    assert forms.call({"good": SIMPLE, "better": SIMPLE}, checker.check).begin().allowed().any()


def test_forms_are_kept_up_to_a_size(tiny_text, monkeypatch):
    asked = []

    def check(schema, parts):
        asked.append(schema)
        return 40

    monkeypatch.setattr(text_form, "MAX_KEPT_BYTES", 100)
    forms = TextForms(tiny_text, tiny_text.backend.get_vocab_size())
    schemas = [texts(**{f"p{number}": {}}) for number in range(3)]
    for schema in (*schemas[:2], schemas[0], schemas[2], schemas[0], schemas[1]):
        forms.json(schema, check)
    assert asked == [json.dumps(schemas[number]) for number in (0, 1, 2, 1)]


def test_the_process_is_small_and_has_neither_pytorch_nor_files_nor_keys(forms, monkeypatch):
    monkeypatch.setenv("OMNI_AUDIO_API_KEYS", "secret-key")
    checker = SchemaChecker(forms.tokens, SchemaConfig())
    try:
        checker.check(json.dumps(SIMPLE), {})
        place = Path(f"/proc/{checker.pid}")
        assert b"secret-key" not in (place / "environ").read_bytes()
        assert "torch" not in (place / "maps").read_text()
        limits = (place / "limits").read_text()
        assert "Max open files            3 " in limits
        assert "Max file size             0 " in limits
        assert {"0", "1", "2"} < {file.name for file in (place / "fd").iterdir()}
        assert int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") < 60 * 2**20
    finally:
        checker.stop()
    assert not place.exists()


def test_a_killed_process_fails_its_schema_and_the_next_one_is_checked(forms):
    checker = SchemaChecker(forms.tokens, SchemaConfig())
    try:
        checker.check(json.dumps(SIMPLE), {})
        pid = checker.pid
        os.kill(pid, signal.SIGSTOP)
        ending = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
        ending.start()
        with pytest.raises(WorkerGoneError):
            checker.check(json.dumps(SIMPLE), {})
        ending.join()
        assert checker.check(json.dumps(SIMPLE), {}) > 0
    finally:
        checker.stop()


@pytest.mark.parametrize("word", ["const", "enum"])
def test_values_inside_of_values_are_counted(word):
    check_schema({word: [list(range(999))]}, "p", strict=False)
    with pytest.raises(ApiError, match="more than 1000 enum values"):
        check_schema({word: [[{"a": list(range(1001))}]]}, "p", strict=False)


def test_a_panic_of_the_compiler_is_not_shown():
    assert short_reason("panic: assertion failed: x < u16::MAX\n<backtrace>") == (
        "too large or too complex to be compiled"
    )
    assert short_reason("") == ""
