"""What the benchmark commands share: their flags, what they print of machine and peers, and their JSON."""

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.benchmarks.peers import MODELS, OURS, PEERS, SEED, Peer, Task
from experiments.benchmarks.rounds import OF_CORES, WALL, Measured, Quiet, measure, ratio_to_ours
from experiments.console import say
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import Parser, positive
from hwr_jax.data.parallel import count_cores
from hwr_jax.errors import InputError
from hwr_jax.model_config import COMPUTE_DTYPES
from hwr_jax.reports.tables import ABSENT
from hwr_jax.training.workdir import command_line, git_revision, write_json


def make_parser(
    name: str,
    about: str | None,
    counts: Mapping[str, tuple[int, str]],
    *,
    peers: bool = False,
    model: bool = False,
    compute_dtype: bool = False,
) -> Parser:
    """The parser of a benchmark's module. `counts` are flags that take a number from 1 up: its default, what it is."""
    parser = Parser(prog=f"python -m experiments.benchmarks.{name}", description=about)
    for flag, (default, what) in counts.items():
        parser.add_argument(f"--{flag}", type=positive, default=default, help=f"{what} (default {default})")
    if peers:
        others = ",".join(name for name in PEERS if name != OURS)
        parser.add_argument("--peers", metavar="A,B", default=others, help=f"beside {OURS}; default {others}")
    if peers or model:
        parser.add_argument("--model", choices=tuple(MODELS), default=SEED, help=f"default {SEED}")
    if peers or compute_dtype:
        parser.add_argument("--compute_dtype", choices=COMPUTE_DTYPES, default="float32", help="of hwr_jax alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too, all of them")
    return parser


def choose(kind: str, names: str, known: Iterable[str]) -> list[str]:
    """The names of --`kind`s=A,B. Raises InputError where one is not known."""
    chosen = [name for name in names.split(",") if name]
    if unknown := [name for name in chosen if name not in known]:
        raise InputError(f"--{kind}s: no {kind} {unknown[0]!r}; the {kind}s are {', '.join(known)}")
    return chosen


def chosen_peers(names: str, kind: str) -> dict[str, Peer]:
    """Ours and those of --peers that do this kind of task. Raises InputError where there is no such peer."""
    others = choose("peer", names, PEERS)
    return {name: peer for name, peer in PEERS.items() if kind in peer.variants and (name == OURS or name in others)}


def measure_peers(
    kind: str, peers: Mapping[str, Peer], options: argparse.Namespace, batch_size: int, steps: int
) -> tuple[list[Measured], Quiet]:
    """Makes the words and measures the peers on them, see `experiments.benchmarks.rounds.measure`."""
    import numpy as np

    from experiments.benchmarks.words import make_words

    # Otherwise the peers would notice a parent that was ended only after their own step.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="hwr_benchmark_") as folder:
        words_file = Path(folder) / "words.npz"
        np.savez(words_file, **vars(make_words(batch_size, MODELS[options.model])))
        task = Task(kind, str(words_file), options.compute_dtype, options.model)
        return measure(peers, task, rounds=options.rounds, steps=steps)


def describe_machine() -> str:
    """The processor and its cores, in a line."""
    return f"{_processor()}, {count_cores()} cores, load before the run {os.getloadavg()[0]:.1f}"


def describe_here() -> tuple[str, str]:
    """The machine and our compiled kernels, for programs of this process; and the clock for `take_turns`."""
    import jax

    from hwr_jax.models.ops import describe_kernels, prepare_kernels

    prepare_kernels()
    lines = "\n".join(filter(None, (describe_machine(), describe_kernels())))
    return lines, OF_CORES if jax.default_backend() == "cpu" else WALL


def tabulate_peers(results: Sequence[Measured], columns: Mapping[str, Callable[[Measured], str]]) -> str:
    """A row a peer: its label and the columns, or why it was not measured."""
    rows = [("peer", *columns)]
    for result in results:
        measured = result.state == "measured"
        cells = [cell(result) for cell in columns.values()] if measured else [result.state, *[ABSENT] * len(columns)]
        rows.append((result.peer.label, *cells[: len(columns)]))
    return align_columns(rows, right=range(1, len(rows[0])))


def describe_notes(results: Sequence[Measured], quiet: Quiet, batch_size: int) -> list[str]:
    """Lines below a table: which of several variants was measured, peers without numbers, and how quiet it was."""
    lines = []
    for result in results:
        if result.state == "measured" and len(result.trials) > 1:
            tried = {
                name: f"{trial:.1f} ms" if isinstance(trial, float) else trial for name, trial in result.trials.items()
            }
            chosen = f"{result.variant} {tried.pop(result.variant)} in a short trial"
            others = ", ".join(f"{name} {text}" for name, text in tried.items())
            lines.append(f"{result.peer.label}, batch {batch_size}: {chosen}; {others}")
    lines += [f"{one.peer.label}: {one.state}: {one.message}" for one in results if one.state != "measured"]
    parts = {
        "seconds": "{:.0f} s of turns",
        "resting_cores": "peers at rest took {:.2f} cores",
        "foreign_cores": "other processes {:.2f}",
    }
    return [*lines, ", ".join(text.format(quiet[name]) for name, text in parts.items() if quiet[name] is not None)]


def peak_megabytes(result: Measured) -> str:
    """Host memory, and device memory where that is another: "812" or "1,320 + 410 device"."""
    host, device = f"{result.last['peak_bytes'] / 1e6:,.0f}", result.last["device_peak_bytes"]
    return host if device is None else f"{host} + {device / 1e6:,.0f} device"


def show_range(seconds: Sequence[float], format_spec: str) -> str:
    """The lowest and the highest, in milliseconds."""
    return f"({1e3 * min(seconds):{format_spec}} - {1e3 * max(seconds):{format_spec}})"


def write_numbers(options: argparse.Namespace, numbers: Mapping[str, Any]) -> None:
    """Writes the file of --json, if asked for: the numbers, and how and where they were measured."""
    if not options.json:
        return
    given = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    machine = {
        "argv": command_line(),
        "options": given,
        "git": git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": count_cores(),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
    }
    write_json(options.json, {**machine, **numbers})
    say(f"written {options.json}")


def peers_to_json(results: Sequence[Measured]) -> dict[str, Any]:
    """All that is known of each peer, by name."""
    found = {}
    for result in results:
        known = {name: getattr(result, name) for name in ("state", "message", "variant")}
        known |= {"label": result.peer.label, "trials_ms": result.trials, **result.about, **result.last}
        if result.state == "measured":
            known |= {
                "median_seconds": result.median,
                "p95_seconds": percentile_95(result.rounds),
                "ratio_to_ours": ratio_to_ours(results, result),
                "compile_seconds": result.first_run_seconds,
            }
        found[result.name] = known | {"round_seconds": result.rounds}
    return found


def percentile_95(rounds: Sequence[Sequence[float]]) -> float:
    """The smallest value that 95 % of the steps of all rounds do not exceed."""
    ordered = sorted(step for steps in rounds for step in steps)
    return ordered[-(-95 * len(ordered) // 100) - 1]


def _processor() -> str:
    """Its name, as Linux has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
