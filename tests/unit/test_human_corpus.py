"""Recorded people: read from tiny packages of the true layout, split by person, described by the datasheet."""

import argparse
import gzip
import itertools
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from omni_audio.audio.io import load_audio
from omni_audio.cli import corpus as corpus_command
from omni_audio.data.corpora.human_audio import DurationLimits, decode_clip, store_clip
from omni_audio.data.corpora.human_clips import clips_of
from omni_audio.data.corpora.human_corpus import (
    NO_SOUND,
    HumanCorpusConfig,
    build_human_corpus,
    human_corpus_hash,
)
from omni_audio.data.corpora.human_packages import obtain_packages
from omni_audio.data.corpora.human_sources import DEFAULT, OPTIONAL, SOURCES, human_source
from omni_audio.data.corpora.manifests import CorpusPaths, each_cut, facts_of, load_cuts
from omni_audio.data.speech_cuts import pcm_of

SPLITS = ("train", "dev", "test")
ASTERISK = ("en", "es", "fr", "it", "ru")
CHECKOUT = Path(__file__).parents[2]


def voice(seconds: float, pitch_hz: float = 150.0) -> np.ndarray:
    """A buzz of harmonics, (S,) float32 at 16 kHz."""
    time_S = np.arange(round(seconds * 16_000)) / 16_000
    return np.stack([0.1 * np.sin(2 * np.pi * k * pitch_hz * time_S) / k for k in range(1, 8)]).sum(
        0, np.float32
    )


def write_g722(path: Path, pcm_S: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=16_000, layout="mono")
        for start in range(0, len(pcm_S), 320):
            block = np.rint(pcm_S[None, start : start + 320] * 2**15).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def write_sound(path: Path, pcm_S: np.ndarray, rate_hz: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), pcm_S, rate_hz)


def make_packages(folder: Path) -> Path:
    """Every package of every source, unpacked, with a handful of sounds each."""
    for language in ASTERISK:
        sounds = folder / f"asterisk-core-sounds-{language}-g722/usr/share/asterisk/sounds/{language}_XX_f_Y"
        for key, seconds in (
            ("hello", 0.6),
            ("digits/1", 0.4),
            ("noted", 0.5),
            ("untold", 0.5),
            ("beep", 0.5),
        ):
            write_g722(sounds / f"{key}.g722", voice(seconds))
        write_g722(sounds / "silence/1.g722", np.zeros(16_000, np.float32))
        text_package = f"asterisk-core-sounds-{language}"
        documents = folder / text_package / "usr/share/doc" / text_package
        listing = (
            "\ufeff; Prompts\n\nhello: Hello  there: you.\ndigits/1: one\nnoted: [tone] wait\nbeep: a beep\n"
        )
        write_text(documents / f"core-sounds-{language}.txt.gz", listing)
        write_text(
            documents / "changelog.Debian.gz", "asterisk-core-sounds (1.6.1-1) unstable; urgency=low\n"
        )
    russian = folder / "festvox-ru/usr/share/festival/voices/russian/msu_ru_nsh_clunits"
    write_sound(russian / "wav/ru_0001.wav", voice(0.7, 110), 16_000)
    write_text(russian / "etc/txt.done.data", '( ru_0001 "Жили люд+и." )\n')
    librivox = folder / "pocketsphinx-testdata/usr/share/pocketsphinx/test/data/librivox"
    write_sound(librivox / "austen-0870.wav", voice(0.8), 16_000)
    write_text(librivox / "transcription", "<s> he was not an ill disposed young man </s> (austen-0870)\n")
    game = Path("usr/share/games/fillets-ng")
    for language in ("cs", "nl"):
        for key in ("bar-v-one", "bar-m-two", "bar-x-crab", "unlisted"):
            write_sound(
                folder / f"fillets-ng-data-{language}" / game / f"sound/barrel/{language}/{key}.ogg",
                np.stack([voice(0.5)] * 2, axis=1),
                22_050,
            )
        script = "".join(
            f'dialogId("{key}", "{font}", "English \\"{key}\\" words.")\ndialogStr("Jiná \\"{key}\\" slova.")\n\n'
            for key, font in (
                ("bar-v-one", "font_big"),
                ("bar-m-two", "font_small"),
                ("bar-x-crab", "font_crab"),
            )
        )
        write_text(folder / "fillets-ng-data" / game / f"script/barrel/dialogs_{language}.lua", script)
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def config(packages: Path) -> HumanCorpusConfig:
    return HumanCorpusConfig(sources=list(SOURCES), packages_folder=str(packages))


@pytest.fixture(scope="module")
def corpus(config: HumanCorpusConfig, tmp_path_factory: pytest.TempPathFactory) -> CorpusPaths:
    return build_human_corpus(config, tmp_path_factory.mktemp("human"))


