"""Batches as a pure function of (seed, step): the base of exact resume."""

import signal
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

from lhotse import CutSet
from lhotse.dataset import DynamicBucketingSampler, DynamicCutSampler
from torch.utils.data import DataLoader, IterableDataset

SHUFFLED_CUTS = 50_000
"""How many cuts are at hand where the next one is drawn."""


def batches_of_cuts(
    cuts: CutSet, batch_duration_s: float, num_buckets: int, seed: int, row_duration_s: float | None = None
) -> Iterator[tuple[int, CutSet]]:
    """(epoch, cuts) without end, reshuffled each epoch: lhotse's dynamic bucketing by duration.

    With `row_duration_s` every cut makes a row of that length: batches then have equally many, of cuts of all lengths.
    """
    for epoch in count():
        if row_duration_s is None:
            sampler = DynamicBucketingSampler(
                cuts,
                max_duration=batch_duration_s,
                num_buckets=min(num_buckets, max(2, len(cuts) // 20)),
                shuffle=True,
                seed=seed,
                buffer_size=SHUFFLED_CUTS,
            )
        else:
            sampler = DynamicCutSampler(
                cuts,
                max_cuts=max(1, int(batch_duration_s / row_duration_s)),
                shuffle=True,
                seed=seed,
                shuffle_buffer_size=SHUFFLED_CUTS,
            )
        sampler.set_epoch(epoch)
        for batch in sampler:
            yield epoch, batch


class StepDataset(IterableDataset):
    """Collated batches from step `start_step` on; the same batch for the same step, however often it is resumed."""

    def __init__(
        self,
        cuts: CutSet,
        collate: Callable[[CutSet, int], Any],
        batch_duration_s: float,
        num_buckets: int,
        seed: int,
        start_step: int = 0,
        num_batches: int | None = None,
        row_duration_s: float | None = None,
    ) -> None:
        if len(cuts) == 0:
            raise ValueError(
                "cuts is empty: expected at least one cut. Build the corpus, or name another split."
            )
        self.cuts, self.collate = cuts, collate
        self.batch_duration_s, self.num_buckets, self.seed = batch_duration_s, num_buckets, seed
        self.start_step, self.num_batches = start_step, num_batches
        self.row_duration_s = row_duration_s

    def __iter__(self) -> Iterator[Any]:
        batches = batches_of_cuts(
            self.cuts, self.batch_duration_s, self.num_buckets, self.seed, self.row_duration_s
        )
        end = None if self.num_batches is None else self.start_step + self.num_batches
        for epoch, batch in islice(batches, self.start_step, end):
            yield self.collate(batch, epoch)


def _leave_interrupts_to_the_trainer(worker: int) -> None:
    """Ctrl-C reaches the worker too: it must go on, for the trainer finishes its step and saves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def step_loader(dataset: StepDataset, num_workers: int) -> DataLoader:
    """Loader of whole batches, in order; at most one worker, since the order of steps is the contract.

    Raises:
        ValueError: more than one worker.
    """
    if num_workers not in (0, 1):
        raise ValueError(
            f"num_workers = {num_workers} is not allowed: expected 0 or 1. More workers would reorder the steps."
        )
    return DataLoader(
        dataset,
        batch_size=None,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        worker_init_fn=_leave_interrupts_to_the_trainer,
    )
