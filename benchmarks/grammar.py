"""What share of a decode step the grammar of the answers takes: masks, JSON forms by llguidance, and taking ids up.

Every stream writes a reply that has to be JSON of a schema with strings, numbers and lists, drawn at temperature 1 from
an untrained network of the size of a preset: time does not depend on what the weights know. In Generator.step one clock
goes from the first mask that is asked for until ids are chosen: all masks, their inversion, its copy to the device and
the filling of the logits. Another stands around the calls that take the chosen ids up. Step and share are of one run.

    grammar_share    by number of streams: median of the grammars' time over median of the step; target: below 0.05
    step_ms          by number of streams: median of the step
    grammar_us       by number of streams: median of the grammar's part, for one stream

The last line is JSON.

    python benchmarks/grammar.py --quick
    python benchmarks/grammar.py --preset nano --streams 1 16
"""

import argparse
import json
import statistics
import time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.untrained import untrained_model
from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.evaluation.results import digits
from omni_audio.model import generate
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, SequenceBuilder
from omni_audio.model.text import TextTokenizer
from omni_audio.model.text_form import TextForms
from omni_audio.model.transformer import OmniModel

WARM_UP = 3
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "count": {"type": "integer"},
        "notes": {"type": "array", "items": {"type": "string"}, "minItems": 1000},
    },
    "required": ["title", "count", "notes"],
    "additionalProperties": False,
}
"""It cannot be satisfied before the steps are over."""


class Clocked:
    """A Generator's steps, and the time that they spend on grammars."""

    def __init__(self, generator: Generator) -> None:
        self.generator, self.grammar_s = generator, 0.0
        self.masks_since_s: float | None = None
        self._allow, self._choose = generator._allow, generate.choose
        generator._allow = self._first_mask
        for answer in generator.streams.values():
            answer.grammar.push = self._clock(answer.grammar.push)

    def _clock(self, function: Any) -> Any:
        def clocked(*args: Any) -> Any:
            start = time.perf_counter()
            made = function(*args)
            self.grammar_s += time.perf_counter() - start
            return made

        return clocked

    def _first_mask(self, slot: int, mask_V: np.ndarray, is_finite: bool) -> None:
        if self.masks_since_s is None:
            self.masks_since_s = time.perf_counter()
        self._allow(slot, mask_V, is_finite)

    def _masks_done(self, *args: Any) -> list[int]:
        assert self.masks_since_s is not None, "ids are chosen once in a step, behind the masks"
        self.grammar_s += time.perf_counter() - self.masks_since_s
        self.masks_since_s = None
        return self._choose(*args)

    def step(self) -> tuple[float, float]:
        """Seconds of one step, and of its grammars."""
        self.grammar_s = 0.0
        with patch.object(generate, "choose", self._masks_done):
            start = time.perf_counter()
            self.generator.step()
            return time.perf_counter() - start, self.grammar_s


def writing(model: OmniModel, num_streams: int, num_steps: int) -> Generator:
    """Streams that write JSON for so many steps."""
    text = TextTokenizer.train([json.dumps(tool) for tool in TOOLS.values()], model.config.num_text)
    form = TextForms(text, model.vocabulary.num_text).json(SCHEMA)
    builder = SequenceBuilder(
        text, model.vocabulary, model.depth.num_codebooks, model.config.layout, model.state_width
    )
    prompt = builder.user_text("write").assistant(Mode.REPLY_TEXT).build()
    generator = Generator(model, num_streams)
    for slot in range(num_streams):
        request = GenerationRequest(
            mode=Mode.REPLY_TEXT, text_form=form, temperature=1.0, seed=slot, max_text_tokens=num_steps + 1
        )
        generator.open(slot, prompt, request)
    return generator


def measure(model: OmniModel, num_streams: int, num_steps: int) -> dict[str, float]:
    """The figures of so many streams."""
    clocked = Clocked(writing(model, num_streams, num_steps + WARM_UP))
    times = [clocked.step() for _ in range(num_steps + WARM_UP)][WARM_UP:]
    assert len(clocked.generator.streams) == num_streams, "every stream writes until the end"
    step_s, grammar_s = (statistics.median(values) for values in zip(*times, strict=True))
    return {
        "grammar_share": digits(grammar_s / step_s),
        "step_ms": digits(step_s * 1e3),
        "grammar_us": digits(grammar_s * 1e6 / num_streams),
    }


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "1 and 4 streams, few steps: seconds")
    add = parser.add_argument
    add("--preset", default="nano", help="of configs/model; default: nano")
    add("--streams", type=int, nargs="+", help="default: 1 4 16")
    add("--steps", type=int, help="default: 200")
    defaults = {"streams": ([1, 4, 16], [1, 4]), "steps": (200, 10)}
    return parse(parser, defaults, {"streams": 1, "steps": 2})


def main() -> None:
    args = arguments()
    load = load_average()
    torch.set_num_threads(args.threads)
    model = untrained_model(args.preset)
    found = {str(number): measure(model, number, args.steps) for number in args.streams}
    names = list(next(iter(found.values())))
    rows = [[number, *(f"{figures[name]:g}" for name in names)] for number, figures in found.items()]
    print(markdown_table(["streams", *names], rows))
    line: dict[str, Any] = {name: {number: found[number][name] for number in found} for name in names}
    line |= {"preset": args.preset, "steps": args.steps, **run_facts(args, load, ("torch", "llguidance"))}
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
