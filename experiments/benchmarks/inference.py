"""`python -m experiments.benchmarks.inference`: reading one word, and words by the batch, against other frameworks.

All run the seed model: ours as `hwr read` and `hwr evaluate` do, the others in the fastest way of theirs, images on
the host in, probabilities on the host out. They take turns as in `experiments.benchmarks.train_step`. Latency is that
of one word, speed that of batches; opening and preprocessing images and decoding are not in it.
"""

import dataclasses
import sys
from collections.abc import Sequence

from experiments.benchmarks import command
from experiments.benchmarks.command import show
from experiments.benchmarks.rounds import ratio_to_ours
from experiments.benchmarks.task import INFERENCE
from hwr_jax.commands.options import run

# Both are programs of `hwr_jax.models.trained.BATCH_SIZES`.
ONE, BATCH = 1, 64
SINGLE_CALLS_PER_STEP = 10


def main(argv: Sequence[str]) -> int:
    """Measures and prints the table; returns the exit status. Raises InputError for wrong flags."""
    counts = {"rounds": (6, "turns of each peer"), "steps": (10, "timed in a turn")}
    options = command.make_parser("inference", __doc__, counts, peers=True).parse_args(argv)
    peers = command.chosen_peers(options.peers)
    machine = command.describe_machine()
    steps = {ONE: SINGLE_CALLS_PER_STEP * options.steps, BATCH: options.steps}
    results, quiet = command.measure_peers(INFERENCE, peers, options, steps)
    columns = {
        "1 word: ms": lambda peer: f"{1e3 * peer.median(ONE):.2f}",
        "p95": lambda peer: f"{1e3 * percentile_95(peer.seconds(ONE)):.2f}",
        "ratio": lambda peer: show(ratio_to_ours(results, peer, ONE), ".2f"),
        f"{BATCH} words: ms": lambda peer: f"{1e3 * peer.median(BATCH):.1f}",
        "(rounds)": lambda peer: command.show_range(peer.round_medians(BATCH), ".1f"),
        "ratio ": lambda peer: show(ratio_to_ours(results, peer, BATCH), ".2f"),
        "words/s": lambda peer: f"{BATCH / peer.median(BATCH):,.0f}",
        "compile s": lambda peer: f"{peer.first_run_seconds(ONE) + peer.first_run_seconds(BATCH):.1f}",
        "MB": lambda peer: command.peak_megabytes(peer, BATCH),
    }
    calls = f"{options.rounds} x {steps[ONE]} and {options.rounds} x {steps[BATCH]} calls"
    print(f"reading with the seed model, one word and batches of {BATCH}, {calls}")
    print(f"{machine}\n\n{command.tabulate_peers(results, columns)}\n")
    print("medians of all calls; ratio: median over rounds of a peer's time over ours")
    print("compile: the first call of both sizes less their medians")
    print("\n".join(command.describe_notes(results, quiet)))
    of_peers = command.peers_to_json(
        results,
        lambda peer: {
            "latency_median_seconds": peer.median(ONE),
            "latency_p95_seconds": percentile_95(peer.seconds(ONE)),
            "samples_per_second": BATCH / peer.median(BATCH),
            **{f"ratio_to_ours_{size}": ratio_to_ours(results, peer, size) for size in steps},
            **{f"compile_seconds_{size}": peer.first_run_seconds(size) for size in steps},
        },
    )
    command.write_numbers(options, {"quiet": dataclasses.asdict(quiet), "peers": of_peers})
    return 0


def percentile_95(values: Sequence[float]) -> float:
    """The smallest value that 95 % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[-(-95 * len(ordered) // 100) - 1]


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.inference", main, sys.argv[1:], program=""))
