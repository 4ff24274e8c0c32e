"""README.md says what was measured: its figures are those of experiments/results."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_figures_of_readme_are_the_measured_ones() -> None:
    command = [sys.executable, str(ROOT / "experiments" / "readme_figures.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
