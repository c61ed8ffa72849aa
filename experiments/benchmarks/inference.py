"""`python -m experiments.benchmarks.inference`: reading one word, and words by the batch, against other frameworks.

All run the seed model: ours as `hwr read` and `hwr evaluate` do, the others in the fastest way of theirs, images on
the host in, probabilities on the host out. They take turns as in `experiments.benchmarks.train_step`. Latency is that
of one word, speed that of batches; opening and preprocessing images and decoding are not in it.
"""

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from experiments.benchmarks.command import (
    ABSENT,
    add_peer_options,
    check_positive,
    chosen_peers,
    describe_machine,
    describe_quiet,
    describe_unmeasured,
    describe_variants,
    first_run_seconds,
    measure_peers,
    peak_megabytes,
    result_to_json,
    say_written,
    show,
)
from experiments.benchmarks.rounds import Measured, ratio_to_ours
from experiments.benchmarks.task import INFERENCE
from hwr_jax.commands.options import Parser, run
from hwr_jax.reports.tables import align_columns

# Both are programs of `hwr_jax.models.trained.BATCH_SIZES`.
ONE, BATCH = 1, 64
SINGLE_CALLS_PER_STEP = 10
HEADER = ("peer", "1 word: ms", "p95", "ratio", f"{BATCH} words: ms", "(rounds)", "ratio", "words/s", "compile s", "MB")


def main(argv: Sequence[str]) -> int:
    """Measures and prints the table. Returns the exit status.

    Raises:
      InputError: wrong flags.
    """
    options = _parse(argv)
    machine = describe_machine()
    results, quiet = measure_peers(
        INFERENCE,
        chosen_peers(options.peers),
        compute_dtype=options.compute_dtype,
        rounds=options.rounds,
        steps={ONE: SINGLE_CALLS_PER_STEP * options.steps, BATCH: options.steps},
    )
    rows = [HEADER, *(_row(results, result) for result in results)]
    calls = f"{options.rounds} x {SINGLE_CALLS_PER_STEP * options.steps} and {options.rounds} x {options.steps} calls"
    print(f"reading with the seed model, one word and batches of {BATCH}, {calls}")
    print(f"{machine}\n")
    print(align_columns(rows, right=range(1, len(HEADER))) + "\n")
    print("medians of all calls; ratio: median over rounds of a peer's time over ours")
    print("compile: the first call of both sizes less their medians")
    print("\n".join([*describe_variants(results), *describe_unmeasured(results), describe_quiet(quiet)]))
    if options.json:
        numbers = {
            "quiet": dataclasses.asdict(quiet),
            "peers": {result.name: _to_json(results, result) for result in results},
        }
        say_written(options.json, numbers, vars(options).items())
    return 0


def percentile_95(values: Sequence[float]) -> float:
    """The smallest value that 95 % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[-(-95 * len(ordered) // 100) - 1]


def _row(results: Sequence[Measured], result: Measured) -> tuple[str, ...]:
    if result.state != "measured":
        return (result.peer.label, result.state, *[ABSENT] * (len(HEADER) - 2))
    single, batch = result.seconds(ONE), result.seconds(BATCH)
    rounds = result.round_medians(BATCH)
    return (
        result.peer.label,
        f"{1e3 * statistics.median(single):.2f}",
        f"{1e3 * percentile_95(single):.2f}",
        show(ratio_to_ours(results, result, ONE), ".2f"),
        f"{1e3 * statistics.median(batch):.1f}",
        f"({1e3 * min(rounds):.1f} - {1e3 * max(rounds):.1f})",
        show(ratio_to_ours(results, result, BATCH), ".2f"),
        f"{BATCH / statistics.median(batch):,.0f}",
        f"{first_run_seconds(result, ONE) + first_run_seconds(result, BATCH):.1f}",
        peak_megabytes(result, BATCH),
    )


def _to_json(results: Sequence[Measured], result: Measured) -> dict[str, Any]:
    numbers: dict[str, Any] = result_to_json(result)
    if result.state == "measured":
        numbers["latency_median_seconds"] = statistics.median(result.seconds(ONE))
        numbers["latency_p95_seconds"] = percentile_95(result.seconds(ONE))
        numbers["samples_per_second"] = BATCH / statistics.median(result.seconds(BATCH))
        for size in (ONE, BATCH):
            numbers[f"ratio_to_ours_{size}"] = ratio_to_ours(results, result, size)
            numbers[f"compile_seconds_{size}"] = first_run_seconds(result, size)
    return numbers


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m experiments.benchmarks.inference", description=__doc__)
    add_peer_options(parser, rounds=6, steps=10)
    options = parser.parse_args(argv)
    check_positive(options, "rounds", "steps")
    return options


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.inference", main, sys.argv[1:], program=""))
