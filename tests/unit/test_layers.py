"""Imports go one way; the test reads the source, so a lazy import inside a function counts too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import omni_audio

PACKAGE = Path(omni_audio.__file__).parent

# What each part may import; `omni_audio/*.py` (checks, files, plain, record) may be imported by all.
ALLOWED = {
    "audio": set(),
    "tokenizer": {"audio"},
    "weight_quant": {"audio"},
    "model": {"audio", "tokenizer", "weight_quant"},
    "data": {"audio", "tokenizer", "model"},
    "training": {"audio", "tokenizer", "model", "weight_quant", "data"},
    "evaluation": {"audio", "tokenizer", "model", "weight_quant", "data"},
    "serving": {"audio", "tokenizer", "model", "weight_quant"},
    "config": {"audio", "tokenizer", "model", "weight_quant", "data", "training", "evaluation", "serving"},
    "cli": {
        "audio",
        "tokenizer",
        "model",
        "weight_quant",
        "data",
        "training",
        "evaluation",
        "serving",
        "config",
    },
}
ONLY_IN = {
    "hydra": {"config", "cli"},
    "omegaconf": {"config", "cli"},
    "lightning": {"training", "data"},
    "fastapi": {"serving"},
    "prometheus_client": {"serving"},
    "ray": {"serving"},
    "faster_whisper": {"evaluation"},
}

FILES = sorted(PACKAGE.rglob("*.py"))


def nodes_that_run(tree: ast.AST):
    """Every node outside `if TYPE_CHECKING:`, whose imports are for the type checker only."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield from nodes_that_run(child)


def imported_modules(source: str) -> set[str]:
    found = set()
    for node in nodes_that_run(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def part_of(file: Path) -> str:
    relative = file.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else ""


def violations(part: str, source: str) -> list[str]:
    wrong = []
    for module in imported_modules(source):
        root, *rest = module.split(".")
        if root == "omni_audio" and rest and (PACKAGE / rest[0]).is_dir():
            if rest[0] != part and rest[0] not in ALLOWED.get(part, set()):
                wrong.append(module)
        elif part not in ONLY_IN.get(root, {part}):
            wrong.append(module)
    return sorted(wrong)


def test_every_part_has_a_rule():
    parts = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file()}
    assert parts == set(ALLOWED)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_one_way(file):
    assert violations(part_of(file), file.read_text(encoding="utf-8")) == []


def test_one_file_knows_the_metrics_library():
    knowing = [
        file.name
        for file in FILES
        if any(
            module.split(".")[0] == "prometheus_client"
            for module in imported_modules(file.read_text("utf-8"))
        )
    ]
    assert knowing == ["metrics.py"]


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("audio", "from omni_audio.tokenizer import tokenizer"),
        ("model", "def f():\n    from omni_audio.training.optim import OptimConfig"),
        ("evaluation", "import omni_audio.serving.app"),
        ("model", "import lightning.pytorch as pl"),
        ("training", "from omegaconf import DictConfig"),
        ("", "from omni_audio import model"),
    ],
)
def test_a_wrong_import_is_found(part, source):
    assert violations(part, source)


def test_an_import_for_the_type_checker_is_free():
    assert not violations(
        "training", "if TYPE_CHECKING:\n    from omni_audio.config.schema import RootConfig"
    )
    assert violations(
        "training", "if not TYPE_CHECKING_:\n    from omni_audio.config.schema import RootConfig"
    )


def test_help_does_not_load_torch():
    script = (
        "import sys, contextlib\n"
        "from omni_audio.cli.main import main\n"
        "for words in (['--help'], ['train', '--help'], ['chat', '--help']):\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main(words)\n"
        "loaded = {'torch', 'hydra', 'lightning', 'fastapi'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
