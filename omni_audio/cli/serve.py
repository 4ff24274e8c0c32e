"""Serves a build over HTTP as chat, speech, transcriptions, models and metrics, for any OpenAI client."""

import argparse

from omni_audio.cli.arguments import add_overrides, check_overrides

EXAMPLES = """\
examples:
  omni-audio serve                                       the newest build, on 127.0.0.1:8000
  omni-audio serve build=builds/NAME server.port=9000
  omni-audio serve weight_quant=nf4 server.num_slots=4
  omni-audio serve weight_quant=int4 runtime.compile=true        fast on a CPU; it needs g++
  omni-audio serve runtime=ray server.ray.max_replicas=8  on Ray Serve, needs the extra `ray`
"""

GROUPS = ("experiment", "server", "weight_quant", "runtime")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds overrides."""
    add_overrides(parser)


def run(args: argparse.Namespace) -> int:
    """Serves until Ctrl-C."""
    check_overrides(args.overrides)
    from omni_audio.cli.loading import load_with_build

    config = load_with_build(args.overrides, args.config_dir)
    from omni_audio.model.assistant import Assistant, WeightQuant
    from omni_audio.model.compiler import check_compiler
    from omni_audio.serving.server import build_app, make_server, require_free_port
    from omni_audio.training.runtime import apply_runtime

    require_free_port(config.server.host, config.server.port)

    def load() -> Assistant:
        device = apply_runtime(config.runtime)
        if config.server.compile:
            check_compiler(device)
        quant, settings = config.server.weight_quant, config.weight_quant
        nf4 = settings.nf4 if quant is WeightQuant.NF4 else settings.asked_nf4
        return Assistant.load(config.server.build, quant, nf4, device=device)

    if config.server.ray is None:
        make_server(config.server, load()).run()
        return 0
    from omni_audio.serving.ray_serve import serve_on_ray

    serve_on_ray(config.server, config.server.ray, lambda: build_app(config.server, load()))
    return 0