def test_a_person_belongs_to_one_split() -> None:
    split_of = {}
    for source in SOURCES.values():
        for speaker in source.speakers:
            assert split_of.setdefault(speaker, source.split) == source.split
    assert set(split_of.values()) == set(SPLITS)
    assert human_source("asterisk-es").speakers == human_source("asterisk-en").speakers
    assert split_of["allison-smith"] == "test"
    assert {SOURCES[name].licence for name in OPTIONAL} == {"GPL-2.0-only"}
    assert not any(SOURCES[name].licence.startswith("GPL") for name in DEFAULT)


def test_built_corpus_keeps_people_apart(corpus: CorpusPaths) -> None:
    speakers = {
        split: {c.supervisions[0].speaker for c in each_cut(load_cuts(corpus, split))} for split in SPLITS
    }
    for left, right in itertools.combinations(SPLITS, 2):
        assert not speakers[left] & speakers[right]
    assert speakers["test"] == {"allison-smith", "librivox-austen"}
    assert speakers["dev"] == {"june-wallack"}
    fish = {f"fillets-{language}-{size}" for language in ("cs", "nl") for size in ("big", "small")}
    assert speakers["train"] == {"carlo-flora", "ivrvoice-ru", "msu-ru-nsh", *fish}


def test_cuts_hold_words_language_and_sound(corpus: CorpusPaths) -> None:
    cuts = {cut.id: cut for split in SPLITS for cut in each_cut(load_cuts(corpus, split))}
    words = {name: cut.supervisions[0].text for name, cut in cuts.items()}
    assert words["asterisk-en-hello"] == "Hello there: you."
    assert words["asterisk-en-digits_1"] == "one"
    assert words["asterisk-en-noted"] is None
    assert words["asterisk-en-untold"] is None
    assert words["festvox-ru-ru_0001"] == "Жили люди."
    assert words["librivox-en-austen-0870"] == "he was not an ill disposed young man"
    assert words["fillets-cs-barrel_bar-v-one"] == 'Jiná "bar-v-one" slova.'
    assert cuts["fillets-nl-barrel_bar-m-two"].supervisions[0].speaker == "fillets-nl-small"
    assert not {"asterisk-en-beep", "asterisk-en-silence_1", "fillets-cs-barrel_bar-x-crab"} & set(cuts)
    for cut in cuts.values():
        source = human_source(facts_of(cut)["source"])
        assert cut.supervisions[0].language == source.language
        assert facts_of(cut)["licence"] == source.licence
        pcm_S = pcm_of(cut).numpy()
        assert len(pcm_S) == round(cut.duration * 16_000)
        assert 0.3 <= cut.duration == cut.supervisions[0].duration <= 0.9
        level_dbfs = 20 * np.log10(np.sqrt(np.square(pcm_S).mean()))
        assert level_dbfs == pytest.approx(-23, abs=1.0)


def test_datasheet(corpus: CorpusPaths) -> None:
    sheet = json.loads(corpus.datasheet.read_text(encoding="utf-8"))
    assert sheet["splits"]["test"]["num_cuts"] == 2 * 4 + 1
    assert sheet["splits"]["test"]["num_with_text"] == 2 * 2 + 1
    allison = sheet["speakers"]["test"]["allison-smith"]
    assert allison["num_cuts"] == 8
    assert allison["languages"] == ["en", "es"]
    assert allison["hours"] > 0
    assert sheet["left_out"]["asterisk-en"] == {"not speech": 2}
    assert sum(sheet["left_out"]["fillets-cs"].values()) == 2
    by_name = {row["name"]: row for row in sheet["sources"]}
    assert set(by_name) == set(SOURCES)
    assert all(row["licence"] and row["credit"] for row in by_name.values())
    assert by_name["asterisk-en"]["packages"][1] == {
        "name": "asterisk-core-sounds-en",
        "version": "1.6.1-1",
        "deb_sha256": None,
    }


def test_a_built_corpus_is_found_and_an_interrupted_one_goes_on(
    corpus: CorpusPaths, config: HumanCorpusConfig
) -> None:
    files = [path for path in corpus.folder.rglob("*") if path.is_file()]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
    assert build_human_corpus(config, corpus.folder) == corpus
    assert {path: path.stat().st_mtime_ns for path in files} == {path: at for path, (at, _) in before.items()}
    lost = next(path for path in files if path.suffix == ".flac")
    lost.unlink()
    corpus.datasheet.unlink()
    build_human_corpus(config, corpus.folder)
    assert {path: path.read_bytes() for path in files} == {path: data for path, (_, data) in before.items()}
    kept = [path for path in files if path.suffix == ".flac" and path != lost]
    assert all(path.stat().st_mtime_ns == before[path][0] for path in kept)
    assert not list(corpus.folder.rglob("*.tmp"))


