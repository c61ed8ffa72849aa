"""`python -m experiments.benchmarks.train_step`: our training step against those of other frameworks.

All train the seed model on the same batch with dropout, CTC, gradients and Adam. Each is a process of its own; they
take turns, one runs while the others wait, over several rounds in changing order, so that the machine's noise falls on
all alike. The floor is the time that the step's products would take at the rate of one large float32 product, measured
in the same rounds.
"""

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from experiments.benchmarks import matmul
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
from experiments.benchmarks.flops import train_step_flops
from experiments.benchmarks.peers import FLOORS
from experiments.benchmarks.rounds import Measured, ratio_to_ours
from experiments.benchmarks.task import TRAIN_STEP
from hwr_jax.commands.options import Parser, run
from hwr_jax.config import ModelConfig
from hwr_jax.reports.tables import align_columns
from hwr_jax.text.alphabet import resolve_alphabet

HEADER = ("peer", "ms a step", "(rounds)", "ratio", "words/s", "GFLOP/s", "of floor", "compile s", "MB", "loss")


def main(argv: Sequence[str]) -> int:
    """Measures and prints the table. Returns the exit status.

    Raises:
      InputError: wrong flags.
    """
    options = _parse(argv)
    machine = describe_machine()
    results, quiet = measure_peers(
        TRAIN_STEP,
        {**chosen_peers(options.peers), **FLOORS},
        compute_dtype=options.compute_dtype,
        rounds=options.rounds,
        steps={options.batch_size: options.steps},
    )
    model = ModelConfig()
    flops = train_step_flops(model, resolve_alphabet(model.alphabet).num_classes, options.batch_size)
    floors = [result for result in results if result.name in FLOORS]
    peers = [result for result in results if result.name not in FLOORS]
    rates = {result.peer.label: rate for result in floors if (rate := product_rate(result, options.batch_size))}
    best = max(rates, key=lambda label: rates[label], default=None)
    rate = rates[best] if best else None
    rows = [HEADER, *(_row(peers, result, options.batch_size, flops, rate) for result in peers)]
    print(f"training step of the seed model, batch {options.batch_size}, {options.rounds} x {options.steps} steps")
    print(f"{machine}\n")
    print(align_columns(rows, right=range(1, len(HEADER))) + "\n")
    print(f"a step takes {flops / 1e9:.2f} GFLOP: products of the forward pass, and twice as many backward")
    if rate:
        floor = f"floor: {1e3 * flops / rate:.1f} ms a step at {rate / 1e9:.0f} GFLOP/s"
        rates_text = ", ".join(f"{label} {value / 1e9:.0f}" for label, value in rates.items())
        print(f"{floor}, the better of one {matmul.SIZE} x {matmul.SIZE} float32 product: {rates_text}")
    print("ratio: median over rounds of a peer's time over ours; compile: the first step less the median step")
    print("\n".join([*describe_variants(peers), *describe_unmeasured(results), describe_quiet(quiet)]))
    if options.json:
        numbers = {
            "flops": flops,
            "floor_flops_per_second": rate,
            "quiet": dataclasses.asdict(quiet),
            "peers": {result.name: _to_json(peers, result, options.batch_size) for result in peers},
            "floors": {result.name: result_to_json(result) for result in floors},
        }
        say_written(options.json, numbers, vars(options).items())
    return 0


def product_rate(result: Measured, batch_size: int) -> float | None:
    """FLOP/s of the large product, None if it was not measured."""
    seconds = result.seconds(batch_size)
    return matmul.FLOPS / statistics.median(seconds) if seconds and result.state == "measured" else None


def _row(
    peers: Sequence[Measured], result: Measured, batch_size: int, flops: int, rate: float | None
) -> tuple[str, ...]:
    if result.state != "measured":
        return (result.peer.label, result.state, *[ABSENT] * (len(HEADER) - 2))
    median, rounds = statistics.median(result.seconds(batch_size)), result.round_medians(batch_size)
    return (
        result.peer.label,
        f"{1e3 * median:.1f}",
        f"({1e3 * min(rounds):.1f} - {1e3 * max(rounds):.1f})",
        show(ratio_to_ours(peers, result, batch_size), ".2f"),
        f"{batch_size / median:,.0f}",
        f"{flops / median / 1e9:.1f}",
        show(flops / median / rate if rate else None, ".0%"),
        f"{first_run_seconds(result, batch_size):.1f}",
        peak_megabytes(result, batch_size),
        f"{result.about[batch_size]['first_loss']:.1f} -> {result.last[batch_size]['loss']:.1f}",
    )


def _to_json(peers: Sequence[Measured], result: Measured, batch_size: int) -> dict[str, Any]:
    numbers: dict[str, Any] = result_to_json(result)
    if result.state == "measured":
        numbers["median_seconds"] = statistics.median(result.seconds(batch_size))
        numbers["ratio_to_ours"] = ratio_to_ours(peers, result, batch_size)
        numbers["compile_seconds"] = first_run_seconds(result, batch_size)
    return numbers


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m experiments.benchmarks.train_step", description=__doc__)
    add_peer_options(parser, rounds=6, steps=10)
    parser.add_argument("--batch_size", type=int, default=64, help="words a step (default 64)")
    options = parser.parse_args(argv)
    check_positive(options, "rounds", "steps", "batch_size")
    return options


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.train_step", main, sys.argv[1:], program=""))
