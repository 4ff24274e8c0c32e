"""The command line without a model: arguments, errors, exit codes."""

import errno
import gzip
import json
import os
import shutil
import wave

import pytest
from drawn_streams import prefer

from omni_audio.cli import arguments, builds, main, train
from omni_audio.model.text import Special


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_build(folder, written_at=1_000_000_000):
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    card = folder / "card.json"
    card.write_text(json.dumps({"name": folder.name, "figures": {"wer_percent": 12.5}}))
    config = folder / "config.json"
    config.write_text("{}")
    os.utime(config, (written_at, written_at))
    return folder


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_help_with_examples(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main.main([name, "--help"])
    assert stop.value.code == 0
    assert f"omni-audio {name} " in capsys.readouterr().out


def test_no_command_shows_the_help(capsys):
    assert main.main([]) == 2
    assert "first steps" in capsys.readouterr().out


def test_unknown_command_names_the_closest(capsys):
    with pytest.raises(SystemExit) as stop:
        main.main(["trian"])
    assert stop.value.code == 2
    assert "did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such file: in.wav"), (b"", "in.wav is empty")], ids=["missing", "empty"]
)
@pytest.mark.parametrize(
    "words",
    [
        ["transcribe", "in.wav"],
        ["chat", "in.wav"],
        ["encode", "in.wav", "o.codes"],
        ["decode", "in.wav", "o.wav"],
        ["resynth", "in.wav", "o.wav"],
    ],
)
def test_bad_input_file_is_one_line(words, content, said, in_empty_folder, capsys):
    if content is not None:
        (in_empty_folder / "in.wav").write_bytes(content)
    assert main.main(words) == 2
    assert said in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["say", "  "], "text is empty"),
        (["say", "hello", "--out", "."], "is a folder"),
        (["say", "hello", "--out", "nowhere/a.wav"], "does not exist"),
        (["say", "hello"], "omni-audio train experiment=demo"),
        (["say", "hello", "--build", "nothing"], "'nothing' does not exist"),
        (
            ["say", "hello", "--speed", "4.1"],
            "--speed = '4.1' is not allowed: expected a number from 0.25 to 4. Name one",
        ),
        (["say", "hello", "--speed", "fast"], "--speed = 'fast' is not allowed"),
        (["say", "hello", "--speed", "nan"], "--speed = 'nan' is not allowed"),
        (["chat", "--text", "hi", "--out", "a.wav", "--speed", "-1"], "--speed = '-1' is not allowed"),
        (["chat", "--text", "hi", "--speed", "2"], "--speed 2 needs an answer in sound: add --out FILE"),
        (["chat"], "no request"),
        (["chat", "--text", " "], "--text is empty"),
        (["train", "demo"], "experiment=demo"),
        (["build-info"], "no build in runs/*/build or builds/"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(words, said, capsys):
    assert main.main(words) == 2
    assert said in one_line(capsys.readouterr().err)


def raises(error):
    def run(args):
        raise error

    return run


def test_debug_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setattr(train, "run", raises(RuntimeError("broken")))
    assert main.main(["train", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert main.main(["--debug", "train"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_unexpected_error_is_one_line_and_exit_1(monkeypatch, capsys):
    monkeypatch.setattr(train, "run", raises(RuntimeError("bro\nken")))
    assert main.main(["train"]) == 1
    assert "RuntimeError: bro ken (run again with --debug" in one_line(capsys.readouterr().err)


def test_full_disk_says_so(monkeypatch, capsys):
    monkeypatch.setattr(train, "run", raises(OSError(errno.ENOSPC, "No space left on device", "last.ckpt")))
    assert main.main(["train"]) == 1
    assert "the disk is full while writing last.ckpt" in one_line(capsys.readouterr().err)


def test_interrupt_says_how_to_resume(monkeypatch, capsys):
    monkeypatch.setattr(train, "run", raises(KeyboardInterrupt("stopped at step 7")))
    assert main.main(["train", "experiment=demo", "seed=1"]) == 130
    said = capsys.readouterr().err
    assert "stopped at step 7" in said
    assert "omni-audio train experiment=demo seed=1" in said


def test_interrupt_that_lightning_turned_into_exit_is_130(monkeypatch):
    def run(args):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise SystemExit(1)  # noqa: B904, as Lightning does

    monkeypatch.setattr(train, "run", run)
    assert main.main(["train"]) == 130


@pytest.mark.parametrize(
    ("said", "spin_count"),
    [({}, "5000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None), ({"GOMP_SPINCOUNT": "7"}, "7")],
)
def test_threads_wait_as_the_user_says_or_briefly(said, spin_count, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that it is put back as it was
        del os.environ[name]
    os.environ.update(said)
    main.main([])
    assert os.environ.get("GOMP_SPINCOUNT") == spin_count


def test_overrides_and_options_mix_in_any_order(monkeypatch):
    seen = []
    monkeypatch.setattr(train, "run", lambda args: seen.append((args.overrides, args.multirun)))
    assert main.main(["train", "experiment=demo", "-m", "seed=0,1", "~logger.wandb"]) == 0
    assert seen == [(["experiment=demo", "seed=0,1", "~logger.wandb"], True)]


def test_newest_build_is_the_one_completed_last(in_empty_folder):
    make_build(in_empty_folder / "runs/a/build/omni-audio-nano-2026-01-01", 3_000)
    newest = make_build(in_empty_folder / "builds/omni-audio-nano-2025-01-01", 4_000)
    unfinished = make_build(in_empty_folder / "builds/unfinished", 5_000)
    (unfinished / "config.json").unlink()
    assert builds.require_build(None).resolve() == newest


def test_a_folder_above_a_build_stands_for_its_newest(in_empty_folder):
    make_build(in_empty_folder / "runs/a/build/one", 3_000)
    newest = make_build(in_empty_folder / "runs/a/build/two", 4_000)
    assert builds.require_build(in_empty_folder / "runs/a") == newest
    assert builds.require_build(in_empty_folder / "runs/a/build") == newest
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        builds.require_build(in_empty_folder)


def test_a_named_run_never_takes_the_build_of_another(in_empty_folder):
    other = make_build(in_empty_folder / "runs/other/build/one")
    assert builds.build_of_run(None, "runs/default", is_run_named=False).resolve() == other
    with pytest.raises(ValueError, match="no build in runs/demo/build"):
        builds.build_of_run(None, "runs/demo", is_run_named=True)


def test_build_info_prints_the_card(in_empty_folder, capsys):
    build = make_build(in_empty_folder / "builds/omni-audio-nano-2026-01-01")
    assert main.main(["build-info", str(build)]) == 0
    assert "figures.wer_percent" in capsys.readouterr().out
    assert main.main(["build-info", str(build), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"] == {"wer_percent": 12.5}


def test_build_info_of_a_broken_card_is_one_line(in_empty_folder, capsys):
    build = make_build(in_empty_folder / "builds/broken")
    (build / "card.json").write_text("{")
    assert main.main(["build-info", str(build)]) == 2
    assert "cannot be read" in one_line(capsys.readouterr().err)


def make_corpus(folder):
    rows = [
        ("a.flac", "ann", "set a timer"),
        ("b.flac", "bob", "light on"),
        ("c.flac", "ann", "stop the Timer"),
    ]
    lines = [
        json.dumps(
            {
                "recording": {"sources": [{"source": path}]},
                "supervisions": [{"speaker": speaker, "text": text}],
            }
        )
        for path, speaker, text in rows
    ]
    folder.mkdir(parents=True)
    with gzip.open(folder / "cuts-test.jsonl.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["--num", "1"], "a.flac\tann\tset a timer\n"),
        (["--grep", "timer", "--paths"], "a.flac\nc.flac\n"),
    ],
)
def test_data_lists_items(in_empty_folder, capsys, words, printed):
    make_corpus(in_empty_folder / "runs/demo/corpus")
    assert main.main(["data", "runs/demo", *words]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs/demo", "--split", "train"], "holds no corpus"),
        (["runs/demo", "--grep", "weather"], "no request of split test holds 'weather'"),
        (["runs/demo", "--num", "0"], "--num 0 is not allowed"),
    ],
)
def test_data_without_an_answer_is_one_line(in_empty_folder, capsys, words, said):
    make_corpus(in_empty_folder / "runs/demo/corpus")
    assert main.main(["data", *words]) == 2
    assert said in one_line(capsys.readouterr().err)


def test_words_that_are_no_overrides():
    arguments.check_overrides(["seed=1", "~logger.wandb", "+ablation/prefix=causal"])
    with pytest.raises(ValueError, match="experiment=nano"):
        arguments.check_overrides(["nano"])


def test_build_info_takes_a_tokenizer_alone_and_counts_voices(in_empty_folder, capsys):
    build = in_empty_folder / "builds/tok"
    build.mkdir(parents=True)
    (build / "config.json").write_text("{}")
    (build / "card.json").write_text(
        json.dumps({"name": "tok", "data": {"voices": {"train": {"ann": 3, "bob": 1}}}})
    )
    assert main.main(["build-info"]) == 0
    printed = capsys.readouterr().out
    assert "2 voices" in printed
    assert "ann" not in printed
    assert main.main(["build-info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["voices"]["train"] == {"ann": 3, "bob": 1}


def test_chat_prints_every_call_of_a_build_that_learnt_several(
    in_empty_folder, tiny_build, capsys, monkeypatch
):
    """The network calls until a limit ends it."""
    prefer(Special.TOOL_CALL, monkeypatch)
    learnt = in_empty_folder / "builds/learnt"
    shutil.copytree(tiny_build, learnt)
    card = json.loads((learnt / "card.json").read_text())
    (learnt / "card.json").write_text(json.dumps(card | {"parallel_calls": True}))
    for build, is_learnt in ((tiny_build, False), (learnt, True)):
        assert main.main(["chat", "--text", "on", "--tool", "set_volume", "--build", str(build)]) == 0
        calls = [line for line in capsys.readouterr().out.splitlines() if line.startswith("call: ")]
        assert "set_volume" in calls[0]
        assert (len(calls) > 1) == is_learnt


@pytest.mark.parametrize("words", [["say", "on"], ["chat", "--text", "on"]])
def test_speed_changes_the_length_of_what_is_spoken(words, in_empty_folder, tiny_build):
    num_samples = {}
    for speed in ("1", "0.5", "4"):
        out = in_empty_folder / f"{speed}.wav"
        given = [] if speed == "1" else ["--speed", speed]
        assert main.main([*words, *given, "--build", str(tiny_build), "--out", str(out)]) == 0
        with wave.open(str(out)) as file:
            num_samples[speed] = file.getnframes()
    assert num_samples["1"] > 0
    assert num_samples["0.5"] == 2 * num_samples["1"]
    assert num_samples["4"] == num_samples["1"] // 4


@pytest.mark.parametrize("quant", ["nf4", "int4"])
def test_eval_does_not_ignore_the_number_format_of_serve(quant, tiny_build, in_empty_folder, capsys):
    assert main.main(["eval", f"build={tiny_build}", f"weight_quant={quant}"]) == 2
    assert "Set eval.weight_quant=none, nf4, int4 or both instead." in one_line(capsys.readouterr().err)