def test_hash_sees_what_the_corpus_holds(config: HumanCorpusConfig) -> None:
    base = human_corpus_hash(HumanCorpusConfig())
    assert base == human_corpus_hash(HumanCorpusConfig(sources=list(reversed(DEFAULT)), packages_folder="x"))
    for other in (config, HumanCorpusConfig(min_duration_s=0.5), HumanCorpusConfig(max_duration_s=20.0)):
        assert human_corpus_hash(other) != base


def test_g722_survives_decoding(tmp_path: Path) -> None:
    path = tmp_path / "a.g722"
    spoken_S = voice(1.0)
    write_g722(path, spoken_S)
    heard_S = decode_clip(path)
    assert heard_S.dtype == np.float32
    assert len(heard_S) == pytest.approx(16_000, abs=400)
    # the filter bank delays: the best shift must give the sound back
    best = max(np.corrcoef(spoken_S[:15_000], heard_S[d : 15_000 + d])[0, 1] for d in range(60))
    assert best > 0.99


def test_too_short_and_too_long_are_left_out(packages: Path, tmp_path: Path) -> None:
    limits = DurationLimits(min_s=0.55, max_s=0.65)
    assert limits.broken_by(8_000) == "shorter than 0.55 s"
    assert limits.broken_by(16_000) == "longer than 0.65 s"
    assert limits.broken_by(9_600) is None
    config = HumanCorpusConfig(
        sources=["asterisk-en"], min_duration_s=0.55, max_duration_s=0.65, packages_folder=str(packages)
    )
    paths = build_human_corpus(config, tmp_path)
    assert [cut.id for cut in each_cut(load_cuts(paths, "test"))] == ["asterisk-en-hello"]
    assert [path.name.split("-")[0] for path in (tmp_path / "audio").rglob("*.flac")] == ["hello"]


def test_one_file_without_sound_is_left_out_many_are_an_error(tmp_path: Path) -> None:
    package = make_packages(tmp_path / "packages")
    folder = package / "asterisk-core-sounds-en-g722/usr/share/asterisk/sounds/en_XX_f_Y"
    (folder / "hello.g722").write_bytes(b"")
    config = HumanCorpusConfig(sources=["asterisk-en"], packages_folder=str(package))
    with pytest.raises(ValueError, match=r"'1 of 6' is not allowed: expected at most 2%. Unpack"):
        build_human_corpus(config, tmp_path / "out")
    for number in range(60):
        shutil.copy(folder / "digits/1.g722", folder / f"copy-{number}.g722")
    sheet = json.loads(build_human_corpus(config, tmp_path / "out").datasheet.read_text())
    assert sheet["left_out"]["asterisk-en"] == {"not speech": 2, NO_SOUND: 1}


@pytest.mark.parametrize(
    ("name", "content"), [("a.g722", b""), ("a.wav", b""), ("a.wav", b"not a sound at all")]
)
def test_damaged_sound_says_which(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=name):
        store_clip(path, tmp_path / "a.flac", DurationLimits(min_s=0.3, max_s=30.0))
    assert not (tmp_path / "a.flac").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": []}, "at least one source"),
        ({"sources": ["asterisk-en", "asterisk-en"]}, "each once"),
        ({"sources": ["asterisk-de"]}, r"'asterisk-de' is not allowed: expected some of \['asterisk-en'"),
        ({"min_duration_s": 0.0}, "min_duration_s"),
        ({"max_duration_s": 0.2}, "above min_duration_s = 0.3"),
    ],
)
def test_bad_config(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HumanCorpusConfig(**arguments)


def test_command(packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    corpus_command.add_arguments(parser)
    words = [
        "human",
        "--out",
        str(tmp_path),
        "--sources",
        "librivox-en",
        "--add",
        "fillets-cs",
        "--packages-folder",
    ]
    args = parser.parse_intermixed_args([*words, str(packages)])
    assert corpus_command.run(args) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[:-1]] == [
        ["train", "fillets-cs-big", "cs"],
        ["train", "fillets-cs-small", "cs"],
        ["test", "librivox-austen", "en"],
    ]
    assert lines[-1] == str(tmp_path / "corpus.json")


def test_real_packages_give_the_shipped_clips(tmp_path: Path) -> None:
    source = human_source("asterisk-en")
    folder = CHECKOUT / "runs/human/packages"
    if not all(list(folder.glob(f"{name}_*.deb")) for name in source.packages):
        pytest.skip("the Debian packages are not here: omni-audio corpus human --out runs/human fetches them")
    clips = {clip.key: clip for clip in clips_of(source, obtain_packages(source.packages, tmp_path, folder))}
    assert len(clips) > 500
    for line in (CHECKOUT / "tests/data/transcripts.jsonl").read_text().splitlines():
        row = json.loads(line)
        clip = clips[row["file"].removeprefix("allison-").removesuffix(".flac")]
        assert (clip.speaker, clip.text) == (row["speaker"], row["text"])
        np.testing.assert_array_equal(
            decode_clip(clip.path), load_audio(CHECKOUT / "tests/data" / row["file"])
        )
