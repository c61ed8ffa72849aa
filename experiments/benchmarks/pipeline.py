"""`python -m experiments.benchmarks.pipeline`: whether the data keep up with the training step.

First the batches alone, as fast as they come; then in a loop of training steps, where the time blocked in next(batches)
is what training waits for. The samples are those of a prepared data set, preprocessed and in memory as in training;
where it is not prepared, synthetic words.
"""

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Sequence

from experiments.benchmarks.command import add_common_options, check_positive, describe_machine, say_written
from experiments.benchmarks.training_loop import TrainingSteps, example_config, read_batches
from experiments.benchmarks.words import draw_words
from hwr_jax.commands.options import Parser, run
from hwr_jax.config import DataConfig
from hwr_jax.data.formats.synthetic import SYNTHETIC
from hwr_jax.data.labels import encode_labels, select_trainable
from hwr_jax.data.loading import load_split
from hwr_jax.data.pipeline import Samples, sample_arrays
from hwr_jax.data.prepared import find_prepared, load_prepared
from hwr_jax.data.preprocessed import PreprocessedSamples, preprocess_samples
from hwr_jax.data.sample import Sample
from hwr_jax.ink.model_input import Preprocessing, preprocessing_of
from hwr_jax.text.alphabet import resolve_alphabet

WARMUP_STEPS = 3
SYNTHETIC_SAMPLES = TIMED_SAMPLES = 2048


def main(argv: Sequence[str]) -> int:
    """Measures and prints the numbers. Returns the exit status.

    Raises:
      InputError: wrong flags or data.
    """
    options = _parse(argv)
    machine = describe_machine()
    config = example_config(options.compute_dtype)
    alphabet = resolve_alphabet(config.model.alphabet)
    preprocessing = preprocessing_of(config)
    fitted, name, fitting_rate = _load(options, preprocessing)
    samples = select_trainable(fitted, alphabet, config.model.frames)
    arrays = sample_arrays(samples.images_NxHxW, encode_labels(samples.texts, alphabet))
    alone = time_batches(arrays, options.batch_size, options.batches)
    steps = TrainingSteps(config, alphabet.num_classes, options.batch_size)
    waited, step_seconds = time_loop(steps, arrays, options.batch_size, options.steps)
    step = statistics.median(step_seconds)
    share = sum(waited) / (sum(waited) + sum(step_seconds))
    numbers = {
        "data": name,
        "samples": len(samples),
        "images_preprocessed_per_second": fitting_rate,
        "images_per_second": options.batch_size / alone,
        "step_median_seconds": step,
        "wait_median_seconds": statistics.median(waited),
        "wait_share": share,
    }
    print(f"data pipeline, batch {options.batch_size}, {name}: {len(samples):,} samples")
    print(f"{machine}\n")
    print(f"read and preprocessed    {fitting_rate:12,.0f} images/s by one process, the first time data are used")
    print(f"batches alone      {numbers['images_per_second']:12,.0f} images/s, over {options.batches} batches")
    print(f"training step      {options.batch_size / step:12,.0f} images/s, {1e3 * step:.1f} ms a step")
    wait = f"median {1e3 * statistics.median(waited):.2f} ms"
    print(f"waiting for data   {share:12.2%} of the time of {options.steps} steps, {wait}")
    if options.json:
        say_written(options.json, numbers, vars(options).items())
    return 0


def time_batches(samples: Samples, batch_size: int, count: int) -> float:
    """Seconds a batch, of batches that nobody does anything with: over all but those read ahead at the start."""
    batches = read_batches(samples, batch_size, WARMUP_STEPS + count)
    for _ in itertools.islice(batches, WARMUP_STEPS):
        pass
    start = time.perf_counter()
    for _ in batches:
        pass
    return (time.perf_counter() - start) / count


def time_loop(steps: TrainingSteps, samples: Samples, batch_size: int, count: int) -> tuple[list[float], list[float]]:
    """Seconds blocked in next(batches), and seconds of every step; the first steps, which compile, are left out."""
    batches = read_batches(samples, batch_size, WARMUP_STEPS + count)
    for batch in itertools.islice(batches, WARMUP_STEPS):
        steps.run(batch)
    waited, step_seconds = [], []
    for _ in range(count):
        start = time.perf_counter()
        batch = next(batches)
        arrived = time.perf_counter()
        steps.run(batch)
        waited.append(arrived - start)
        step_seconds.append(time.perf_counter() - arrived)
    return waited, step_seconds


def _load(options: argparse.Namespace, preprocessing: Preprocessing) -> tuple[PreprocessedSamples, str, float]:
    """The preprocessed samples, where they are from, and how many are read and preprocessed a second by one process."""
    if options.data != SYNTHETIC and find_prepared(options.data) is None:
        print(f"{options.data} is not prepared: synthetic words in its place", file=sys.stderr)
    elif options.data != SYNTHETIC:
        rate = _time_preprocessing(load_prepared(options.data, "train")[:TIMED_SAMPLES], preprocessing)[1]
        samples = load_split(DataConfig(name=options.data), "train", preprocessing, limit=options.samples)
        return samples, f"{options.data}, train", rate
    samples, rate = _time_preprocessing(draw_words(options.samples or SYNTHETIC_SAMPLES), preprocessing)
    return samples, "synthetic words", rate


def _time_preprocessing(samples: Sequence[Sample], preprocessing: Preprocessing) -> tuple[PreprocessedSamples, float]:
    start = time.perf_counter()
    fitted = preprocess_samples(samples, preprocessing)
    return fitted, len(fitted) / (time.perf_counter() - start)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m experiments.benchmarks.pipeline", description=__doc__)
    parser.add_argument("--data", default="unipen_words", metavar="NAME", help="default unipen_words, or synthetic")
    parser.add_argument("--samples", type=int, default=0, metavar="N", help="only the first so many (default all)")
    parser.add_argument("--batch_size", type=int, default=64, help="words a step (default 64)")
    parser.add_argument("--batches", type=int, default=2000, help="read without training (default 2000)")
    parser.add_argument("--steps", type=int, default=100, help="trained (default 100)")
    add_common_options(parser)
    options = parser.parse_args(argv)
    check_positive(options, "batch_size", "batches", "steps")
    return options


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.pipeline", main, sys.argv[1:], program=""))
