"""`python -m experiments.benchmarks.augmentation`: what augmentation costs, beside the training step it is part of.

Each effect is a program of its own on a batch of words that lies on the device; then the seed model's training step
without augmentation and with all effects. All take turns over several rounds. On a CPU the time is that of the cores
that worked, which other processes do not lengthen much.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax

from experiments.benchmarks.command import choose, describe_here, make_parser, show_range, write_numbers
from experiments.benchmarks.ours import TrainingSteps, batch_of, example_config
from experiments.benchmarks.rounds import median_of, take_turns
from experiments.benchmarks.words import make_words
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import run
from hwr_jax.config import AugmentConfig, ModelConfig
from hwr_jax.training.augment import build_effects

AFFINE = {"shear": 0.35, "rotation_degrees": 4.0, "scale_x": 0.15, "scale_y": 0.2, "shift_x_px": 2.0, "shift_y_px": 2.0}
GREY_LEVELS = {
    "pen_px": 0.5,
    "light": 0.3,
    "texture": 0.2,
    "contrast": 0.8,
    "gamma": 0.5,
    "blur_px": 0.7,
    "noise": 0.1,
    "mask_px": 4.0,
}
WARPS = {"warp_px": 0.8, "elastic_px": 0.7}
EVERYTHING: dict[str, Any] = {**AFFINE, **WARPS, **GREY_LEVELS}
EFFECTS: dict[str, dict[str, Any]] = {
    "affine": AFFINE,
    "affine_and_warp": {**AFFINE, "warp_px": WARPS["warp_px"]},
    "affine_and_both_warps": {**AFFINE, **WARPS},
    **{name: {name: strength} for name, strength in GREY_LEVELS.items()},
    "grey_levels": GREY_LEVELS,
    "everything": EVERYTHING,
}
STEP, AUGMENTED_STEP = "step", "step_with_everything"


def main(argv: Sequence[str]) -> int:
    counts = {"rounds": (6, "turns of each"), "steps": (10, "timed in a turn"), "batch_size": (64, "words a step")}
    parser = make_parser("augmentation", __doc__, counts, compute_dtype=True)
    parser.add_argument("--effects", metavar="A,B", default=",".join(EFFECTS), help=f"default {','.join(EFFECTS)}")
    options = parser.parse_args(argv)
    options.effects = choose("effect", options.effects, EFFECTS)
    machine, clock = describe_here()
    programs = build_programs(options.effects, options.batch_size, options.compute_dtype)
    rounds = take_turns(programs, rounds=options.rounds, steps=options.steps, clock=clock)
    medians = {name: median_of(steps) for name, steps in rounds.items()}
    rows = [("", "ms a batch", "(rounds)", "of the step")]
    for name, steps in rounds.items():
        label = name.replace("_px", " px").replace("_", " ")
        range_of_rounds = show_range([median_of([turn]) for turn in steps], ".2f")
        rows.append((label, f"{1e3 * medians[name]:.2f}", range_of_rounds, f"{medians[name] / medians[STEP]:.2%}"))
    print(f"augmentation, batch {options.batch_size}, {options.rounds} x {options.steps} times")
    print(f"{machine}\n\n{align_columns(rows, right=range(1, len(rows[0])))}\n")
    print(f"milliseconds {clock}; medians, and the lowest and the highest median of a round")
    added = medians[AUGMENTED_STEP] - medians[STEP]
    print(f"everything adds {1e3 * added:.1f} ms to the step: {added / medians[STEP]:.1%}")
    numbers = {"device": jax.default_backend(), "median_seconds": medians, "round_seconds": rounds}
    write_numbers(options, {**numbers, "share_of_step": added / medians[STEP]})
    return 0


def build_programs(effects: Sequence[str], batch_size: int, compute_dtype: str) -> dict[str, Callable[[], object]]:
    """By name, functions that return when their result is ready."""
    words = make_words(batch_size, ModelConfig())
    images_BxWxHx1 = jax.device_put(words.images_BxWxHx1)
    keys_B = jax.random.split(jax.random.key(0), batch_size)
    batch = batch_of(words)

    def alone(config: AugmentConfig) -> Callable[[], object]:
        def augment(images: jax.Array, keys: jax.Array) -> jax.Array:
            for effect in build_effects(config):
                images, _ = effect.apply(images, None, keys)
            return images

        program = jax.jit(augment)
        return lambda: jax.block_until_ready(program(images_BxWxHx1, keys_B))

    def in_step(config: AugmentConfig) -> Callable[[], object]:
        example = dataclasses.replace(example_config(compute_dtype), augment=config)
        steps = TrainingSteps(example, words.num_classes, batch_size)
        return lambda: steps.run(batch)

    programs = {name: alone(AugmentConfig(**EFFECTS[name])) for name in effects}
    return {**programs, STEP: in_step(AugmentConfig()), AUGMENTED_STEP: in_step(AugmentConfig(**EVERYTHING))}


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.augmentation", main, sys.argv[1:], program=""))
