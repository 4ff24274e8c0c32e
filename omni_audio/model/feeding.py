"""What goes into a stream: checked first, then fed in pieces, so that no prompt costs a quadratic pass."""

from collections.abc import Iterator

import torch

from omni_audio.checks import require, require_range
from omni_audio.model.sequence import TokenSequence
from omni_audio.model.text import Special
from omni_audio.model.transformer import OmniModel

PREFILL_POSITIONS = 512
"""The most positions of one pass through the stack, where no encoder chunk is longer."""


def pieces(sequence: TokenSequence, size: int) -> Iterator[TokenSequence]:
    """The sequence in pieces of at most `size` positions, which leave encoder chunks whole."""
    chunks = sequence.chunk_T.tolist()
    cuts = [i for i in range(1, len(chunks)) if chunks[i] < 0 or chunks[i] != chunks[i - 1]]
    start = last = 0
    for cut in [*cuts, len(chunks)]:
        if cut - start > size and last > start:
            yield sequence.part(start, last)
            start = last
        last = cut
    yield sequence.part(start, last)


def check_sequence(sequence: TokenSequence, model: OmniModel, num_fed: int = 0) -> None:
    """Checks that the network can read the sequence behind `num_fed` positions of the same stream.

    Raises:
        ValueError: it is empty; a tensor has another dtype or shape; an id, code or state is out of range; an encoder
            chunk is longer than the window; a pinned position lies behind the pinned places.
    """
    length = sequence.ids_T.shape[0] if sequence.ids_T.dim() == 1 else 0
    require(
        length > 0, "sequence.ids_T", tuple(sequence.ids_T.shape), "at least one id, (T,)", "Feed something."
    )
    tokenizer = model.tokenizer_config
    expected = {
        "ids_T": (torch.int64, (length,)),
        "codes_TK": (torch.int64, (length, tokenizer.vq.num_codebooks)),
        "states_TS": (torch.float32, (length, model.state_width)),
        "chunk_T": (torch.int64, (length,)),
        "pinned_T": (torch.bool, (length,)),
    }
    remedy = "Make sequences with SequenceBuilder."
    for name, (dtype, shape) in expected.items():
        tensor = getattr(sequence, name)
        require(tensor.dtype is dtype, f"sequence.{name}.dtype", tensor.dtype, f"{dtype}", remedy)
        require(
            tuple(tensor.shape) == shape, f"sequence.{name}.shape", tuple(tensor.shape), f"{shape}", remedy
        )
    for name, tensor, low, size in (
        ("ids_T", sequence.ids_T, 0, model.vocabulary.size),
        ("codes_TK", sequence.codes_TK, -1, tokenizer.vq.codebook_size),
    ):
        for value in (int(tensor.min()), int(tensor.max())):
            require_range(f"sequence.{name}", value, low, size - 1)
    has_codes_TK = sequence.codes_TK >= 0
    is_frame_T = sequence.ids_T >= model.vocabulary.semantic_start
    if (
        model.delays.longest > 0
    ):  # in an answer, codes of earlier frames stand with a frame, and behind its end
        may_have_T = is_frame_T | (sequence.ids_T == Special.AUDIO)
        are_whole = bool((has_codes_TK[:, 0] == is_frame_T).all() and not has_codes_TK[~may_have_T].any())
        allowed = "a first code at each semantic id, later ones there or at <audio>, and -1 elsewhere"
    else:
        are_whole = bool((has_codes_TK == is_frame_T[:, None]).all())
        allowed = "all codes of a frame at its semantic id, and -1 elsewhere"
    require(are_whole, "sequence.codes_TK", "codes at other places than the semantic ids", allowed, remedy)
    require(
        bool(torch.isfinite(sequence.states_TS).all()),
        "sequence.states_TS",
        "NaN or infinite",
        "finite numbers",
        "Check the sound.",
    )
    _, run_lengths = torch.unique_consecutive(sequence.chunk_T[sequence.chunk_T >= 0], return_counts=True)
    longest = int(run_lengths.max()) if len(run_lengths) else 0
    require(
        longest <= model.config.window,
        "the longest encoder chunk",
        longest,
        f"at most model.window = {model.config.window} positions",
        "Take the layout of this build.",
    )
    pinned = sequence.pinned_T.nonzero()
    last_pinned = num_fed + int(pinned.max()) if len(pinned) else 0
    require(
        last_pinned < model.config.layout.pinned_positions,
        "the last pinned position",
        last_pinned,
        f"less than model.layout.pinned_positions = {model.config.layout.pinned_positions}",
        "Give instructions at the start of a stream.",
    )
