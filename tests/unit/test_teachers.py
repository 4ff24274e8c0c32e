"""Frozen teachers of the semantic level: features frame by frame, their cache, and what they add to the loss."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lhotse import CutSet, MonoCut, Recording
from tiny import tiny_tokenizer_config

from omni_audio.audio.io import save_wav
from omni_audio.audio.units import FRAME_SAMPLES
from omni_audio.data import teachers
from omni_audio.data.codes_cache import AcousticCache
from omni_audio.data.teacher_cache import TeacherCache, make_teacher_features
from omni_audio.data.teachers import Teacher, TeacherKind, checkpoint_digest, load_teacher
from omni_audio.data.tokenizer_data import Letters, SemanticBatch, SemanticCollate
from omni_audio.data.whisper_checkpoint import load_openai_encoder
from omni_audio.tokenizer.semantic import text_to_ctc
from omni_audio.tokenizer.tokenizer import AudioTokenizer
from omni_audio.training.optim import TaskTrainingConfig
from omni_audio.training.semantic_task import SemanticLossConfig, SemanticTask, teacher_distance
from omni_audio.training.stages import fingerprint

CPU = torch.device("cpu")
WIDTH, NUM_POSITIONS = 16, 150
TRANSFORMER: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 2,
    "num_conv_pos_embedding_groups": 2,
}
OPENAI_NAMES = {
    "layers.": "blocks.",
    "self_attn_layer_norm.": "attn_ln.",
    "self_attn.q_proj.": "attn.query.",
    "self_attn.k_proj.": "attn.key.",
    "self_attn.v_proj.": "attn.value.",
    "self_attn.out_proj.": "attn.out.",
    "final_layer_norm.": "mlp_ln.",
    "fc1.": "mlp.0.",
    "fc2.": "mlp.2.",
    "embed_positions.weight": "positional_embedding",
}


def random_whisper() -> Any:
    transformers = pytest.importorskip("transformers", reason="needs the extra `bench`")
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=WIDTH,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=4 * WIDTH,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        max_source_positions=NUM_POSITIONS,
        vocab_size=40,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    return transformers.WhisperModel(config).eval()


def openai_name(name: str) -> str:
    if name.startswith("layer_norm."):
        return name.replace("layer_norm.", "ln_post.")
    for ours, theirs in OPENAI_NAMES.items():
        name = name.replace(ours, theirs)
    return name


def write_openai(path: Path, without: str = "nothing") -> Path:
    encoder = random_whisper().encoder
    state = {f"encoder.{openai_name(name)}": weight.half() for name, weight in encoder.state_dict().items()}
    state = {name: weight for name, weight in state.items() if without not in name}
    dims = {"n_mels": 80, "n_audio_ctx": NUM_POSITIONS, "n_audio_state": WIDTH}
    dims |= {"n_audio_head": 2, "n_audio_layer": 2}
    torch.save({"dims": dims, "model_state_dict": {**state, "decoder.ln.weight": torch.zeros(1)}}, path)
    return path


def write_folder(folder: Path, kind: str) -> Path:
    transformers = pytest.importorskip("transformers", reason="needs the extra `bench`")
    torch.manual_seed(0)
    if kind == "whisper":
        random_whisper().save_pretrained(folder)
        transformers.WhisperFeatureExtractor().save_pretrained(folder)
        return folder
    names = {"hubert": ("HubertConfig", "HubertModel"), "wavlm": ("WavLMConfig", "WavLMModel")}[kind]
    config = getattr(transformers, names[0])(**TRANSFORMER)
    getattr(transformers, names[1])(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["openai", "whisper", "hubert", "wavlm"])
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TeacherKind, str]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "openai":
        return TeacherKind.whisper, str(write_openai(folder / "random.pt"))
    return TeacherKind(request.param), str(write_folder(folder, request.param))


def noise(num_samples: int, seed: int) -> torch.Tensor:
    return 0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("num_samples", [1, 1280, 12_000, 40_000])
def test_a_vector_a_frame(source, num_samples):
    teacher = load_teacher(*source, None, CPU)
    features_FD = teacher.features(noise(num_samples, 0))
    assert features_FD.shape == (-(-num_samples // FRAME_SAMPLES), teacher.width) == (len(features_FD), WIDTH)
    assert features_FD.dtype == torch.float32
    assert torch.isfinite(features_FD).all()
    assert not features_FD.requires_grad
    assert torch.equal(features_FD, teacher.features(noise(num_samples, 0)))


def test_a_teacher_is_frozen(source):
    teacher: Any = load_teacher(*source, None, CPU)
    model = teacher.encoder if source[0] is TeacherKind.whisper else teacher.model
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_what_changes_in_a_frame_changes_its_feature(source):
    """Layer 0 is local: another sound in frame 9 must show there, and not two frames off."""
    teacher = load_teacher(*source, 0, CPU)
    pcm_S = noise(16 * FRAME_SAMPLES, 0)
    changed_S = pcm_S.clone()
    changed_S[9 * FRAME_SAMPLES : 10 * FRAME_SAMPLES] = noise(FRAME_SAMPLES, 1)
    difference_F = (teacher.features(changed_S) - teacher.features(pcm_S)).norm(dim=-1)
    assert int(difference_F.argmax()) == 9
    if source[0] is TeacherKind.whisper:  # the first layer of the others normalises over the whole sound
        assert float(difference_F[[*range(8), *range(11, 16)]].max()) < 1e-3 * float(difference_F[9])


def test_layers_differ(source):
    pcm_S = noise(8000, 0)
    by_layer = [load_teacher(*source, layer, CPU).features(pcm_S) for layer in (0, 1, 2)]
    default = load_teacher(*source, None, CPU).features(pcm_S)
    assert not torch.allclose(by_layer[0], by_layer[1], atol=1e-3)
    if source[0] is not TeacherKind.whisper:
        torch.testing.assert_close(default, torch.stack(by_layer).mean(0), atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match=r"semantic_loss.teacher_layer = 3 is not allowed: expected 0 to 2"):
        load_teacher(*source, 3, CPU)


def test_weights_of_openai_are_those_of_transformers(tmp_path):
    loaded = load_openai_encoder(write_openai(tmp_path / "random.pt")).state_dict()
    wanted = random_whisper().encoder.state_dict()
    assert loaded.keys() == wanted.keys()
    assert all(torch.equal(loaded[name], wanted[name].half().float()) for name in wanted)


def test_checkpoints_that_cannot_be_used(tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="needs the extra `bench`")
    with pytest.raises(ValueError, match="an existing file"):
        load_teacher(TeacherKind.whisper, str(tmp_path / "missing.pt"), None, CPU)
    with pytest.raises(ValueError, match="expected a folder with a hubert model"):
        load_teacher(TeacherKind.hubert, str(tmp_path / "missing"), None, CPU)
    folder = str(write_folder(tmp_path / "wavlm", "wavlm"))
    with pytest.raises(ValueError, match="a hubert model, this is wavlm"):
        load_teacher(TeacherKind.hubert, folder, None, CPU)
    with pytest.raises(ValueError, match="Only Whisper is read from a single file"):
        load_teacher(TeacherKind.wavlm, str(write_openai(tmp_path / "random.pt")), None, CPU)
    with pytest.raises(ValueError, match=r"these differ: .*fc1.bias"):
        load_openai_encoder(write_openai(tmp_path / "part.pt", without="blocks.1.mlp.0.bias"))
    monkeypatch.setattr(teachers, "PACKAGED_WHISPER", "no_such_package")
    with pytest.raises(ValueError, match="package no_such_package is missing"):
        SemanticLossConfig(teacher=TeacherKind.whisper).facts()


def test_a_teacher_belongs_to_the_fingerprint_and_none_changes_nothing(tmp_path):
    assert fingerprint(SemanticLossConfig().facts()) == fingerprint({"early_weight": 0.5})
    path = write_openai(tmp_path / "random.pt")
    config = SemanticLossConfig(teacher=TeacherKind.whisper, teacher_source=str(path))
    before = config.facts()
    assert before["teacher"] == "whisper"
    write_openai(path, without="ln_post")
    assert config.facts() != before
    assert checkpoint_digest("facebook/hubert-base-ls960") is None
    with pytest.raises(ValueError, match=r"null where semantic_loss.teacher is none"):
        SemanticLossConfig(teacher_source=str(path))


class Clock:
    """A teacher whose feature is the number of the frame."""

    width = 2

    def features(self, pcm_S: torch.Tensor) -> torch.Tensor:
        num_frames = -(-len(pcm_S) // FRAME_SAMPLES)
        return torch.stack([torch.arange(num_frames), torch.ones(num_frames)], -1).float()


@pytest.fixture
def cuts(tmp_path: Path) -> CutSet:
    made = []
    for number, num_samples in enumerate((12_800, 20_000)):
        path = tmp_path / f"r{number}.wav"
        save_wav(path, noise(num_samples, number))
        recording = Recording.from_file(path)
        made.append(
            MonoCut(id=f"c{number}", start=0, duration=recording.duration, channel=0, recording=recording)
        )
    return CutSet.from_cuts([*made, made[0].with_id("again")])


def test_features_come_back(cuts, tmp_path):
    teacher: Teacher = Clock()
    cache = make_teacher_features(teacher, cuts)
    assert cache.features_FD.shape == (10 + 16, 2)  # a recording of two cuts is heard once
    assert cache.features_FD.dtype == torch.float16
    cache.save(tmp_path / "teacher" / "train.safetensors")
    loaded = TeacherCache.load(tmp_path / "teacher" / "train.safetensors")
    assert loaded.index == cache.index
    assert torch.equal(loaded.features("r1", 16)[:, 0], torch.arange(16.0))
    with pytest.raises(ValueError, match="'r7' has no teacher features here: expected one of 2"):
        loaded.features("r7", 3)


@pytest.mark.parametrize("num_frames", [8, 12])
def test_a_faster_or_slower_copy_hears_the_same_moments(cuts, num_frames):
    stretched_F = make_teacher_features(Clock(), cuts).features("r0", num_frames)[:, 0]
    middles = (torch.arange(num_frames) + 0.5) * 10 / num_frames - 0.5
    torch.testing.assert_close(stretched_F, middles.clamp(0, 9), atol=1e-3, rtol=0)


def test_features_ride_along_with_the_codes(cuts):
    teacher = make_teacher_features(Clock(), cuts)
    index = {"r0#0": (0, 10), "r0#1": (10, 12), "r1#0": (22, 16)}
    codes = AcousticCache(torch.zeros(38, 4, dtype=torch.int16), index, 2)
    batch = SemanticCollate(codes, 0, False, teacher)(cuts, 0)
    assert batch.teacher_BFD is not None
    assert batch.teacher_BFD.shape == (*batch.frames_BFX.shape[:2], 2)
    for row, length in enumerate(batch.num_frames_B.tolist()):
        assert torch.equal(batch.teacher_BFD[row, :length, 0], torch.arange(float(length)))
        assert not batch.teacher_BFD[row, length:].any()
    lengths = {
        int(SemanticCollate(codes, 0, True, teacher)(cuts, epoch).num_frames_B[0]) for epoch in range(9)
    }
    assert lengths == {10, 12}
    assert SemanticCollate(codes, 0, False)(cuts, 0).teacher_BFD is None


def test_the_distance_is_of_real_frames_only():
    teacher_BFD = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    student_BFD = 7 * teacher_BFD
    student_BFD[1, 3:] = -1.0
    num_frames_B = torch.tensor([5, 3])
    assert float(teacher_distance(student_BFD, teacher_BFD, num_frames_B)) == pytest.approx(0, abs=1e-6)
    assert float(teacher_distance(-student_BFD, teacher_BFD, num_frames_B)) == pytest.approx(2, abs=1e-6)


def batch_of(words: str | None, teacher_BFD: torch.Tensor | None) -> SemanticBatch:
    letters = Letters(torch.zeros(1, 0, dtype=torch.long), torch.tensor([0]), [""])
    if words is not None:
        target = text_to_ctc(words)
        letters = Letters(target[None], torch.tensor([len(target)]), [words])
    codes = torch.randint(16, (1, 16, 4), generator=torch.Generator().manual_seed(3))
    return SemanticBatch(codes, torch.tensor([14]), letters, teacher_BFD)


def new_task(loss: SemanticLossConfig, width: int | None, monkeypatch: pytest.MonkeyPatch) -> SemanticTask:
    torch.manual_seed(0)
    task = SemanticTask(AudioTokenizer(tiny_tokenizer_config()), loss, TaskTrainingConfig(), width)
    monkeypatch.setattr(task, "log", lambda *_, **__: None)  # there is no trainer to log to
    return task


TAUGHT = SemanticLossConfig(teacher=TeacherKind.whisper, teacher_weight=2.0)


def test_a_teacher_adds_its_distance_and_leaves_the_letters(monkeypatch):
    plain, taught = new_task(SemanticLossConfig(), None, monkeypatch), new_task(TAUGHT, 6, monkeypatch)
    assert all("teacher" not in name for name in plain.state_dict())
    shared = taught.state_dict()
    assert all(torch.equal(weight, shared[name]) for name, weight in plain.state_dict().items())
    teacher_BFD = torch.randn(1, 16, 6)
    alone, both = plain._losses(batch_of("stop", None)), taught._losses(batch_of("stop", teacher_BFD))
    assert set(both) - set(alone) == {"teacher_distance"}
    assert all(torch.equal(alone[name], both[name]) for name in alone)
    letters_alone = plain.training_step(batch_of("stop", None), 0)
    assert torch.equal(letters_alone, torch.lerp(alone["ctc"], alone["early_ctc"], 0.5))
    torch.testing.assert_close(
        taught.training_step(batch_of("stop", teacher_BFD), 0), letters_alone + 2 * both["teacher_distance"]
    )


@pytest.mark.parametrize("words", ["stop", None])
def test_the_gradient_of_a_teacher_reaches_the_encoder(words, monkeypatch):
    task = new_task(TAUGHT, 6, monkeypatch)
    task.training_step(batch_of(words, torch.randn(1, 16, 6)), 0).backward()
    assert [name for name, p in task.named_parameters() if p.requires_grad and p.grad is None] == []
    first: Any = task.tokenizer.semantic.enter.weight.grad
    assert bool(first.any())
    assert task.teacher_head is not None
    assert bool(task.teacher_head.weight.grad.any())  # pyright: ignore


def test_the_states_learn_what_the_teacher_says(monkeypatch):
    task = new_task(TAUGHT, 6, monkeypatch)
    batch = batch_of(None, torch.randn(1, 16, 6, generator=torch.Generator().manual_seed(5)))
    optimizer = torch.optim.Adam([p for p in task.parameters() if p.requires_grad], 1e-2)
    distances = []
    for _ in range(60):
        optimizer.zero_grad()
        task.training_step(batch, 0).backward()
        optimizer.step()
        distances.append(float(task._losses(batch)["teacher_distance"].detach()))
    assert distances[-1] < 0.3 * distances[0]


def test_a_task_and_its_config_agree_on_a_teacher(monkeypatch):
    with pytest.raises(ValueError, match="teacher_width = 6"):
        new_task(SemanticLossConfig(), 6, monkeypatch)
    with pytest.raises(ValueError, match=r"semantic_loss.teacher is whisper"):
        new_task(TAUGHT, None, monkeypatch)
