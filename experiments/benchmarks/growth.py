"""`python -m experiments.benchmarks.growth`: how time and memory grow with the number of samples.

For each number a process of its own prepares, checks, preprocesses and loads so many small images that are made up on
the fly, and reads one epoch of batches: seconds, the slope of their logarithm, and the memory that stays. With
--train=N the batches of N samples, of which no image is kept, feed training steps of the first model: the time that
steps wait for data, and the memory at the start and at the end.
"""

import concurrent.futures
import io
import itertools
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from experiments.benchmarks.command import describe_machine, make_parser, write_numbers
from experiments.benchmarks.ours import TrainingSteps, example_config, read_batches
from experiments.benchmarks.pipeline import time_loop
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import run
from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.data.checks.check import CheckRules, check_data
from hwr_jax.data.formats.base import Format
from hwr_jax.data.labels import encode_labels, select_trainable
from hwr_jax.data.loading import load_split
from hwr_jax.data.pipeline import sample_arrays
from hwr_jax.data.prepared import load_prepared, prepare
from hwr_jax.data.sample import Sample
from hwr_jax.data.splits import SPLITS
from hwr_jax.data.stored_images import StoredImages
from hwr_jax.ink.model_input import preprocessing_of
from hwr_jax.text.alphabet import resolve_alphabet
from hwr_jax.training.workdir import peak_memory_bytes

NAME, BATCH_SIZE, SAMPLES_A_WRITER = "growth/made_up", 64, 50
TEXTS = ("a", "word", "of", "several", "letters")


def main(argv: Sequence[str]) -> int:
    counts = {"steps": (300, "training steps of --train")}
    parser = make_parser("growth", __doc__, counts)
    parser.add_argument("--samples", default="1000,10000", metavar="N,N", help="default 1000,10000")
    parser.add_argument("--train", type=int, default=0, metavar="N", help="train with batches of so many samples")
    options = parser.parse_args(argv)
    print(describe_machine())
    numbers: dict[str, Any] = {}
    if sizes := [int(size) for size in options.samples.split(",") if size]:
        spawn = multiprocessing.get_context("spawn")
        # Each in a process of its own, for the memory that it takes.
        pool = concurrent.futures.ProcessPoolExecutor(1, spawn, max_tasks_per_child=1)
        measured = list(pool.map(measure_stages, sizes))
        pool.shutdown()
        numbers["stages"] = dict(zip(map(str, sizes), measured, strict=True))
        print(tabulate(sizes, measured))
    if options.train:
        numbers["train"] = train(options.train, options.steps)
        print("  ".join(f"{name}: {value:,.4g}" for name, value in numbers["train"].items()))
    write_numbers(options, numbers)
    return 0


def make_samples(count: int) -> Iterator[Sample]:
    """Small images, no two alike, 20 to 59 pixels wide."""
    for number in range(count):
        random = np.random.default_rng(number)
        grey_HxW = random.integers(0, 2, (16, 20 + number % 40), np.uint8) * 255
        file = io.BytesIO()
        Image.fromarray(grey_HxW).save(file, "PNG", compress_level=1)
        writer = f"w{number // SAMPLES_A_WRITER:07d}"
        yield Sample(f"s{number:09d}", TEXTS[number % len(TEXTS)], writer, file.getvalue())


def measure_stages(count: int) -> dict[str, float]:
    """Seconds of each stage, and the bytes of memory a sample that stay after loading."""
    seconds: dict[str, float] = {}

    def timed(stage: str, compute: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = compute()
        seconds[stage] = time.perf_counter() - started
        return result

    with tempfile.TemporaryDirectory(prefix="hwr_growth_") as folder:
        root, source = Path(folder) / "data", Path(folder) / "source"
        source.mkdir()
        data = DataConfig(name=NAME, data_dir=str(root), workers=1, split="writer")
        config = ExperimentConfig(data=data)
        preprocessing, alphabet = preprocessing_of(config), resolve_alphabet(config.model.alphabet)
        format = Format("growth", lambda source, *, workers, tell_total: make_samples(count))
        timed("prepare", lambda: prepare(NAME, source, root, format=format))
        rules = CheckRules(data=data, alphabet=alphabet, preprocessing=preprocessing, frames=config.model.frames)
        items = itertools.chain.from_iterable(load_prepared(NAME, split, root) for split in SPLITS)
        timed("check", lambda: check_data(items, rules))
        timed("preprocess", lambda: load_split(data, "train", preprocessing))
        before = _memory()

        def load() -> Any:
            samples = select_trainable(load_split(data, "train", preprocessing), alphabet, config.model.frames)
            return samples, sample_arrays(
                samples.images_NxHxW, samples.widths_N, encode_labels(samples.texts, alphabet)
            )

        samples, arrays = timed("load", load)
        held = (_memory() - before) / len(samples)
        timed("epoch", lambda: sum(1 for _ in read_batches(arrays, BATCH_SIZE, len(samples) // BATCH_SIZE)))
        return {**seconds, "bytes a sample": held, "peak MB": peak_memory_bytes() / 1e6}


class MadeUpImages(StoredImages):
    """Images that are drawn when they are read, always the same; none is kept."""

    def __init__(self, count: int) -> None:
        config = ExperimentConfig().model
        self.shape = (count, config.height_px, config.width_px)
        # A few columns of noise, from which each image takes its own.
        self._noise_HxM = np.random.default_rng(0).integers(0, 256, (config.height_px, 1 << 20)).astype(np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        starts = np.atleast_1d(rows) * 7919 % (self._noise_HxM.shape[1] - self.shape[2])
        return np.stack([self._noise_HxM[:, start : start + self.shape[2]] for start in starts.tolist()])


def train(count: int, steps: int) -> dict[str, float]:
    """Training steps with batches drawn from so many samples; then one whole epoch of batches alone."""
    config = example_config()
    alphabet, widths_N = resolve_alphabet(config.model.alphabet), np.full(count, config.model.width_px, np.int32)
    texts = [TEXTS[number % len(TEXTS)] for number in range(count)]
    arrays = sample_arrays(MadeUpImages(count), widths_N, encode_labels(texts, alphabet))
    training = TrainingSteps(config, alphabet.num_classes, BATCH_SIZE)
    time_loop(training, arrays, BATCH_SIZE, 1)  # Once to compile.
    at_first = _memory()
    waited, step_seconds = time_loop(training, arrays, BATCH_SIZE, steps)
    at_last = _memory()
    started, batches = time.perf_counter(), count // BATCH_SIZE
    for _ in read_batches(arrays, BATCH_SIZE, batches):
        pass
    return {
        "samples": count,
        "steps": steps,
        "wait share": sum(waited) / (sum(waited) + sum(step_seconds)),
        "MB at first": at_first / 1e6,
        "MB after the steps": at_last / 1e6,
        "MB after an epoch of batches": _memory() / 1e6,
        "batches a second": batches / (time.perf_counter() - started),
    }


def tabulate(sizes: Sequence[int], measured: Sequence[dict[str, float]]) -> str:
    """A row a stage: its numbers, and the slope of their logarithm between the two largest sizes."""
    rows = [("stage, s", *(f"{size:,}" for size in sizes), "slope")]
    for stage in measured[0]:
        values = [one[stage] for one in measured]
        slope = "-"
        if len(sizes) > 1 and min(values[-2:]) > 0:
            slope = f"{math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2]):.2f}"
        rows.append((stage, *(f"{value:,.2f}" for value in values), slope))
    return align_columns(rows, right=range(1, len(rows[0])))


def _memory() -> int:
    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.growth", main, sys.argv[1:], program=""))
