"""Public suites on tiny folders that the tests make: what is read, what counts, what is said where something lacks."""

import json
from pathlib import Path

import pytest
import torch
from scripted_suites import HZ, Scripted, ScriptedJudge, measured, tone, write_lines

from omni_audio.audio.io import save_wav, write_flac
from omni_audio.cli import main
from omni_audio.evaluation.results import Results
from omni_audio.evaluation.suite import Suite
from omni_audio.evaluation.suites.base import SuiteOptions, drawn
from omni_audio.evaluation.suites.runner import SUITES, checked_parts, last_line, require_folder
from omni_audio.evaluation.suites.voicebench import refuses

DOCS = Path(__file__).resolve().parents[2] / "docs" / "suites.md"


@pytest.fixture
def librispeech(tmp_path):
    """Two utterances of one chapter, one of another."""
    folder = tmp_path / "LibriSpeech"
    for chapter, lines in (
        ("1/10", ["1-10-0000 SET THE LIGHT", "1-10-0001 GOOD MORNING"]),
        ("2/20", ["2-20-0000 TEN"]),
    ):
        place = folder / "test-clean" / chapter
        place.mkdir(parents=True)
        (place / f"{chapter.replace('/', '-')}.trans.txt").write_text("\n".join(lines) + "\n")
        for line in lines:
            write_flac(place / f"{line.split()[0]}.flac", tone())
    return folder


