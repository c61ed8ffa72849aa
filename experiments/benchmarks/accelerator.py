"""`python -m experiments.benchmarks.accelerator`: five minutes on a machine with a GPU or TPU, prepared beforehand.

Steps of the first and of the large model, in float32 and bfloat16, runs of a sweep as one program, evaluation and beam
search: milliseconds, and how much of the chip's arithmetic that is. Inputs are made up, since their values do not
change the time. What the minutes do not suffice for is named.
"""

import dataclasses
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from experiments.benchmarks import command
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import load_config, run
from hwr_jax.config import resolve_config

MODELS = {"seed": "keras_example", "large": "unipen_words_large"}
# FLOP/s of a chip in bfloat16, and of what float32 means there by default (TF32 on GPUs), from the makers' pages.
PEAKS = {
    "H100": (989e12, 494e12),
    "H200": (989e12, 494e12),
    "A100": (312e12, 156e12),
    "TPU v4": (275e12, 275e12),
    "TPU v5 lite": (197e12, 197e12),
    "TPU v6 lite": (918e12, 918e12),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A program to measure."""

    program: str  # as experiments.compile_for calls it
    model: str  # of MODELS
    dtype: str
    batch: int
    runs: int = 1  # of a vectorized sweep


def main(argv: Sequence[str]) -> int:
    counts = {"minutes": (5, "after which no further program is begun"), "steps": (20, "timed of each program")}
    parser = command.make_parser("accelerator", __doc__, counts)
    for name, default in (("batch_size", "64,256,1024"), ("run", "1,8,32"), ("model", ",".join(MODELS))):
        parser.add_argument(f"--{name}s", metavar="A,B", default=default, help=f"default {default}")
    options = parser.parse_args(argv)
    models = command.choose("model", options.models, MODELS)
    batches, runs = _numbers(parser, "batch_sizes", options), _numbers(parser, "runs", options)
    import jax

    device, end = jax.devices()[0], time.monotonic() + 60 * options.minutes
    print(f"{device.device_kind}, jax {jax.__version__}, {command.describe_machine()}", flush=True)
    rows: list[tuple[str, ...]] = [("program", "model", "dtype", "batch", "runs", "ms", "words/s", "of peak")]
    left_out, measured = [], []
    for case in list_cases(models, batches, runs):
        if time.monotonic() > end:
            left_out.append(case)
            continue
        seconds, flops = measure(case, device, options.steps)
        peaks = next((value for name, value in PEAKS.items() if name in device.device_kind), None)
        share = flops / seconds / peaks[case.dtype == "float32"] if peaks else None
        words = case.batch * (case.runs if case.program == "vectorized" else 1) / seconds
        shown = f"{share:.1%}" if share is not None else "-"
        cells = [str(value) for value in dataclasses.astuple(case)]
        rows.append((*cells, f"{1e3 * seconds:.3f}", f"{words:,.0f}", shown))
        measured.append({**dataclasses.asdict(case), "seconds": seconds, "flops": flops, "of_peak": share})
        print("  ".join(rows[-1]), flush=True)
    print(f"\n{align_columns(rows, right=range(3, 8))}")
    for case in left_out:
        print(f"no time left for {case}")
    left = [dataclasses.asdict(case) for case in left_out]
    command.write_numbers(options, {"device_kind": device.device_kind, "measured": measured, "left_out": left})
    return 0


def list_cases(models: Sequence[str], batches: Sequence[int], runs: Sequence[int]) -> Iterator[Case]:
    """What tells most comes first."""
    for model in models:
        for dtype in ("float32", "bfloat16"):
            yield from (Case("step", model, dtype, batch) for batch in batches)
    for model in models:
        yield Case("evaluate", model, "float32", batches[0])
        yield Case("beam", model, "float32", batches[0])
    yield from (Case("vectorized", models[0], "float32", batches[0], count) for count in runs if count > 1)


def measure(case: Case, device: Any, steps: int) -> tuple[float, float]:
    """The median seconds of a program, and its floating point operations as XLA counts them."""
    import jax
    import numpy as np

    from experiments.compile_for.programs import Sizes, lower

    config = resolve_config(load_config([f"--config={MODELS[case.model]}"])[0])
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, compute_dtype=case.dtype))
    lowered = lower(case.program, config, Sizes(case.batch, config.model.width_px, case.runs), [device])
    program = lowered.compile()

    def make_up(shape: Any) -> Any:
        return jax.device_put(np.full(shape.shape, 0.01 if shape.dtype == np.float32 else 1, shape.dtype), device)

    arguments, _ = jax.tree.map(make_up, lowered.args_info)
    seconds = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        result = jax.block_until_ready(program(*arguments))
        seconds.append(time.perf_counter() - start)
        if case.program in ("step", "vectorized"):  # It consumes the state.
            arguments = (result, *arguments[1:])
    return statistics.median(seconds[1:]), (program.cost_analysis() or {}).get("flops", 0.0)


def _numbers(parser: Any, name: str, options: Any) -> list[int]:
    texts = getattr(options, name).split(",")
    if not all(text.isdecimal() and int(text) for text in texts):
        parser.error(f"--{name}={','.join(texts)}: not whole numbers from 1 up")
    return [int(text) for text in texts]


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.accelerator", main, sys.argv[1:], program=""))
