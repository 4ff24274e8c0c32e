"""encode, decode and resynth: operating points, folders, bad sound, bad codes, and sounds of any length."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sound_files import encoded, tone
from tiny import tiny_tokenizer_config

from omni_audio.audio.io import load_audio, save_wav
from omni_audio.cli import main
from omni_audio.cli.codes_file import load_codes, save_codes
from omni_audio.model.build import load_tokenizer, save_tokenizer_build
from omni_audio.tokenizer.semantic import SemanticConfig
from omni_audio.tokenizer.tokenizer import AudioCodes, AudioTokenizer, TokenizerConfig

LARGE = TokenizerConfig(semantic=SemanticConfig(levels=[8] * 6))
"""Its semantic codes do not fit into 16 bits."""


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def build(tmp_path_factory, tiny_tokenizer):
    folder = tmp_path_factory.mktemp("builds") / "tokenizer"
    save_tokenizer_build(folder, tiny_tokenizer, {"name": "tokenizer"})
    return str(folder)


@pytest.fixture(scope="module")
def tokenizer(build):
    return load_tokenizer(Path(build))


@pytest.fixture
def codes():
    return AudioCodes(
        semantic_BF=torch.tensor([[0, 4095, 70_000]]), acoustic_BFK=torch.arange(24).reshape(1, 3, 8)
    )


def speechlike(duration_s: float, rate_hz: int = 16_000) -> np.ndarray:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, len(time_s))
    return 0.3 * np.sin(2 * np.pi * (200 + 20 * np.sin(time_s)) * time_s) + noise


def write_sound(path, duration_s=0.3, rate_hz=16_000, subtype="PCM_16"):
    soundfile.write(path, speechlike(duration_s, rate_hz), rate_hz, subtype=subtype)
    return str(path)


def refused(words, said, capsys):
    """Runs a command that must fail for a reason which the user can put right, in one line."""
    assert main.main([str(word) for word in words]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("build:")]
    assert len(lines) == 1, lines
    assert "Traceback" not in lines[0]
    assert said in lines[0]


# operating points


def test_encode_then_decode(build, capsys):
    save_wav("in.wav", torch.from_numpy(tone(3000)))
    assert main.main(["encode", "in.wav", "a.codes", "--build", build]) == 0
    assert "a.codes: 3 frames, 0.24 s, 4 codebooks + semantic: 0.25 kbit/s\n" in capsys.readouterr().out
    assert main.main(["decode", "a.codes", "out.wav", "--build", build]) == 0
    assert load_audio("out.wav").shape == (3000,)
    assert main.main(["decode", "a.codes", "coarse.wav", "--build", build, "--codebooks", "2"]) == 0
    assert "coarse.wav: 0.19 s, 2 codebooks + semantic: 0.15 kbit/s" in capsys.readouterr().out
    assert not torch.equal(load_audio("out.wav"), load_audio("coarse.wav"))


def test_codes_of_an_operating_point_are_the_coarse_ones(build, tokenizer, capsys):
    write_sound("in.wav")
    assert main.main(["encode", "in.wav", "all.codes", "--build", build]) == 0
    assert main.main(["encode", "in.wav", "one.codes", "--build", build, "--codebooks", "1"]) == 0
    assert "1 codebook + semantic: 0.10 kbit/s" in capsys.readouterr().out
    whole, coarse = (
        load_codes(Path(name), tokenizer.fingerprint(), tokenizer.config)
        for name in ("all.codes", "one.codes")
    )
    assert torch.equal(coarse.acoustic_BFK, whole.acoustic_BFK[..., :1])
    assert torch.equal(coarse.semantic_BF, whole.semantic_BF)
    assert main.main(["decode", "one.codes", "one.wav", "--build", build]) == 0
    assert main.main(["resynth", "in.wav", "again.wav", "--build", build, "--codebooks", "1"]) == 0
    assert torch.equal(load_audio("one.wav"), load_audio("again.wav"))


@pytest.mark.parametrize("num", ["0", "5", "-1"])
@pytest.mark.parametrize(
    "words", [["encode", "in.wav", "b.codes"], ["decode", "a.codes", "b.wav"], ["resynth", "in.wav", "b.wav"]]
)
def test_an_operating_point_that_is_not_there(build, in_empty_folder, capsys, words, num):
    write_sound("in.wav")
    assert main.main(["encode", "in.wav", "a.codes", "--build", build]) == 0
    said = f"--codebooks = {num} is not allowed: expected 1 to 4"
    refused([*words, "--build", build, "--codebooks", num], said, capsys)
    assert not list(in_empty_folder.glob("b.*"))


# places and kinds of files


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["decode", "in.wav", "out.wav"], "in.wav is not a .codes file"),
        (["encode", "a.codes", "b.codes"], "a.codes"),
        (
            ["encode", "text.wav", "b.codes"],
            "text.wav = b'this is no s' is not allowed: expected the first bytes",
        ),
        (["resynth", "list.m3u8", "out.wav"], "list.m3u8 = b'#EXTM3U"),
        (["resynth", "in.wav", "in.wav"], "in.wav is the file to read"),
        (["decode", "a.codes", "a.codes"], "a.codes does not end in .wav"),
        (["encode", "a.codes", "a.codes"], "a.codes is the file to read"),
        (["resynth", "in.wav", "out.mp3"], "out.mp3 does not end in .wav"),
        (["encode", "in.wav", "out.wav"], "out.wav does not end in .codes"),
        (["say", "hello", "--out", "out.mp3"], "out.mp3 does not end in .wav"),
        (["chat", "in.wav", "--out", "out.mp3"], "out.mp3 does not end in .wav"),
        (["resynth", "in.wav", "no/out.wav"], "the folder no does not exist"),
        (["resynth", "nothing.wav", "out.wav"], "no such file: nothing.wav"),
        (["transcribe", "in.wav"], "a tokenizer only"),
    ],
)
def test_the_wrong_kind_of_file_is_one_line(build, in_empty_folder, capsys, words, said):
    write_sound("in.wav")
    (in_empty_folder / "text.wav").write_text("this is no sound at all\n" * 100)
    (in_empty_folder / "list.m3u8").write_text("#EXTM3U\nin.wav\n")
    assert main.main(["encode", "in.wav", "a.codes", "--build", build]) == 0
    refused([*words, "--build", build], said, capsys)


def test_a_folder_keeps_its_names_and_its_bad_files_stop_nothing(build, in_empty_folder, capsys):
    source = in_empty_folder / "in"
    (source / "deep").mkdir(parents=True)
    write_sound(source / "a.flac")
    write_sound(source / "deep/b.wav", rate_hz=8000)
    write_sound(source / "z.WAV")
    write_sound(source / ".hidden.wav")
    (source / "notes.txt").write_text("no sound")
    (source / "cut.wav").write_bytes((source / "z.WAV").read_bytes()[:4000])
    (source / "text.ogg").write_text("no sound")
    assert main.main(["resynth", "in", "in/out", "--build", build]) == 2
    said = capsys.readouterr()
    assert "in/cut.wav = '0.12 s of sound'" in said.err
    assert "in/text.ogg = b'no sound'" in said.err
    assert "2 of 5 files were not done, for the reasons above: in/cut.wav, in/text.ogg" in said.err
    done = sorted(str(path.relative_to(source / "out")) for path in (source / "out").rglob("*.*"))
    assert done == ["a.wav", "deep/b.wav", "z.wav"]
    assert len(load_audio(source / "out/deep/b.wav")) == pytest.approx(4800, abs=2)
    assert "in/out/a.wav: 0.30 s, 4 codebooks + semantic: 0.25 kbit/s, real-time factor " in said.out
    assert "total: 3 files, 0.90 s, 4 codebooks + semantic: 0.25 kbit/s, real-time factor " in said.out
    for name in ("cut.wav", "text.ogg"):
        (source / name).unlink()
    assert (
        main.main(["resynth", "in", "in/out", "--build", build, "--codebooks", "2"]) == 0
    )  # own output is no input


@pytest.mark.parametrize(
    ("names", "out", "said"),
    [
        (["notes.txt"], "out", "in holds no sound files: their names end in aac, "),
        (["a.wav", "a.flac"], "out", "in/a.flac and in/a.wav would both become out/a.wav: rename one"),
        (["a.flac"], "in", "in is the folder to read: name another one to write"),
        (["in/a.wav", "a.wav"], ".", "in/a.wav is a file to read, and would be written over"),
        (["a.wav"], "in/a.wav", "in/a.wav is a file: name a folder, because in is one"),
    ],
)
def test_a_folder_that_cannot_be_done(build, in_empty_folder, capsys, names, out, said):
    (in_empty_folder / "in").mkdir()
    for name in names:
        (in_empty_folder / "in" / name).parent.mkdir(exist_ok=True)
        (in_empty_folder / "in" / name).write_bytes(encoded("WAV"))
    refused(["resynth", "in", out, "--build", build], said, capsys)
    assert sorted(path.name for path in in_empty_folder.rglob("*.*")) == sorted(
        Path(name).name for name in names
    )


# bad sound


@pytest.mark.parametrize("command", ["encode", "resynth"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "in.wav is empty"),
        (encoded("WAV", pcm=tone(0)), "in.wav = '0 samples' is not allowed"),
        (
            encoded("WAV", pcm=tone())[:20_000],
            "in.wav = '0.62 s of sound' is not allowed: expected the 32000 bytes",
        ),
        (
            encoded("WAV", pcm=np.append(tone(), np.float32("nan")), subtype="FLOAT"),
            "samples = 'NaN, infinity or beyond 4294967296 at 1.00 s' is not allowed: expected finite numbers",
        ),
        (encoded("WAV", rate_hz=4000), "rate_hz = 4000 is not allowed: expected 8000 to 192000"),
        (encoded("WAV", rate_hz=384_000), "rate_hz = 384000 is not allowed"),
        (encoded("WAV", channels=9), "channels = 9 is not allowed: expected 1 to 8"),
        (encoded("FLAC")[:8000], "expected a whole flac file"),
    ],
    ids=["empty", "no samples", "cut", "nan", "4 kHz", "384 kHz", "9 channels", "cut flac"],
)
def test_bad_sound_is_one_line_and_nothing_is_written(build, in_empty_folder, capsys, command, data, said):
    (in_empty_folder / "in.wav").write_bytes(data)
    out = {"encode": "out.codes", "resynth": "out.wav"}[command]
    refused([command, "in.wav", out, "--build", build], said, capsys)
    assert [path.name for path in in_empty_folder.iterdir()] == ["in.wav"]


@pytest.mark.parametrize(
    ("pcm", "rate_hz", "subtype"),
    [
        (np.zeros(16_000), 16_000, "PCM_16"),
        (speechlike(1, 8000), 8000, "ULAW"),
        (speechlike(1, 44_100), 44_100, "PCM_24"),
        (speechlike(1)[:1], 16_000, "PCM_16"),
    ],
    ids=["silent", "8 kHz telephone", "44.1 kHz", "one sample"],
)
def test_odd_sound_that_is_fine(build, capsys, pcm, rate_hz, subtype):
    soundfile.write("in.wav", pcm, rate_hz, subtype=subtype)
    assert main.main(["encode", "in.wav", "a.codes", "--build", build]) == 0
    assert main.main(["decode", "a.codes", "out.wav", "--build", build]) == 0
    assert main.main(["resynth", "in.wav", "again.wav", "--build", build]) == 0
    assert "warning" not in capsys.readouterr().err
    out = load_audio("out.wav")
    assert len(out) == pytest.approx(len(pcm) * 16_000 / rate_hz, abs=2)
    torch.testing.assert_close(load_audio("again.wav"), out, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("gain", "subtype", "is_clipped"),
    [(3, "PCM_16", True), (3, "FLOAT", True), (6, "ULAW", True), (1, "PCM_16", False), (0.9, "ULAW", False)],
)
def test_clipped_sound_is_coded_with_a_warning(build, capsys, gain, subtype, is_clipped):
    pcm = gain * 2 * tone(16_000)  # at gain 1 the wave touches full scale, and is whole
    soundfile.write("in.wav", pcm, 16_000, subtype=subtype)
    assert main.main(["encode", "in.wav", "a.codes", "--build", build]) == 0
    said = capsys.readouterr().err
    assert ("warning: in.wav: " in said) == is_clipped
    assert ("of its samples are clipped" in said) == is_clipped
    assert main.main(["resynth", "in.wav", "out.wav", "--build", build]) == 0
    assert ("clipped" in capsys.readouterr().err) == is_clipped


# bad codes


def test_codes_file_gives_back_what_was_stored(tmp_path, codes):
    save_codes(tmp_path / "a.codes", codes, "abc", num_samples=3000)
    stored = load_codes(tmp_path / "a.codes", "abc", LARGE)
    assert torch.equal(stored.semantic_BF, codes.semantic_BF)
    assert torch.equal(stored.acoustic_BFK, codes.acoustic_BFK)
    assert stored.num_samples == 3000
    assert [file.name for file in tmp_path.iterdir()] == ["a.codes"]


@pytest.mark.parametrize("content", [b"hello", b"RIFF" + bytes(60), b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_is_no_codes_file_is_refused(tmp_path, content):
    (tmp_path / "a.codes").write_bytes(content)
    with pytest.raises(ValueError, match=r"not a \.codes file"):
        load_codes(tmp_path / "a.codes", "abc", LARGE)


def test_codes_of_another_tokenizer_are_refused(build, in_empty_folder, capsys):
    torch.manual_seed(1)
    other = in_empty_folder / "other"
    save_tokenizer_build(other, AudioTokenizer(tiny_tokenizer_config()), {"name": "other"})
    write_sound("in.wav")
    assert main.main(["encode", "in.wav", "a.codes", "--build", str(other)]) == 0
    refused(["decode", "a.codes", "out.wav", "--build", build], "this build has", capsys)
    assert not (in_empty_folder / "out.wav").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"acoustic": torch.full((4, 4), 16)},
            "acoustic codes of a.codes = 16 is not allowed: expected 0 to 15",
        ),
        ({"acoustic": torch.full((4, 4), -1)}, "acoustic codes of a.codes = -1"),
        ({"semantic": torch.full((4,), 16)}, "semantic codes of a.codes = 16"),
        ({"acoustic": torch.zeros(4, 5, dtype=torch.long)}, "K = 1 to 4 codebooks"),
        ({"acoustic": torch.zeros(3, 4, dtype=torch.long)}, "shapes in a.codes = ((4,), (3, 4))"),
        ({"acoustic": torch.zeros(4, dtype=torch.long)}, "shapes in a.codes"),
        ({"semantic": torch.zeros(0), "acoustic": torch.zeros(0, 4)}, "F >= 1 frames"),
        ({"num_samples": "5121"}, "num_samples of a.codes = '5121' is not allowed: expected 3841 to 5120"),
        ({"num_samples": "3840"}, "the length of 4 frames"),
        ({"num_samples": "many"}, "num_samples of a.codes = 'many'"),
        ({"acoustic": None}, "a.codes is not a .codes file"),
        ({"format": "omni-audio-codes-0"}, "not a .codes file of this version"),
    ],
)
def test_codes_that_were_changed_are_refused(build, in_empty_folder, capsys, changes, said):
    write_sound("in.wav", 0.3)
    assert main.main(["encode", "in.wav", "a.codes", "--build", build]) == 0
    with safe_open("a.codes", framework="pt") as file:
        parts = {**file.metadata(), **{name: file.get_tensor(name) for name in ("semantic", "acoustic")}}
    parts.update(changes)
    tensors = {name: part for name, part in parts.items() if isinstance(part, torch.Tensor)}
    save_file(tensors, "a.codes", {name: part for name, part in parts.items() if isinstance(part, str)})
    refused(["decode", "a.codes", "out.wav", "--build", build], said, capsys)
    assert not (in_empty_folder / "out.wav").exists()


def test_a_codes_file_that_was_cut_short(build, in_empty_folder, capsys):
    write_sound("in.wav")
    assert main.main(["encode", "in.wav", "a.codes", "--build", build]) == 0
    file = in_empty_folder / "a.codes"
    file.write_bytes(file.read_bytes()[:-8])
    refused(["decode", "a.codes", "out.wav", "--build", build], "a.codes is not a .codes file", capsys)


# any length


@pytest.mark.parametrize("duration_s", [25, 24])
def test_streamed_equals_whole(build, tokenizer, duration_s):
    write_sound("in.wav", duration_s, rate_hz=8000)
    assert main.main(["encode", "in.wav", "a.codes", "--build", build]) == 0
    assert main.main(["decode", "a.codes", "out.wav", "--build", build]) == 0
    assert main.main(["resynth", "in.wav", "again.wav", "--build", build]) == 0
    pcm_S = load_audio("in.wav")
    whole = tokenizer.encode(pcm_S[None])
    stored = load_codes(Path("a.codes"), tokenizer.fingerprint(), tokenizer.config)
    assert torch.equal(stored.acoustic_BFK, whole.acoustic_BFK)
    assert torch.equal(stored.semantic_BF, whole.semantic_BF)
    expected = tokenizer.decode(whole.acoustic_BFK)[0, : len(pcm_S)]
    for name in ("out.wav", "again.wav"):
        torch.testing.assert_close(load_audio(name), expected.clamp(-1, 1), atol=1e-4, rtol=0)


PEAKS = """
import json, re, sys
from pathlib import Path
from omni_audio.audio.io import load_audio
from omni_audio.cli.main import main
build, peaks = sys.argv[1], []
def note_peak():  # of this process alone: getrusage() would count that of the one that started it
    peaks.append(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
def measure(*words):
    assert main([*words, "--build", build]) == 0
    note_peak()
for name in ("short", "long"):
    measure("encode", f"{name}.wav", f"{name}.codes")
    measure("decode", f"{name}.codes", "out.wav")
    measure("resynth", f"{name}.wav", "out.wav")
load_audio("long.wav")
note_peak()
print(json.dumps(peaks))
"""


def test_memory_does_not_grow_with_the_sound(build):
    num_short, num_long = 3, 120  # times 10 s
    block = speechlike(10, 8000)
    for name, num in (("short", num_short), ("long", num_long)):
        with soundfile.SoundFile(f"{name}.wav", "w", 8000, channels=1, subtype="ULAW") as file:
            for _ in range(num):
                file.write(block)
    command = [sys.executable, "-c", PEAKS, build]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peaks_mb = json.loads(done.stdout.splitlines()[-1])
    after_short, after_long, after_whole = peaks_mb[2], peaks_mb[5], peaks_mb[6]
    whole_mb = num_long * 10 * 16_000 * 4 / 2**20
    assert after_long - after_short < whole_mb / 4
    assert after_whole - after_long > whole_mb / 2  # the control: what holds the whole sound is seen
    assert soundfile.info("out.wav").frames == pytest.approx(num_long * 160_000, abs=2)
