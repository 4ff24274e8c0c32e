"""The same of Hugging Face transformers' Mistral: a sliding window, random weights, no grouped queries.

Where it has several ways, all are timed, and the fastest counts: a dynamic or a static cache in decoding, its `sdpa` or
`eager` attention in training. Prefill and decoding use `sdpa`, which is faster there. Compiled steps take minutes to
make, and are timed where ours are too.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from measuring.our_ways import autocast
from measuring.timing import Way
from omni_audio.checks import import_optional
from omni_audio.model.transformer import OmniModel

THEIRS = "transformers"
WANTED_FOR = "the comparison with transformers"


def mistral_like(model: OmniModel) -> Any:
    """A MistralForCausalLM of the shape of our stack, in evaluation mode, float32.

    Raises:
        ValueError: transformers is not installed.
    """
    transformers = import_optional("transformers", WANTED_FOR)
    shape = model.config
    config = transformers.MistralConfig(
        vocab_size=model.vocabulary.size,
        hidden_size=shape.width,
        intermediate_size=shape.mlp_width,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        sliding_window=shape.window,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        attn_implementation="sdpa",
    )
    torch.manual_seed(0)
    return transformers.MistralForCausalLM(config).eval()


def _caches(peer: nn.Module, num_positions: int) -> dict[str, Any]:
    transformers: Any = import_optional("transformers", WANTED_FOR)
    config = peer.config
    return {
        "sdpa, dynamic cache": transformers.DynamicCache(config=config),
        "sdpa, static cache": transformers.StaticCache(config=config, max_cache_len=num_positions),
    }


def _as_it_was(cache: Any) -> Any:
    """A cache that can be written to without changing this one; a dynamic one makes new tensors in each step."""
    if type(cache).__name__ == "StaticCache":
        return copy.deepcopy(cache)
    again = copy.copy(cache)
    again.layers = [copy.copy(layer) for layer in cache.layers]
    return again


def prefill_way(peer: Any, ids_BT: Tensor) -> Way:
    """One prompt in one pass into a new dynamic cache, and the logits after it."""
    num_positions = ids_BT.shape[1]

    @torch.no_grad()
    def run() -> None:
        cache = _caches(peer, num_positions)["sdpa, dynamic cache"]
        peer(input_ids=ids_BT, past_key_values=cache, use_cache=True, logits_to_keep=1)

    return Way(THEIRS, "sdpa, dynamic cache", run)


@torch.no_grad()
def decode_ways(peer: Any, ids_BT: Tensor, num_steps: int) -> list[Way]:
    """Steps of one position for every row behind `ids_BT`, with each kind of cache."""

    def way(name: str, warm: Any) -> Way:
        state = {"cache": warm}

        def prepare() -> None:
            state["cache"] = _as_it_was(warm)

        @torch.no_grad()
        def run() -> None:
            for _ in range(num_steps):
                peer(input_ids=ids_BT[:, :1], past_key_values=state["cache"], use_cache=True)

        return Way(THEIRS, name, run, prepare, num_steps)

    caches = _caches(peer, ids_BT.shape[1] + num_steps)
    for cache in caches.values():
        peer(input_ids=ids_BT, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return [way(name, cache) for name, cache in caches.items()]


@torch.no_grad()
def compiled_way(peer: Any, ids_BT: Tensor, num_steps: int, name: str) -> Way:
    """The same steps through torch.compile with a static cache, as transformers' guide does; the work is done here.

    Its window is full, so that every step is as long as the next and the cache need not be put back.
    """
    cache = _caches(peer, ids_BT.shape[1] + num_steps)["sdpa, static cache"]
    peer(input_ids=ids_BT, past_key_values=cache, use_cache=True, logits_to_keep=1)
    forward = torch.compile(peer.forward)

    @torch.no_grad()
    def run() -> None:
        for _ in range(num_steps):
            forward(input_ids=ids_BT[:, :1], past_key_values=cache, use_cache=True)

    run()
    return Way(THEIRS, name, run, num_steps=num_steps)


def _train_step(peer: Any, ids_BT: Tensor, dtype: torch.dtype, forward: Any) -> Callable[[], None]:
    """Forward, backward and AdamW."""
    optimizer = torch.optim.AdamW(peer.parameters(), lr=1e-4, fused=True)

    def run() -> None:
        with autocast(dtype):
            loss = forward(input_ids=ids_BT, labels=ids_BT, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def _train_by(peer: Any, attention: str) -> None:
    peer.train()
    peer.set_attn_implementation(attention)


def train_ways(peer: Any, ids_BT: Tensor, dtype: torch.dtype) -> list[Way]:
    """A training step by each attention that runs on a CPU."""
    run = _train_step(peer, ids_BT, dtype, peer.forward)
    return [Way(THEIRS, name, run, lambda name=name: _train_by(peer, name)) for name in ("sdpa", "eager")]


def compiled_train_way(peer: Any, ids_BT: Tensor, dtype: torch.dtype) -> Way:
    """The same through torch.compile as a whole, with `sdpa`; the work is done here."""
    own = copy.deepcopy(peer)
    _train_by(own, "sdpa")
    run = _train_step(own, ids_BT, dtype, torch.compile(own.forward))
    run()
    return Way(THEIRS, "sdpa, compiled", run)
