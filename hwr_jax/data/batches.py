"""Sizes and widths of batches: cut to one of a few widths, and filled up to one of a few sizes."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.mixture import Draws
from hwr_jax.data.stored_images import Images

# Images at once where a model reads. Batches are filled up to this size or hold one image, so that few programs are
# compiled, and a sample's result does not change with what is read beside it.
BATCH_SIZE = 64
# Likewise for the lines of a page, of which there are about 30.
PAGE_BATCH_SIZE = 16
FILLER = -1
# Each width takes a compilation, which a few samples do not repay.
SAMPLES_A_BUCKET, MOST_BUCKETS = 128, 8


def fill_up(
    images_BxHxW: np.ndarray, widths_B: Int[np.ndarray, "B"], size: int
) -> tuple[np.ndarray, Int[np.ndarray, "S"]]:
    """A batch of preprocessed images and their widths, filled up to a size with empty images one column wide."""
    missing = size - len(images_BxHxW)
    images_SxHxW = np.pad(images_BxHxW, ((0, missing), (0, 0), (0, 0)), constant_values=255)
    return images_SxHxW, np.pad(widths_B, (0, missing), constant_values=1)


def batches_by_width(
    images_NxHxW: Images, widths_N: Int[np.ndarray, "N"], size: int
) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Rows, their images and widths, those of like width together; the last batch is filled up."""
    order = np.argsort(widths_N, kind="stable")
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield rows.tolist(), *fill_up(np.asarray(images_NxHxW[rows]), widths_N[rows], size)


def standard_width(columns: int, most: int) -> int:
    """The least power of two, or one and a half of one, from 64 px up, that holds so many columns; at most `most`.

    So few programs are compiled for images of all widths.
    """
    width = 64
    while width < columns:
        power = width & (width - 1) == 0
        width = width * 3 // 2 if power else width * 4 // 3
    return min(width, most)


def cut_to_widths(images_BxHxW: np.ndarray, widths_B: Int[np.ndarray, "B"]) -> np.ndarray:
    """The images, cut to the `standard_width` that holds the widest."""
    widest, most = max(widths_B.tolist(), default=1), images_BxHxW.shape[2]
    return images_BxHxW[:, :, : standard_width(widest, most)]


def choose_widths(widths_N: Int[np.ndarray, "N"], count: int) -> tuple[int, ...]:
    """At most `count` widths that leave as little padding as can be, the widest image's among them, ascending.

    By dynamic programming over the widths that occur: the last bucket ends at the widest image, and what is narrower
    than its narrowest is divided likewise among the others.
    """
    widths_D, counts_D = np.unique(widths_N, return_counts=True)
    images_before = np.concatenate([[0], np.cumsum(counts_D)])
    # cost[j]: columns of the images of the first j widths in the buckets there have been so far.
    cost = np.where(np.arange(len(widths_D) + 1) == 0, 0, np.inf)
    choices = []
    for _ in range(min(count, len(widths_D))):
        # of_bucket[i, j]: the last bucket takes the widths i .. j - 1, and is as wide as the last of them.
        of_bucket = (images_before[None, 1:] - images_before[:-1, None]) * widths_D[None].astype(float)
        total = cost[:-1, None] + np.where(np.tri(len(widths_D), k=-1, dtype=bool), np.inf, of_bucket)
        choices.append(total.argmin(axis=0))
        cost = np.concatenate([[0], total.min(axis=0)])
    chosen, end = [], len(widths_D)
    for starts in reversed(choices):
        if end:
            chosen.append(int(widths_D[end - 1]))
            end = int(starts[end - 1])
    return tuple(reversed(chosen))


