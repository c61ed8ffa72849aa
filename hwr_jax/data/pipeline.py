"""Training batches: shuffled anew each epoch or in one order, a function of the step alone, each process its share."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grain
import numpy as np
from jaxtyping import Int

from hwr_jax.data.batches import FILLER, BucketedRows, Buckets, RowsInOrder
from hwr_jax.data.labels import Labels
from hwr_jax.data.mixture import Draws
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.source_images import ImageMaker, SourceImages
from hwr_jax.data.stored_images import Images

Batch = dict[str, Any]
Samples = Mapping[str, Images]
# What an `ImageMaker` makes a batch's images from.
_SOURCE = "source"


class _ShuffledRows:
    """A permutation of all samples every epoch, drawn from the seed and the epoch. Batches run on over its end."""

    def __init__(self, samples: int, batch_size: int, seed: int) -> None:
        self._samples, self._batch_size = samples, batch_size
        self._batches: Any = grain.MapDataset.range(samples).seed(seed).shuffle().repeat().batch(batch_size)

    def __getitem__(self, step: int) -> np.ndarray:
        return self._batches[step]

    def epochs(self, step: int) -> np.ndarray:
        return np.arange(step * self._batch_size, (step + 1) * self._batch_size) // self._samples


def batch_rows(samples: int, batch_size: int, seed: int, *, reshuffle: bool = True) -> RowsInOrder | _ShuffledRows:
    """Rows of the samples in the global batch of every step: `batch_rows(...)[step]` is int64 [batch_size].

    Every epoch is a permutation of all samples, drawn from the seed and the epoch. Batches run on over the end of an
    epoch, so that all are full and no sample is left out. Without reshuffling every epoch has the samples' own order,
    and its last batch holds only what is left, FILLER in the other positions. `batch_rows(...).epochs(step)` is the
    epoch of each, int64 [batch_size].
    """
    return _ShuffledRows(samples, batch_size, seed) if reshuffle else RowsInOrder(samples, batch_size)


def make_batch_of_step(
    samples: Samples,
    *,
    batch_size: int,
    seed: int,
    reshuffle: bool = True,
    buckets: Buckets | None = None,
    narrow_first_epochs: int = 0,
    draws: Draws | None = None,
    resident: bool = False,
    sources: SourceImages | None = None,
    process_index: int = 0,
    process_count: int = 1,
) -> Callable[[int], Batch]:
    """Returns `batch_of_step(step) -> batch`: this process's share of the global batch of a step.

    The share of process p is the p-th of `process_count` equal parts.

    Args:
      samples: see `sample_arrays`.
      buckets: how batches are cut to a width of their own; None: they are as wide as the samples.
      narrow_first_epochs, draws: see `BucketedRows`; only with buckets.
      resident: whether the samples lie on the device already, so that a batch needs only their rows.
      sources: from which `make_batches` makes the images; the batch says which, for `ImageMaker`, in place of images.

    Returns batches of:
      "images" uint8 [B, H, W], "widths" int32 [B] of them, "labels" int32 [B, L] and "lengths" int32 [B], or if
      resident "rows" int32 [B];
      "positions" int32 [B], where each sample stands in the global batch; and "weights" float32 [B], 1, or 0 for
      what only fills a batch up.
    """
    rows_of_step = (
        BucketedRows(buckets, batch_size, seed, narrow_first_epochs, draws)
        if buckets
        else batch_rows(len(samples["images"]), batch_size, seed, reshuffle=reshuffle)
    )
    share = batch_size // process_count
    positions = np.arange(process_index * share, (process_index + 1) * share, dtype=np.int32)

    def batch_of_step(step: int) -> Batch:
        global_rows: Int[np.ndarray, "B"] = rows_of_step[step]
        rows = global_rows[positions]
        batch: Batch = {"positions": positions, "weights": (rows != FILLER).astype(np.float32)}
        rows = np.maximum(rows, 0)
        if resident:
            return batch | {"rows": rows.astype(np.int32)}
        width = buckets.width_of(global_rows) if buckets else None
        for name, values_N in samples.items():
            if name != "images":
                batch[name] = values_N[rows]
            elif sources is not None:
                epochs = rows_of_step.epochs(step)[positions]
                batch[_SOURCE] = (sources.rows_Nx2[rows], epochs, width or values_N.shape[2])
            else:
                batch[name] = values_N[rows, :, :width] if width else values_N[rows]
        return batch

    return batch_of_step


def sample_arrays(images_NxHxW: Images, widths_N: np.ndarray, labels: Labels) -> dict[str, Images]:
    """What a step needs of the samples: "images" uint8 [N, H, W]; int32 "widths", "lengths" [N] and "labels" [N, L]."""
    return {"images": images_NxHxW, "widths": widths_N, "labels": labels.ids_NxL, "lengths": labels.lengths_N}


class Dispatches(Sequence[range]):
    """Ranges of steps, one after the other, each made when it is asked for: a long run has millions of them."""

    def __init__(self, starts_M: Int[np.ndarray, "M"]) -> None:
        """Takes where each begins, int64, and in the end where the last one ends."""
        self._starts_M = starts_M

    def __len__(self) -> int:
        return len(self._starts_M) - 1

    def __getitem__(self, index: Any) -> Any:
        position = range(len(self))[index]
        return range(*self._starts_M[position : position + 2].tolist())


def plan_dispatches(start_step: int, stop_step: int, steps: int, stops: Sequence[int]) -> Dispatches:
    """Steps `start_step` .. `stop_step - 1`, divided into what runs in one program: `steps` of them, or one.

    `stops` are intervals in steps (0: never) at whose multiples the program must have returned.
    """

    def starts() -> Iterator[int]:
        step = start_step
        while step < stop_step:
            yield step
            next_stop = min([stop_step, *((step // every + 1) * every for every in stops if every)])
            step += steps if step + steps <= next_stop else 1
        yield max(start_step, stop_step)

    return Dispatches(np.fromiter(starts(), np.int64))


def make_batches(
    batch_of_step: Callable[[int], Batch],
    dispatches: Sequence[range],
    maker: ImageMaker | None = None,
    workers: int = 1,
) -> Iterator[Batch]:
    """Yields for each range of steps their batches, stacked along a leading axis.

    Args:
      batch_of_step: see `make_batch_of_step`.
      maker: of the images, where they come from their sources.
      workers: processes in which the maker makes batches ahead; the batches do not depend on it. Without a maker a
        thread reads ahead.
    """
    if maker is not None:
        batches, ahead = itertools.tee(batch_of_step(step) for steps in dispatches for step in steps)
        made = map_in_order(maker, (batch[_SOURCE] for batch in ahead), workers=workers, chunk_items=1)
        whole = (
            {name: values for name, values in batch.items() if name != _SOURCE} | {"images": images, "widths": widths}
            for batch, (images, widths) in zip(batches, made, strict=True)
        )
        yield from (stack_batches(list(itertools.islice(whole, len(steps)))) for steps in dispatches)
        return
    stacked = grain.MapDataset.source(dispatches).map(
        lambda steps: stack_batches([batch_of_step(step) for step in steps])
    )
    yield from stacked.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4))


def stack_batches(batches: Sequence[Batch]) -> Batch:
    """Batches of the same arrays along a leading axis."""
    return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
