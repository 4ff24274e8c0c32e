"""Ring cache of keys and values, one row a stream: constant memory however long somebody talks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from omni_audio.model.attention import Places
from omni_audio.model.kv_store import KVFormat, KVStore
from omni_audio.model.layer_memory import CopiedMemory, LayerMemory, RingMemory
from omni_audio.model.rotary import rotary_turns


@dataclass(slots=True)
class KVCache:
    """Typed, explicit state of `num_slots` streams.

    keys, values: stores (layers, slots, N, L, H) with L = pinned + window. Pinned positions keep fixed places, the
    others go round the ring behind them. position (slots, L) is -1 where nothing lies; length (slots,) counts positions
    fed. Keys of the ring are turned as if the stream had begun at position origin (slots,), a multiple of the window.
    """

    keys: KVStore
    values: KVStore
    position_SL: Tensor
    chunk_SL: Tensor
    pinned_SL: Tensor
    length_S: Tensor
    origin_S: Tensor
    num_pinned_places: int

    @classmethod
    def empty(
        cls,
        *,
        num_layers: int,
        num_slots: int,
        num_heads: int,
        head_width: int,
        window: int,
        pinned: int,
        kv_format: KVFormat = KVFormat.float32,
        device: torch.device | None = None,
    ) -> "KVCache":
        """A cache in which nothing lies."""
        places = pinned + window
        shape = (num_layers, num_slots, num_heads, places, head_width)
        return cls(
            kv_format.empty(shape, device),
            kv_format.empty(shape, device),
            torch.full((num_slots, places), -1, device=device),
            torch.full((num_slots, places), -1, device=device),
            torch.zeros(num_slots, places, dtype=torch.bool, device=device),
            torch.zeros(num_slots, dtype=torch.long, device=device),
            torch.zeros(num_slots, dtype=torch.long, device=device),
            pinned,
        )

    @property
    def num_slots(self) -> int:
        return self.position_SL.shape[0]

    @property
    def num_bytes(self) -> int:
        """Memory that it takes, whatever lies in it."""
        places = (self.position_SL, self.chunk_SL, self.pinned_SL, self.length_S, self.origin_S)
        return self.keys.num_bytes + self.values.num_bytes + sum(part.nbytes for part in places)

    def reset(self, slot: int) -> None:
        """Forgets the stream in this slot, to the last number: masked values still count where they are NaN."""
        self.keys.clear(slot)
        self.values.clear(slot)
        self.position_SL[slot] = -1
        self.chunk_SL[slot] = -1
        self.pinned_SL[slot] = False
        self.length_S[slot] = 0
        self.origin_S[slot] = 0

    @property
    def window(self) -> int:
        return self.position_SL.shape[1] - self.num_pinned_places

    def keep_in_range(self, slots: Tensor, rotary_base: float) -> None:
        """Turns the ring's keys of a slot back, once in a window, so that its next position is less than L + window.

        Positions relative to each other stay as they are; the absolute ones stay small, however long the stream.
        """
        ahead = self.length_S[slots] - self.origin_S[slots] - self.position_SL.shape[1]
        back_B = ahead.clamp_min(0) // self.window * self.window
        for slot, back in zip(slots.tolist(), back_B.tolist(), strict=True):
            if back > 0:
                turned = torch.tensor([[-back]], device=self.length_S.device)
                turns = rotary_turns(turned, self.keys.numbers.shape[-1], rotary_base)
                self.keys.turn(slot, self.num_pinned_places, turns)
                self.origin_S[slot] += back

    def furthest(self, slots: Tensor) -> int:
        """Positions fed to the slot that was fed most."""
        return int(self.length_S[slots].max())

    def used_places(self, slots: Tensor) -> int:
        """Places that may hold something in these slots: less than L until a ring is full."""
        return min(self.position_SL.shape[1], self.num_pinned_places + self.furthest(slots))

    def places(self, slots: Tensor, used: int) -> Places:
        """What lies in the first `used` places of the slots, (B, used)."""
        position = self.position_SL[slots, :used]
        return Places(
            position,
            torch.where(position >= 0, 0, -1),
            self.chunk_SL[slots, :used],
            self.pinned_SL[slots, :used],
        )

    def target_places(self, slots: Tensor, new: Places) -> Tensor:
        """Where each of the new positions goes, (B, T)."""
        in_ring = self.num_pinned_places + new.position_BT % self.window
        return torch.where(new.pinned_BT, new.position_BT, in_ring)

    def step(self, slots: Tensor, new: Places) -> tuple[Places, list[LayerMemory]]:
        """Takes up one new position of each slot, (B, 1): its keys and values are written where they stay.

        What they displace in a full ring lies a window back and is seen no more, so that nothing has to be copied.

        Returns:
            What lies in the places that may be seen, the new positions among them, and the memory of each layer.

        Raises:
            ValueError: a pinned position lies behind the pinned places.
        """
        self._check_pinned(new)
        where_B1 = self.target_places(slots, new)
        self._mark(slots, slots, where_B1[:, 0], new, (slice(None), 0))
        used = self.used_places(slots)
        numbers = slots.tolist()
        side_by_side = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        read = slice(numbers[0], numbers[0] + len(numbers)) if side_by_side else slots
        rows_J = self._rows(slots, where_B1).flatten()
        memories: list[LayerMemory] = [
            RingMemory(keys, values, read, rows_J, used)
            for keys, values in zip(self.keys.layers(), self.values.layers(), strict=True)
        ]
        return self.places(slots, used), memories

    def copies(self, slots: Tensor, used: int) -> list[CopiedMemory]:
        """The memory of each layer for a piece of many positions, whose first may see what its last displaces."""
        return [
            CopiedMemory(keys.read(slots, used), values.read(slots, used))
            for keys, values in zip(self.keys.layers(), self.values.layers(), strict=True)
        ]

    def write(self, slots: Tensor, new: Places, memories: Sequence[CopiedMemory]) -> None:
        """Stores the new positions (B, T) that each layer has joined; the oldest of the ring make room.

        Raises:
            ValueError: a pinned position lies behind the pinned places.
        """
        self._check_pinned(new)
        newest = new.position_BT[:, -1:]
        keep_BT = new.pinned_BT | (new.position_BT > newest - self.window)
        where_BT = self.target_places(slots, new)
        slot_M = slots[:, None].expand_as(keep_BT)[keep_BT]
        self._mark(slots, slot_M, where_BT[keep_BT], new, keep_BT)
        rows_BNT = self._rows(slots, where_BT)
        kept_J = keep_BT[:, None].expand_as(rows_BNT).flatten().nonzero()[:, 0]
        rows_J = rows_BNT.flatten()[kept_J]
        for keys, values, memory in zip(self.keys.layers(), self.values.layers(), memories, strict=True):
            k, v = memory.new
            keys.write(rows_J, k.reshape(-1, k.shape[-1])[kept_J])
            values.write(rows_J, v.reshape(-1, v.shape[-1])[kept_J])

    def _rows(self, slots: Tensor, where_BT: Tensor) -> Tensor:
        """Rows (B, N, T) of these places in a layer, which is counted as (slots * N * L, H)."""
        num_heads, num_places = self.keys.numbers.shape[2:4]
        heads_N1 = torch.arange(num_heads, device=slots.device)[:, None]
        return (slots[:, None, None] * num_heads + heads_N1) * num_places + where_BT[:, None]

    def _mark(
        self, slots: Tensor, slot_M: Tensor, where_M: Tensor, new: Places, kept: Tensor | tuple[slice, int]
    ) -> None:
        """Notes what lies in M places, and how long the streams are with it; `kept` picks those M of (B, T)."""
        self.position_SL[slot_M, where_M] = new.position_BT[kept]
        self.chunk_SL[slot_M, where_M] = new.chunk_BT[kept]
        self.pinned_SL[slot_M, where_M] = new.pinned_BT[kept]
        self.length_S[slots] = new.position_BT[:, -1] + 1

    def _check_pinned(self, new: Places) -> None:
        if bool((new.pinned_BT & (new.position_BT >= self.num_pinned_places)).any()):
            raise ValueError(
                f"a pinned position is {int(new.position_BT[new.pinned_BT].max())}: expected less than "
                f"{self.num_pinned_places}. Raise model.layout.pinned_positions or shorten the system prompt."
            )