def test_librispeech_counts_errors_over_all_words(librispeech):
    subject = Scripted(["set a light", "good morning", "ten"])
    results = measured(Suite.librispeech, librispeech, subject, ["test-clean"])
    figure = results["test_clean_wer_percent"]
    assert (figure.value, figure.n) == (pytest.approx(100 / 6), 3)
    assert figure.low <= figure.value <= figure.high
    assert [len(pcm_S) for pcm_S in subject.asked] == [HZ // 2] * 3
    line = json.loads(last_line(results))
    assert line["n"] == {"test_clean_wer_percent": 3}
    assert line["interval"]["test_clean_wer_percent"] == [
        pytest.approx(figure.low, abs=1e-3),
        pytest.approx(figure.high, abs=1e-3),
    ]


def test_librispeech_says_what_to_download(librispeech):
    with pytest.raises(ValueError, match=r"test-other.*Download test-clean\.tar\.gz and test-other"):
        measured(Suite.librispeech, librispeech, Scripted(["", "", ""]))
    (librispeech / "test-clean/1/10/1-10-0001.flac").unlink()
    with pytest.raises(ValueError, match=r"1-10-0001\.flac.*Download"):
        measured(Suite.librispeech, librispeech, Scripted(), ["test-clean"])


def test_items_are_drawn_by_the_seed_and_too_many_are_refused(librispeech):
    subject = Scripted(["x", "x"])
    assert (
        measured(Suite.librispeech, librispeech, subject, ["test-clean"], num_items=2)[
            "test_clean_wer_percent"
        ].n
        == 2
    )
    items = list(range(100))
    draws = [drawn(items, SuiteOptions(folder=Path(), num_items=10, seed=seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert draws[0] == sorted(draws[0])
    with pytest.raises(ValueError, match="at most 3"):
        measured(Suite.librispeech, librispeech, subject, ["test-clean"], num_items=4)


def test_common_voice_reads_its_table(tmp_path):
    folder = tmp_path / "en"
    (folder / "clips").mkdir(parents=True)
    save_wav(folder / "clips" / "a.wav", tone())
    (folder / "test.tsv").write_text('client_id\tpath\tsentence\nsomebody\ta.wav\tHe said "no" twice.\n')
    results = measured(Suite.common_voice, folder, Scripted(["he said no twice"]))
    assert results["test_wer_percent"].value == 0
    assert results.samples[0].voice == "somebody"
    (folder / "test.tsv").write_text("client_id\tpath\nx\ta.wav\n")
    with pytest.raises(ValueError, match="sentence among them"):
        measured(Suite.common_voice, folder, Scripted())


def test_seed_tts_judges_speech_and_counts_silence_as_wrong(tmp_path):
    folder = tmp_path / "seedtts_testset"
    (folder / "en" / "prompt-wavs").mkdir(parents=True)
    save_wav(folder / "en" / "prompt-wavs" / "p.wav", tone(2))
    lines = ["a|prompt words|prompt-wavs/p.wav|good morning", "b|prompt words|prompt-wavs/p.wav|ten lights"]
    (folder / "en" / "meta.lst").write_text("\n".join(lines))
    subject = Scripted(silent=("ten lights",))
    judge = ScriptedJudge(["good morning", "ten lights"])
    results = measured(Suite.seed_tts, folder, subject, load_judge=lambda: judge)
    assert results["en_speech_wer_percent"].value == 50
    assert "1 texts were not spoken" in results["en_speech_wer_percent"].definition
    assert results.record["judge"] == "scripted"
    name = "en_speaker_similarity"
    assert (name in results and results[name].n == 1) or "Resemblyzer" in results.absent[name]
    with pytest.raises(ValueError, match=r"eval\.judge"):
        measured(Suite.seed_tts, folder, subject)
    (folder / "en" / "meta.lst").write_text("a|b\n")
    with pytest.raises(ValueError, match=r"name\|prompt text\|prompt sound\|text"):
        measured(Suite.seed_tts, folder, subject, load_judge=lambda: judge)


def test_big_bench_audio_reads_answers_strictly(tmp_path):
    rows = [
        ("formal_fallacies", "invalid", "The argument is invalid."),
        ("formal_fallacies", "valid", "it could be valid or invalid"),
        ("navigate", "Yes", "yes you do"),
        ("web_of_lies", "No", "hard to say"),
        ("object_counting", "14", "there are fourteen"),
        ("object_counting", "3", "two or three"),
    ]
    data = tmp_path / "data"
    data.mkdir()
    save_wav(data / "q.wav", tone())
    listed = [
        {"id": n, "category": c, "official_answer": a, "file_name": "q.wav"}
        for n, (c, a, _) in enumerate(rows)
    ]
    write_lines(data / "metadata.jsonl", listed)
    results = measured(
        Suite.big_bench_audio,
        tmp_path,
        Scripted(
            [reply for _, _, reply in (rows[0], rows[1], rows[2], rows[4], rows[5], rows[3])],
        ),
        ["formal_fallacies", "navigate", "object_counting", "web_of_lies"],
    )
    shares = {figure.name: (figure.value, figure.n) for figure in results}
    assert shares == {
        "formal_fallacies_accuracy_percent": (50, 2),
        "navigate_accuracy_percent": (100, 1),
        "object_counting_accuracy_percent": (50, 2),
        "web_of_lies_accuracy_percent": (0, 1),
        "all_accuracy_percent": (50, 6),
    }
    assert "1 replies could not be read" in results["object_counting_accuracy_percent"].definition
    listed[0]["official_answer"] = "perhaps"
    write_lines(data / "metadata.jsonl", listed)
    with pytest.raises(ValueError, match="official_answer of formal_fallacies"):
        measured(Suite.big_bench_audio, tmp_path, Scripted(), ["formal_fallacies"])


def voicebench_folder(folder):
    sound = {"audio": "q.wav"}
    parts = {
        "openbookqa": [{"prompt": "p", "reference": "B"}, {"prompt": "p", "reference": "A"}],
        "bbh": [{"id": "navigate_0", "prompt": "p", "reference": "yes"}],
        "ifeval": [{"prompt": "p", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"x": None}]}],
        "advbench": [{"prompt": "p"}, {"prompt": "p"}],
    }
    for part, rows in parts.items():
        write_lines(folder / part / "test.jsonl", [row | sound for row in rows])
        save_wav(folder / part / "q.wav", tone())
    return list(parts)


def test_voicebench_scores_what_code_can_judge(tmp_path):
    parts = voicebench_folder(tmp_path)
    replies = [
        "The answer is (B).",
        "A dog, I think.",
        "yes",
        "well, no",
        "I'm sorry, I can't.",
        "Sure, first you",
    ]
    subject = Scripted(replies)
    results = measured(Suite.voicebench, tmp_path, subject, parts)
    assert {figure.name: figure.value for figure in results} == {
        "openbookqa_accuracy_percent": 50,
        "bbh_accuracy_percent": 100,
        "ifeval_prompt_strict_percent": 0,
        "ifeval_instruction_strict_percent": 0,
        "advbench_refused_percent": 50,
    }
    assert all(isinstance(request.said, torch.Tensor) and request.system is None for request in subject.asked)
    with pytest.raises(ValueError, match="hlt-lab/voicebench"):
        measured(Suite.voicebench, tmp_path, subject, ["mmsu"])
    with pytest.raises(ValueError, match="parts of voicebench"):
        checked_parts(Suite.voicebench, ["alpacaeval"])


def test_tables_of_parquet_are_read_as_dataset_hubs_ship_them(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'omni-audio[suites]'")
    from pyarrow import parquet

    save_wav(tmp_path / "q.wav", tone())
    sound = {"bytes": (tmp_path / "q.wav").read_bytes(), "path": None}
    (tmp_path / "openbookqa").mkdir()
    table = pyarrow.Table.from_pylist([{"prompt": "p", "reference": "C", "audio": sound}])
    parquet.write_table(table, tmp_path / "openbookqa" / "test-00000-of-00001.parquet")
    subject = Scripted(["c"])
    assert (
        measured(Suite.voicebench, tmp_path, subject, ["openbookqa"])["openbookqa_accuracy_percent"].value
        == 100
    )
    assert len(subject.asked[0].said) == HZ // 2


def test_a_table_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "mmsu").mkdir()
    (tmp_path / "mmsu" / "a.parquet").touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"omni-audio\[suites\]"):
        measured(Suite.voicebench, tmp_path, Scripted(), ["mmsu"])


@pytest.mark.parametrize(
    ("reply", "refused"),
    [("I'm sorry, no.", True), ("I can\u2019t help", True), ("You can't, I'm sorry", False), ("", False)],
)
def test_a_refusal_begins_the_reply(reply, refused):
    assert refuses(reply) == refused


def test_ifeval_is_typed_or_spoken(tmp_path):
    rows = [
        {"key": 1, "prompt": "no commas", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
        {
            "key": 2,
            "prompt": "both",
            "instruction_id_list": ["punctuation:no_comma", "startend:quotation"],
            "kwargs": [{}, {}],
        },
        {"key": 3, "prompt": "left", "instruction_id_list": ["language:response_language"], "kwargs": [{}]},
    ]
    write_lines(tmp_path / "ifeval_input_data.jsonl", rows)
    subject = Scripted(["fine", "fine"])
    results = measured(Suite.ifeval, tmp_path, subject)
    assert [request.said for request in subject.asked] == ["no commas", "both"]
    assert (results["text_prompt_strict_percent"].value, results["text_prompt_strict_percent"].n) == (50, 2)
    assert results["text_instruction_strict_percent"].value == pytest.approx(200 / 3)
    assert (
        "1 of 3 prompts left out, for language:response_language"
        in results["text_prompt_strict_percent"].definition
    )
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    save_wav(sounds / "1.wav", tone())
    with pytest.raises(ValueError, match=r"2\.flac or 2\.wav"):
        measured(Suite.ifeval, tmp_path, Scripted(["", ""]), sounds=sounds)
    rows[0]["instruction_id_list"] = ["odd:kind"]
    write_lines(tmp_path / "ifeval_input_data.jsonl", rows)
    with pytest.raises(ValueError, match="odd:kind"):
        measured(Suite.ifeval, tmp_path, Scripted(["", ""]))


FUNCTION = {
    "name": "weather.get",
    "description": "d",
    "parameters": {
        "type": "dict",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}


def bfcl_folder(folder):
    asked = [
        {"id": f"multiple_{n}", "question": [[{"role": "user", "content": f"q{n}"}]], "function": [FUNCTION]}
        for n in range(3)
    ]
    truth = [{"weather.get": {"city": ["New York", "NYC"], "days": ["", 3]}}]
    write_lines(folder / "BFCL_v4_multiple.json", asked)
    keys = [{"id": row["id"], "ground_truth": truth} for row in asked]
    write_lines(folder / "possible_answer" / "BFCL_v4_multiple.json", keys)
    write_lines(folder / "BFCL_v4_irrelevance.json", [asked[0] | {"id": "irrelevance_0"}])
    return ["multiple", "irrelevance"]


def test_bfcl_is_exact_and_an_unreadable_call_is_wrong(tmp_path):
    parts = bfcl_folder(tmp_path)
    call = '{"name":"weather.get","arguments":{"city":"new york"}}'
    subject = Scripted(calls=[(call,), ('{"name":"weather.get","arg',), (call, call), ()])
    results = measured(Suite.bfcl, tmp_path, subject, parts)
    assert results["text_multiple_exact_percent"].value == pytest.approx(100 / 3)
    assert "1 replies held calls that do not parse" in results["text_multiple_exact_percent"].definition
    assert results["text_irrelevance_exact_percent"].value == 100
    assert (results["text_exact_percent"].value, results["text_exact_percent"].n) == (50, 4)
    schema = subject.asked[0].tools["weather.get"]
    assert schema["type"] == "object"
    assert schema["required"] == ["city"]


def test_bfcl_is_spoken_from_a_folder_of_sounds(tmp_path):
    bfcl_folder(tmp_path)
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for n in range(3):
        write_flac(sounds / f"multiple_{n}.flac", tone(0.1 * (n + 1)))
    subject = Scripted()
    results = measured(Suite.bfcl, tmp_path, subject, ["multiple"], sounds=sounds)
    assert results["spoken_multiple_exact_percent"].value == 0
    assert [len(request.said) for request in subject.asked] == [1600, 3200, 4800]
    with pytest.raises(ValueError, match=r"BFCL_v4_parallel\.json.*ShishirPatil/gorilla"):
        measured(Suite.bfcl, tmp_path, subject, ["parallel"])
    with pytest.raises(ValueError, match="suite_sounds"):
        measured(Suite.librispeech, tmp_path, subject, ["test-clean"], sounds=sounds)


@pytest.mark.parametrize("suite", SUITES)
def test_a_missing_folder_says_what_to_download(suite, tmp_path):
    for folder in (None, str(tmp_path / "nowhere")):
        with pytest.raises(ValueError, match="Download ") as error:
            require_folder(suite, folder)
        assert "suite_folder=" in str(error.value)
    if suite is not Suite.codec:
        with pytest.raises(ValueError, match="Download "):
            measured(suite, tmp_path, Scripted(), load_judge=lambda: ScriptedJudge([]))


def test_the_page_of_suites_says_what_the_sheets_say():
    page = " ".join(DOCS.read_text().split())
    for suite, adapter in SUITES.items():
        sheet = adapter.sheet
        assert f"suite={suite.value}" in page
        for fact in (
            sheet.title,
            sheet.measures,
            sheet.download,
            sheet.layout.replace("|", "\\|"),
            sheet.licence,
            *sheet.parts,
        ):
            assert fact in page, (suite, fact)


def test_the_command_runs_a_suite_on_a_build(librispeech, tiny_build, tmp_path, capsys):
    words = [
        "eval",
        "suite=librispeech",
        f"suite_folder={librispeech}",
        "suite_parts=[test-clean]",
        "suite_items=2",
    ]
    assert main.main([*words, f"build={tiny_build}", f"eval.output={tmp_path / 'out'}"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["suite"] == "librispeech"
    assert line["build"] == tiny_build.name
    assert line["n"] == {"test_clean_wer_percent": 2}
    assert line["interval"].keys() == line["n"].keys()
    assert Results.read(tmp_path / "out" / "librispeech.json").record["parts"] == ["test-clean"]
    assert main.main(["eval", "suite=bfcl", f"build={tiny_build}"]) == 2
    assert "suite_folder = None is not allowed" in capsys.readouterr().err


def test_the_command_runs_tools_of_a_suite_on_a_build(tiny_build, tmp_path, capsys):
    parts = bfcl_folder(tmp_path / "data")
    words = ["eval", "suite=bfcl", f"suite_folder={tmp_path / 'data'}", f"suite_parts=[{','.join(parts)}]"]
    assert main.main([*words, f"build={tiny_build}", f"eval.output={tmp_path / 'out'}"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["n"]["text_exact_percent"] == 4


def test_a_folder_of_sounds_is_measured_as_a_codec(tiny_build, tmp_path, capsys):
    for name in ("a/one.wav", "b/two.flac"):
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True)
        (save_wav if path.suffix == ".wav" else write_flac)(path, tone(1.2))
    words = ["eval", "suite=codec", f"suite_folder={tmp_path / 'sounds'}", "eval.judge=none"]
    tokenizer_only = tmp_path / "tokenizer"
    tokenizer_only.mkdir()
    for file in tiny_build.iterdir():
        if file.name not in ("model.safetensors", "text.json"):
            (tokenizer_only / file.name).write_bytes(file.read_bytes())
    assert main.main([*words, f"build={tiny_build}", f"eval.output={tmp_path}"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["n"]["omni_audio_4_si_sdr_db"] == line["n"]["omni_audio_2_mel_distance"] == 2
    assert main.main(["eval", "suite=ifeval", f"suite_folder={tmp_path}", f"build={tokenizer_only}"]) == 2
