"""`python -m experiments.benchmarks.augmentation`: what augmentation costs, beside the training step it is part of.

Each effect is a program of its own on a batch of words that lies on the device; then the seed model's training step
without augmentation and with all effects. All take turns over several rounds. On a CPU the time is that of the cores
that worked, which other processes do not lengthen much.
"""

import argparse
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from experiments.benchmarks.command import add_common_options, check_positive, describe_machine, say_written
from experiments.benchmarks.training_loop import TrainingSteps, example_config, read_batches
from experiments.benchmarks.words import make_words
from hwr_jax.commands.options import Parser, run
from hwr_jax.config import AugmentConfig, ModelConfig
from hwr_jax.data.labels import Labels
from hwr_jax.data.pipeline import sample_arrays
from hwr_jax.errors import InputError
from hwr_jax.models.cpu_kernels.library import describe
from hwr_jax.reports.tables import align_columns
from hwr_jax.training.augment import augment

EVERYTHING = AugmentConfig(
    shear=0.35,
    rotation_degrees=4.0,
    scale_x=0.15,
    scale_y=0.2,
    shift_x_px=2.0,
    shift_y_px=2.0,
    warp_px=0.8,
    elastic_px=0.7,
    pen_px=0.5,
    light=0.3,
    texture=0.2,
    contrast=0.8,
    gamma=0.5,
    blur_px=0.7,
    noise=0.1,
    mask_px=4.0,
)
AFFINE = ("shear", "rotation_degrees", "scale_x", "scale_y", "shift_x_px", "shift_y_px")
GREY_LEVELS = ("pen_px", "light", "texture", "contrast", "gamma", "blur_px", "noise", "mask_px")
EFFECTS = {
    "affine": AFFINE,
    "affine_and_warp": (*AFFINE, "warp_px"),
    "affine_and_both_warps": (*AFFINE, "warp_px", "elastic_px"),
    **{name: (name,) for name in GREY_LEVELS},
    "grey_levels": GREY_LEVELS,
    "everything": (*AFFINE, "warp_px", "elastic_px", *GREY_LEVELS),
}
STEP, AUGMENTED_STEP = "step", "step_with_everything"
HEADER = ("", "ms a batch", "(rounds)", "of the step")


def main(argv: Sequence[str]) -> int:
    """Measures and prints the table. Returns the exit status.

    Raises:
      InputError: wrong flags.
    """
    options = _parse(argv)
    machine = describe_machine()
    programs = _build_programs(options)
    rounds = measure_in_turns(programs, rounds=options.rounds, steps=options.steps)
    medians = {name: statistics.median(np.concatenate(seconds).tolist()) for name, seconds in rounds.items()}
    rows = [HEADER, *(_row(name, rounds[name], medians) for name in programs)]
    print(f"augmentation, batch {options.batch_size}, {options.rounds} x {options.steps} times")
    print("\n".join(line for line in (machine, describe()) if line) + "\n")
    print(align_columns(rows, right=range(1, len(HEADER))) + "\n")
    clock = "of all cores together" if jax.default_backend() == "cpu" else "from start to end"
    print(f"milliseconds {clock}; medians, and the lowest and the highest median of a round")
    added = medians[AUGMENTED_STEP] - medians[STEP]
    print(f"everything adds {1e3 * added:.1f} ms to the step: {added / medians[STEP]:.1%}")
    if options.json:
        numbers = {
            "device": jax.default_backend(),
            "median_seconds": medians,
            "round_seconds": {name: [list(one) for one in seconds] for name, seconds in rounds.items()},
            "share_of_step": added / medians[STEP],
        }
        say_written(options.json, numbers, vars(options).items())
    return 0


def measure_in_turns(
    programs: Mapping[str, Callable[[], object]], *, rounds: int, steps: int
) -> dict[str, list[list[float]]]:
    """Seconds of each run, [rounds][steps] by name. The first, which compiles, and the first of a turn do not count."""
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    seconds: dict[str, list[list[float]]] = {name: [] for name in programs}
    for number in range(rounds):
        for name, program in programs.items():
            if not number:
                print(f"{name}: compiling", file=sys.stderr)
                program()
            program()
            turn = []
            for _ in range(steps):
                start = clock()
                program()
                turn.append(clock() - start)
            seconds[name].append(turn)
    return seconds


def _build_programs(options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """By name, functions that return when their result is ready."""
    words = make_words(options.batch_size, ModelConfig())
    images_BxWxHx1 = jax.device_put(words.images_BxWxHx1)
    keys_B = jax.random.split(jax.random.key(0), options.batch_size)
    arrays = sample_arrays(words.images_BxHxW, Labels(words.labels_BxL, words.lengths_B))
    batch = next(read_batches(arrays, options.batch_size, 1))

    def alone(config: AugmentConfig) -> Callable[[], object]:
        program = jax.jit(lambda images, keys: augment(images, keys, config))
        return lambda: jax.block_until_ready(program(images_BxWxHx1, keys_B))

    def in_step(config: AugmentConfig) -> Callable[[], object]:
        example = dataclasses.replace(example_config(options.compute_dtype), augment=config)
        steps = TrainingSteps(example, words.num_classes, options.batch_size)
        return lambda: steps.run(batch)

    programs = {name: alone(_only(EFFECTS[name])) for name in options.effects}
    return {**programs, STEP: in_step(AugmentConfig()), AUGMENTED_STEP: in_step(EVERYTHING)}


def _only(names: Sequence[str]) -> AugmentConfig:
    others = {name: 0.0 for name in EFFECTS["everything"] if name not in names}
    return dataclasses.replace(EVERYTHING, **others)  # type: ignore[arg-type]


def _row(name: str, rounds: Sequence[Sequence[float]], medians: Mapping[str, float]) -> tuple[str, ...]:
    of_rounds = [1e3 * statistics.median(turn) for turn in rounds]
    return (
        name.replace("_px", " px").replace("_", " "),
        f"{1e3 * medians[name]:.2f}",
        f"({min(of_rounds):.2f} - {max(of_rounds):.2f})",
        f"{medians[name] / medians[STEP]:.2%}",
    )


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m experiments.benchmarks.augmentation", description=__doc__)
    parser.add_argument("--effects", metavar="A,B", default=",".join(EFFECTS), help=f"default {','.join(EFFECTS)}")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each (default 6)")
    parser.add_argument("--steps", type=int, default=10, help="timed in a turn (default 10)")
    parser.add_argument("--batch_size", type=int, default=64, help="words a step (default 64)")
    add_common_options(parser)
    options = parser.parse_args(argv)
    check_positive(options, "rounds", "steps", "batch_size")
    options.effects = [name for name in options.effects.split(",") if name]
    for name in options.effects:
        if name not in EFFECTS:
            raise InputError(f"--effects: no effect {name!r}; the effects are {', '.join(EFFECTS)}")
    return options


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.augmentation", main, sys.argv[1:], program=""))
