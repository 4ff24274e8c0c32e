"""FlexAttention against attention written out, where the window, the pinned prefix, chunks and its own blocks end."""

import math

import pytest
import torch
from torch import Tensor

from omni_audio.model.attention import AttentionBackend, Places, attend, visible, visible_blocks

BLOCK = 128
"""Of FlexAttention."""


def stream(length: int, num_pinned: int, chunk: int) -> Places:
    """A pinned prefix, encoder chunks up to the middle, decoder positions behind it."""
    place_T = torch.arange(length)
    chunk_T = torch.where(place_T < length // 2, place_T // chunk, -1)
    return Places(place_T[None], torch.zeros(1, length).long(), chunk_T[None], (place_T < num_pinned)[None])


def sees(places: Places, query: int, key: int, window: int) -> bool:
    """Whether one position may attend to another, as docs/design.md says it."""
    chunk_T = places.chunk_BT[0].tolist()
    in_chunk = chunk_T[query] >= 0 and chunk_T[query] == chunk_T[key]
    in_past = key <= query
    in_window = query - key < window
    return (in_past or in_chunk) and (in_window or bool(places.pinned_BT[0, key]))


def written_out(q: Tensor, k: Tensor, v: Tensor, places: Places, window: int) -> Tensor:
    """Each query's softmax over the keys that it sees, (1, N, T, H)."""
    length = q.shape[2]
    made = torch.zeros_like(q)
    for query in range(length):
        keys = [key for key in range(length) if sees(places, query, key, window)]
        scores_NJ = (k[0, :, keys] * q[0, :, query, None]).sum(-1) / math.sqrt(q.shape[-1])
        made[0, :, query] = (scores_NJ.softmax(-1)[..., None] * v[0, :, keys]).sum(1)
    return made


@pytest.mark.parametrize(
    ("length", "num_pinned", "chunk", "window"),
    [
        (BLOCK - 1, 0, 1, 1),  # itself alone
        (BLOCK, 1, 8, 8),  # the window is one chunk
        (BLOCK + 1, 16, 7, 9),  # one position lies in a second block
        (2 * BLOCK + 3, 16, 33, BLOCK),  # a chunk lies across two blocks, the window is a block
        (2 * BLOCK + 3, BLOCK + 1, 8, BLOCK + 1),  # the prefix passes a block by one position
    ],
)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_and_naive_are_attention_written_out(
    length: int, num_pinned: int, chunk: int, window: int
) -> None:
    torch.manual_seed(length + window)
    places = stream(length, num_pinned, chunk)
    q, k, v = torch.randn(3, 1, 2, length, 8)
    expected = written_out(q, k, v, places, window)
    blocks = visible_blocks(places, places, window)
    for mask, backend in (
        (blocks, AttentionBackend.FLEX),
        (visible(places, places, window), AttentionBackend.NAIVE),
    ):
        torch.testing.assert_close(attend(q, k, v, mask, backend), expected, atol=2e-5, rtol=1e-4)
    other = visible_blocks(places, places, window + 1)
    wider = attend(q, k, v, other, AttentionBackend.FLEX)
    assert (wider - expected).abs().max() > 1e-3, "one position more is seen by the test"