@dataclasses.dataclass(frozen=True)
class Buckets:
    """Widths that batches are cut to."""

    widths_N: np.ndarray  # of the samples' images, int32
    widths: tuple[int, ...]  # that batches are cut to, see `choose_widths`

    @property
    def bucket_N(self) -> Int[np.ndarray, "N"]:
        """The bucket of each sample: the narrowest that holds it."""
        return np.searchsorted(self.widths, self.widths_N)

    @property
    def widths_by_need(self) -> tuple[int, ...]:
        """The widths, that of most samples first."""
        counts = np.bincount(self.bucket_N, minlength=len(self.widths))
        return tuple(self.widths[index] for index in np.argsort(-counts, kind="stable"))

    @property
    def padding_share(self) -> float:
        """The part of all columns that is padding where every sample is in its own bucket, 0 .. 1."""
        return 1 - float(self.widths_N.sum()) / float(np.asarray(self.widths)[self.bucket_N].sum())

    def width_of(self, rows_B: Int[np.ndarray, "B"]) -> int:
        """Of a batch with these samples, FILLER aside."""
        widest = self.widths_N[rows_B[rows_B != FILLER]].max()
        return self.widths[int(np.searchsorted(self.widths, widest))]


def build_buckets(widths_N: Int[np.ndarray, "N"], count: int) -> Buckets:
    """At most `count` buckets for images of these widths."""
    return Buckets(widths_N, choose_widths(widths_N, count))


def buckets_of(widths_N: Int[np.ndarray, "N"], config: ExperimentConfig, stride_px: int) -> Buckets | None:
    """The buckets of a run's training samples, multiples of the encoder's stride; None where all batches are full.

    The batches of a mixture never are.
    """
    if not config.follows_width:
        return build_buckets(widths_N, 1) if config.data.mixture else None
    count = config.data.width_buckets or max(1, min(MOST_BUCKETS, len(widths_N) // SAMPLES_A_BUCKET))
    return build_buckets(-(-widths_N // stride_px) * stride_px, count)


class RowsInOrder:
    """Rows of the samples in the batch of every step: `RowsInOrder(...)[step]` is int64 [batch_size].

    Every epoch has the same order, its last batch filled up with FILLER.
    """

    def __init__(self, samples: int, batch_size: int) -> None:
        self._samples, self._batch_size, self._batches = samples, batch_size, -(-samples // batch_size)
        self._plan = functools.lru_cache(maxsize=2)(self._plan_epoch)

    def __getitem__(self, step: int) -> np.ndarray:
        epoch, index = divmod(step, self._batches)
        return self._plan(epoch)[index]

    def epochs(self, step: int) -> np.ndarray:
        """The epoch of each sample in the batch of a step."""
        return np.full(self._batch_size, step // self._batches)

    def _plan_epoch(self, epoch: int) -> np.ndarray:
        return self._divide(np.arange(self._samples))

    def _divide(self, rows: np.ndarray) -> np.ndarray:
        """Rows as batches, [n, batch_size], the last filled up."""
        rows = np.pad(rows, (0, -len(rows) % self._batch_size), constant_values=FILLER)
        return rows.reshape(-1, self._batch_size)


class BucketedRows(RowsInOrder):
    """Rows of batches of like width.

    Every epoch is a permutation of all samples, or of those that `draws` gives for it, drawn from the seed and the
    epoch, divided by width into batches that come in a random order, or in the first `narrow_first_epochs` from the
    narrowest to the widest. What is left of a bucket goes into the next wider one, and what is left of the widest fills
    a last batch with FILLER: so no sample is left out, and every epoch has the same number of batches.
    """

    def __init__(
        self, buckets: Buckets, batch_size: int, seed: int, narrow_first_epochs: int = 0, draws: Draws | None = None
    ) -> None:
        self._bucket_N, self._draws = buckets.bucket_N, draws
        super().__init__(len(self._bucket_N) if draws is None else len(draws), batch_size)
        self._count, self._seed, self._narrow_first_epochs = len(buckets.widths), seed, narrow_first_epochs

    def _plan_epoch(self, epoch: int) -> np.ndarray:
        random = np.random.default_rng([self._seed, epoch])
        order_N = random.permutation(len(self._bucket_N) if self._draws is None else self._draws.rows(epoch))
        batches = []
        left = order_N[:0]
        for bucket in range(self._count):
            rows = np.concatenate([left, order_N[self._bucket_N[order_N] == bucket]])
            whole = len(rows) // self._batch_size * self._batch_size
            batches.append(self._divide(rows[:whole]))
            left = rows[whole:]
        by_width = np.concatenate([*batches, self._divide(left)])
        return by_width if epoch < self._narrow_first_epochs else random.permutation(by_width)
