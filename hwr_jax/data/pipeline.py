"""Training batches: shuffled anew each epoch, a function of the step alone, each process its share."""

from collections.abc import Iterator
from typing import Any

import grain
import numpy as np
from jaxtyping import Int, UInt8

from hwr_jax.data.labels import Labels

Batch = dict[str, np.ndarray]


def batch_rows(samples: int, batch_size: int, seed: int) -> Any:
    """Rows of the samples in the global batch of every step: `batch_rows(...)[step]` is int64 [batch_size].

    Every epoch is a permutation of all samples, drawn from the seed and the epoch. Batches run on over the end of an
    epoch, so that all are full and no sample is left out.
    """
    return grain.MapDataset.range(samples).seed(seed).shuffle().repeat().batch(batch_size)


def make_batches(
    frames_NxHxW: UInt8[np.ndarray, "N H W"],
    labels: Labels,
    *,
    batch_size: int,
    seed: int,
    start_step: int,
    stop_step: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Batch]:
    """Yields this process's share of the batches of steps `start_step` .. `stop_step - 1`.

    The share of process p is the p-th of `process_count` equal parts of the global batch. Threads read ahead.

    Yields:
      "frames" uint8 [B, H, W], "labels" int32 [B, L], "lengths" int32 [B] and "places" int32 [B], where each sample
      stands in the global batch.
    """
    rows_of_step = batch_rows(len(frames_NxHxW), batch_size, seed)
    share = batch_size // process_count
    places = np.arange(process_index * share, (process_index + 1) * share, dtype=np.int32)

    def build_batch(step: int) -> Batch:
        rows: Int[np.ndarray, "B"] = rows_of_step[step][places]
        return {
            "frames": frames_NxHxW[rows],
            "labels": labels.ids_NxL[rows],
            "lengths": labels.lengths_N[rows],
            "places": places,
        }

    steps = grain.MapDataset.range(start_step, stop_step).map(build_batch)
    yield from steps.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4))
