"""`python -m experiments.benchmarks.inference`: reading one word, and words by the batch, against other frameworks.

All run the seed model, or a large one: ours as `hwr read` and `hwr evaluate` do, the others in the fastest way of
theirs, images on the host in, probabilities on the host out. They take turns as in `experiments.benchmarks.train_step`.
Latency is that of one word, speed that of batches; opening and preprocessing images and decoding are not in it.
"""

import sys
from collections.abc import Sequence

from experiments.benchmarks import command
from experiments.benchmarks.peers import INFERENCE
from experiments.benchmarks.rounds import ratio_to_ours
from hwr_jax.commands.options import run
from hwr_jax.data.batches import BATCH_SIZE
from hwr_jax.reports.tables import show_number

ONE, BATCH = 1, BATCH_SIZE
SINGLE_CALLS_PER_STEP = 10


def main(argv: Sequence[str]) -> int:
    counts = {"rounds": (6, "turns of each peer"), "steps": (10, "timed in a turn")}
    options = command.make_parser("inference", __doc__, counts, peers=True).parse_args(argv)
    peers = command.chosen_peers(options.peers, INFERENCE)
    machine = command.describe_machine()
    steps = SINGLE_CALLS_PER_STEP * options.steps
    ones, quiet_one = command.measure_peers(INFERENCE, peers, options, ONE, steps)
    batches, quiet_batch = command.measure_peers(INFERENCE, peers, options, BATCH, options.steps)
    one_of = {one.name: one for one in ones}
    columns = {
        "1 word: ms": lambda peer: f"{1e3 * one_of[peer.name].median:.2f}",
        "p95": lambda peer: f"{1e3 * command.percentile_95(one_of[peer.name].rounds):.2f}",
        "ratio": lambda peer: show_number(ratio_to_ours(ones, one_of[peer.name]), ".2f"),
        f"{BATCH} words: ms": lambda peer: f"{1e3 * peer.median:.1f}",
        "(rounds)": lambda peer: command.show_range(peer.round_medians, ".1f"),
        "ratio ": lambda peer: show_number(ratio_to_ours(batches, peer), ".2f"),
        "words/s": lambda peer: f"{BATCH / peer.median:,.0f}",
        "compile s": lambda peer: f"{one_of[peer.name].first_run_seconds + peer.first_run_seconds:.1f}",
        "MB": command.peak_megabytes,
    }
    calls = f"{options.rounds} x {steps} and {options.rounds} x {options.steps} calls"
    rows = [one if one.state != "measured" else batch for one, batch in zip(ones, batches, strict=True)]
    print(f"reading with the {options.model} model, one word and batches of {BATCH}, {calls}")
    print(f"{machine}\n\n{command.tabulate_peers(rows, columns)}\n")
    print("medians of all calls; ratio: median over rounds of a peer's time over ours")
    print("compile: the first call of both sizes less their medians")
    notes = command.describe_notes(ones, quiet_one, ONE) + command.describe_notes(batches, quiet_batch, BATCH)
    print("\n".join(dict.fromkeys(notes)))
    quiet = {ONE: quiet_one, BATCH: quiet_batch}
    numbers = {ONE: command.peers_to_json(ones), BATCH: command.peers_to_json(batches)}
    command.write_numbers(options, {"quiet": quiet, "batch_sizes": numbers})
    return 0


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.inference", main, sys.argv[1:], program=""))
