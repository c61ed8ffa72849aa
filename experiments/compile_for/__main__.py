"""`python -m experiments.compile_for`: compiles a program of ours for an accelerator that is not there."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.compile_for.chips import KINDS, Target, find_target, prepare_environment
from experiments.console import say
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import Parser, positive, run
from hwr_jax.config import ExperimentConfig, resolve_config
from hwr_jax.errors import InputError

PROGRAMS = ("step", "evaluate", "greedy", "beam", "vectorized")
_ABOUT = """Compiles a program for an accelerator that is not there, and prints what the compiler says of it. Nothing
runs, and no data are read."""
_OPERATIONS = 12  # that are shown


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="python -m experiments.compile_for", description=_ABOUT)
    parser.add_config_flags()
    parser.add_argument("--topology", required=True, metavar="KIND:SHAPE", help=f"the chips: {KINDS}")
    parser.add_argument("--program", choices=PROGRAMS, default="step", help="default step")
    parser.add_argument(
        "--parallel", choices=("auto", "jit", "pmap", "mesh"), default="auto", help="of the step; default as hwr train"
    )
    parser.add_argument("--batch_size", type=positive, help="over all chips (default: the config's)")
    parser.add_argument("--width_px", type=positive, help="of the images (default: the config's, the widest of lines)")
    parser.add_argument("--runs", type=positive, default=8, help="of --program=vectorized (default 8)")
    parser.add_argument(
        "--largest_batch", action="store_true", help="also double the batch until it does not fit; compiles each"
    )
    parser.add_argument("--hlo", metavar="FILE", help="write the compiled program there, as text")
    options = parser.parse(argv)
    config = resolve_config(options.config)
    with tempfile.TemporaryDirectory() as code:
        prepare_environment(options.topology, code)
        return _show(options, config, find_target(options.topology), Path(code))


def _show(options: Any, config: ExperimentConfig, target: Target, code: Path) -> int:
    from experiments.compile_for.programs import Sizes

    batch = options.batch_size or config.data.batch_size
    sizes = Sizes(batch, options.width_px or config.model.width_px, options.runs)
    compiled, seconds = _compile(options, config, sizes, target)
    text = compiled.as_text()
    if options.hlo:
        with open(options.hlo, "w", encoding="utf-8") as file:
            file.write(text)
    chips = f"{len(target.devices)} x {target.devices[0].device_kind}"
    print(f"{options.program}, batch {batch}, {sizes.width_px} px wide, {config.model.compute_dtype}, for {chips}")
    print(f"compiled in {seconds:.0f} s; nothing ran")
    print("\n".join(_describe(compiled, text, target, code)))
    if options.largest_batch:
        print(f"largest batch that fits, doubling: {_find_largest(options, config, sizes, target)}")
    return 0


def _compile(options: Any, config: ExperimentConfig, sizes: Any, target: Target) -> tuple[Any, float]:
    """Raises InputError: the chip's memory does not hold the program."""
    import jax

    from experiments.compile_for.programs import lower

    lowered = lower(options.program, config, sizes, target.devices, options.parallel)
    say(f"compiling {options.program} of batch {sizes.batch} for {options.topology}; this takes minutes")
    start = time.perf_counter()
    try:
        return lowered.compile(), time.perf_counter() - start
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(f"--batch_size={sizes.batch}: does not fit the memory of {options.topology}") from error


def _describe(compiled: Any, text: str, target: Target, code: Path) -> list[str]:
    from experiments.compile_for.hlo import describe
    from experiments.compile_for.machine_code import read_bundles

    memory, found = compiled.memory_analysis(), describe(text, read_bundles(code))
    parts = {
        "arguments": memory.argument_size_in_bytes,
        "temporary": memory.temp_size_in_bytes,
        "code": memory.generated_code_size_in_bytes,
    }
    lines = ["memory of a chip: " + ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in parts.items())]
    if target.chip is None:
        lines.append(f"kernels: {found.launches:,}, one after the other; for GPUs the compiler estimates no time")
        kernels = [(_show_trips(one.trips), f"{one.size}", one.source) for one in found.loops]
        return [*lines, "", align_columns([("loops: trips", "kernels", "source"), *kernels], right=(0, 1))]
    milliseconds = 1e3 / target.chip.hertz
    flops = (compiled.cost_analysis() or {}).get("flops", 0.0)
    lines.append(f"arithmetic of a chip: {flops / 1e9:,.2f} GFLOP")
    lines.append(f"estimate: {found.cycles * milliseconds:,.3f} ms by the compiler's cycles")
    if ours := 1e3 * found.kernel_seconds(target.chip.hertz, target.chip.bandwidth):
        lines.append(f"not in the estimate: kernels of ours, {ours:,.3f} ms by their machine code, without waits")
    if gathered := sum(one.gathered for one in found.operations):
        lines.append(f"not in the estimate: gathers of {gathered:,} elements")
    loops = [
        (_show_trips(one.trips), f"{one.size}", f"{one.cycles * milliseconds:,.3f}", one.source) for one in found.loops
    ]
    costly = sorted(found.operations, key=lambda one: -one.cycles)[:_OPERATIONS]
    rows = [
        (f"{one.cycles * milliseconds:,.3f}", f"{one.times}", one.kind, one.shape.partition("{")[0], one.source)
        for one in costly
    ]
    lines += ["", align_columns([("loops: trips", "operations", "ms", "source"), *loops], right=(0, 1, 2))]
    return [*lines, "", align_columns([("costliest: ms", "times", "kind", "result", "source"), *rows], right=(0, 1))]


def _show_trips(trips: int | None) -> str:
    return "?" if trips is None else f"{trips}"


def _find_largest(options: Any, config: Any, sizes: Any, target: Any) -> str:
    """The last batch that compiles, when doubled again and again, within the chip's memory."""
    import dataclasses

    fits = sizes.batch
    while True:
        try:
            _compile(options, config, dataclasses.replace(sizes, batch=2 * fits), target)
        except InputError:
            return f"{fits:,}"
        fits *= 2


if __name__ == "__main__":
    sys.exit(run("experiments.compile_for", main, sys.argv[1:], program=""))
