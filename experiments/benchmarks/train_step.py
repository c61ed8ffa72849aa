"""`python -m experiments.benchmarks.train_step`: our training step against those of other frameworks.

All train the seed model, or a large one, on the same batch with dropout, CTC, gradients and Adam. Each is a process of
its own; they take turns, one runs while the others wait, over several rounds in changing order, so that the machine's
noise falls on all alike. The floor is the time that the step's products would take at the rate of one large float32
product, measured in the same rounds.
"""

import sys
from collections.abc import Sequence

from experiments.benchmarks import command
from experiments.benchmarks.flops import PRODUCT_FLOPS, PRODUCT_SIZE, train_step_flops
from experiments.benchmarks.peers import FLOORS, MODELS, TRAIN_STEP
from experiments.benchmarks.rounds import ratio_to_ours
from hwr_jax.commands.options import run
from hwr_jax.reports.tables import show_number
from hwr_jax.text.alphabet import resolve_alphabet


def main(argv: Sequence[str]) -> int:
    counts = {"rounds": (6, "turns of each peer"), "steps": (10, "timed in a turn"), "batch_size": (64, "words a step")}
    options = command.make_parser("train_step", __doc__, counts, peers=True).parse_args(argv)
    size = options.batch_size
    chosen = command.chosen_peers(options.peers, TRAIN_STEP)
    machine = command.describe_machine()
    results, quiet = command.measure_peers(TRAIN_STEP, {**chosen, **FLOORS}, options, size, options.steps)
    floors = [result for result in results if result.name in FLOORS]
    peers = [result for result in results if result.name not in FLOORS]
    model = MODELS[options.model]
    flops = train_step_flops(model, resolve_alphabet(model.alphabet).num_classes, size)
    rates = {floor.peer.label: PRODUCT_FLOPS / floor.median for floor in floors if floor.state == "measured"}
    rate = max(rates.values(), default=None)
    columns = {
        "ms a step": lambda peer: f"{1e3 * peer.median:.1f}",
        "(rounds)": lambda peer: command.show_range(peer.round_medians, ".1f"),
        "ratio": lambda peer: show_number(ratio_to_ours(peers, peer), ".2f"),
        "words/s": lambda peer: f"{size / peer.median:,.0f}",
        "GFLOP/s": lambda peer: f"{flops / peer.median / 1e9:.1f}",
        "of floor": lambda peer: show_number(flops / peer.median / rate if rate else None, ".0%"),
        "compile s": lambda peer: f"{peer.first_run_seconds:.1f}",
        "MB": command.peak_megabytes,
        "loss": lambda peer: f"{peer.about['first_loss']:.1f} -> {peer.last['loss']:.1f}",
    }
    print(f"training step of the {options.model} model, batch {size}, {options.rounds} x {options.steps} steps")
    print(f"{machine}\n\n{command.tabulate_peers(peers, columns)}\n")
    print(f"a step takes {flops / 1e9:.2f} GFLOP: products of the forward pass, and twice as many backward")
    if rate:
        rates_text = ", ".join(f"{label} {value / 1e9:.0f}" for label, value in rates.items())
        print(f"floor: {1e3 * flops / rate:.1f} ms a step at {rate / 1e9:.0f} GFLOP/s, the better of one", end=" ")
        print(f"{PRODUCT_SIZE} x {PRODUCT_SIZE} float32 product: {rates_text}")
    print("ratio: median over rounds of a peer's time over ours; compile: the first step less the median step")
    print("\n".join(command.describe_notes(results, quiet, size)))
    numbers = {"flops": flops, "floor_flops_per_second": rate, "quiet": quiet}
    numbers |= {"peers": command.peers_to_json(peers), "floors": command.peers_to_json(floors)}
    command.write_numbers(options, numbers)
    return 0


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.train_step", main, sys.argv[1:], program=""))
