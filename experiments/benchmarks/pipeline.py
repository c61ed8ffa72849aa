"""`python -m experiments.benchmarks.pipeline`: whether the data keep up with the training step.

First the batches alone, as fast as they come; then in a loop of training steps, where the time blocked in next(batches)
is what training waits for. The samples are those of a prepared data set, preprocessed and in memory as in training;
where it is not prepared, synthetic words.
"""

import itertools
import statistics
import sys
import time
from collections.abc import Sequence

from experiments.benchmarks.command import describe_machine, make_parser, write_numbers
from experiments.benchmarks.ours import TrainingSteps, example_config, read_batches
from experiments.benchmarks.peers import MODELS
from experiments.benchmarks.words import draw_words, load_words_of
from hwr_jax.commands.options import run
from hwr_jax.data.labels import encode_labels, select_trainable
from hwr_jax.data.pipeline import Samples, sample_arrays
from hwr_jax.data.prepared import load_prepared
from hwr_jax.data.preprocessed import preprocess_samples
from hwr_jax.ink.model_input import Preprocessing, preprocessing_of
from hwr_jax.text.alphabet import resolve_alphabet

WARMUP_STEPS = 3
TIMED_SAMPLES = 2048


def main(argv: Sequence[str]) -> int:
    counts = {"batch_size": (64, "words a step"), "batches": (2000, "read without training"), "steps": (100, "trained")}
    parser = make_parser("pipeline", __doc__, counts, model=True, compute_dtype=True)
    parser.add_argument("--data", default="unipen_words", metavar="NAME", help="default unipen_words, or synthetic")
    parser.add_argument("--samples", type=int, default=0, metavar="N", help="only the first so many (default all)")
    options = parser.parse_args(argv)
    machine = describe_machine()
    config = example_config(options.compute_dtype, MODELS[options.model])
    alphabet = resolve_alphabet(config.model.alphabet)
    preprocessing = preprocessing_of(config)
    preprocessed, name = load_words_of(options.data, "train", preprocessing, limit=options.samples)
    samples = select_trainable(preprocessed, alphabet, config.model.frames)
    arrays = sample_arrays(samples.images_NxHxW, samples.widths_N, encode_labels(samples.texts, alphabet))
    alone = time_batches(arrays, options.batch_size, options.batches)
    steps = TrainingSteps(config, alphabet.num_classes, options.batch_size)
    waited, step_seconds = time_loop(steps, arrays, options.batch_size, options.steps)
    step, wait = statistics.median(step_seconds), statistics.median(waited)
    numbers = {
        "data": name,
        "samples": len(samples),
        "images_preprocessed_per_second": preprocessing_rate(name, len(samples), preprocessing),
        "images_per_second": options.batch_size / alone,
        "step_median_seconds": step,
        "wait_median_seconds": wait,
        "wait_share": sum(waited) / (sum(waited) + sum(step_seconds)),
    }
    print(f"data pipeline, batch {options.batch_size}, {name}: {len(samples):,} samples")
    print(f"{machine}\n")
    rate, share = numbers["images_preprocessed_per_second"], numbers["wait_share"]
    print(f"read and preprocessed  {rate:12,.0f} images/s by one process, the first time data are used")
    print(f"batches alone          {options.batch_size / alone:12,.0f} images/s, over {options.batches} batches")
    print(f"training step          {options.batch_size / step:12,.0f} images/s, {1e3 * step:.1f} ms a step")
    print(f"waiting for data       {share:12.2%} of the time of {options.steps} steps, median {1e3 * wait:.2f} ms")
    write_numbers(options, numbers)
    return 0


def preprocessing_rate(name: str, count: int, preprocessing: Preprocessing) -> float:
    """How many samples, read already, one process preprocesses a second."""
    count = min(count, TIMED_SAMPLES)
    prepared = name.endswith(", train")
    samples = load_prepared(name.removesuffix(", train"), "train")[:count] if prepared else draw_words(count)
    start = time.perf_counter()
    return len(preprocess_samples(samples, preprocessing)) / (time.perf_counter() - start)


def time_batches(samples: Samples, batch_size: int, count: int) -> float:
    """Seconds a batch, of batches that nothing is done with: over all but those read ahead at the start."""
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


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.pipeline", main, sys.argv[1:], program=""))
