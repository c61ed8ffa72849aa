"""What the benchmark commands share: their flags, the machine they tell of, their tables' footers and JSON."""

import argparse
import os
import platform
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.benchmarks.peers import OURS, PEERS, Peer
from experiments.benchmarks.rounds import Measured, Quiet, measure
from experiments.benchmarks.task import Task
from hwr_jax.commands.options import Parser
from hwr_jax.data.parallel import count_cores
from hwr_jax.errors import InputError
from hwr_jax.model_config import COMPUTE_DTYPES, ModelConfig
from hwr_jax.training.workdir import command_line, git_revision, write_json

ABSENT = "-"


def add_common_options(parser: Parser) -> None:
    """--compute_dtype and --json."""
    parser.add_argument("--compute_dtype", choices=COMPUTE_DTYPES, default="float32", help="of hwr_jax alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too, all of them")


def add_peer_options(parser: Parser, *, rounds: int, steps: int) -> None:
    """Those of the commands that measure peers in turns."""
    others = [name for name in PEERS if name != OURS]
    parser.add_argument(
        "--peers", metavar="A,B", default=",".join(others), help=f"beside {OURS}; default {','.join(others)}"
    )
    parser.add_argument("--rounds", type=int, default=rounds, help=f"turns of each peer (default {rounds})")
    parser.add_argument("--steps", type=int, default=steps, help=f"timed in a turn (default {steps})")
    add_common_options(parser)


def check_positive(options: argparse.Namespace, *names: str) -> None:
    """Raises InputError if one of the flags is below 1."""
    for name in names:
        if getattr(options, name) < 1:
            raise InputError(f"--{name}={getattr(options, name)}: must be at least 1")


def chosen_peers(names: str) -> dict[str, Peer]:
    """Ours and those of --peers.

    Raises:
      InputError: there is no such peer.
    """
    others = [name for name in names.split(",") if name]
    for name in others:
        if name not in PEERS:
            raise InputError(f"--peers: no peer {name!r}; the peers are {', '.join(PEERS)}")
    return {name: peer for name, peer in PEERS.items() if name == OURS or name in others}


def measure_peers(
    kind: str,
    peers: Mapping[str, Peer],
    *,
    compute_dtype: str,
    rounds: int,
    steps: Mapping[int, int],
) -> tuple[list[Measured], Quiet]:
    """Makes the words, hands them to the peers and measures these, see `experiments.benchmarks.rounds.measure`.

    Args:
      steps: by batch size, how many in a turn are timed.
    """
    from experiments.benchmarks.words import make_words, save_words

    # Otherwise the peers would notice a parent that was ended only after their own step.
    signal.signal(signal.SIGTERM, _leave)
    with tempfile.TemporaryDirectory(prefix="hwr_benchmark_") as folder:
        words_file = Path(folder) / "words.npz"
        save_words(make_words(max(steps), ModelConfig()), words_file)
        task = Task(kind, str(words_file), tuple(steps), compute_dtype)
        return measure(peers, task, rounds=rounds, steps=steps)


def describe_machine() -> str:
    """The processor and its cores, in a line."""
    return f"{_processor()}, {count_cores()} cores, load before the run {os.getloadavg()[0]:.1f}"


def describe_quiet(quiet: Quiet) -> str:
    """A line for the footer of a table."""
    parts = [f"{quiet.seconds:.0f} s of turns"]
    if quiet.resting_cores is not None:
        parts.append(f"peers at rest took {quiet.resting_cores:.2f} cores")
    if quiet.foreign_cores is not None:
        parts.append(f"other processes {quiet.foreign_cores:.2f}")
    return ", ".join(parts)


def describe_unmeasured(results: Sequence[Measured]) -> list[str]:
    """A line for each peer without numbers."""
    unmeasured = [result for result in results if result.state != "measured"]
    return [f"{result.peer.label}: {result.state}: {result.message}" for result in unmeasured]


def describe_variants(results: Sequence[Measured]) -> list[str]:
    """Which of several variants was measured, and what the others took."""
    lines = []
    for result in results:
        if result.state != "measured" or len(result.trials) < 2:
            continue
        for size, variant in result.variants.items():
            others = [f"{name} {_trial(trial, size)}" for name, trial in result.trials.items() if name != variant]
            chosen = f"{variant} {_trial(result.trials[variant], size)}"
            lines.append(f"{result.peer.label}, batch {size}: {chosen} in a short trial; {', '.join(others)}")
    return lines


def peak_megabytes(result: Measured, batch_size: int) -> str:
    """Host memory, and device memory where that is another: "812" or "1,320 + 410 device"."""
    last = result.last[batch_size]
    host, device = f"{last['peak_bytes'] / 1e6:,.0f}", last["device_peak_bytes"]
    return host if device is None else f"{host} + {device / 1e6:,.0f} device"


def first_run_seconds(result: Measured, batch_size: int) -> float:
    """What the first run took more than a later one: tracing, compiling and first allocations."""
    return result.about[batch_size]["first_seconds"][str(batch_size)] - statistics.median(result.seconds(batch_size))


def show(value: float | None, format_spec: str) -> str:
    """The number, or ABSENT."""
    return ABSENT if value is None else format(value, format_spec)


def say_written(path: Path, numbers: Mapping[str, Any], options: Iterable[tuple[str, Any]]) -> None:
    """Writes the JSON file: the numbers, and how and where they were measured."""
    report = {
        "argv": command_line(),
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in options},
        "git": git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": count_cores(),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        **numbers,
    }
    write_json(path, report)
    print(f"written {path}", file=sys.stderr)


def result_to_json(result: Measured) -> dict[str, Any]:
    """All that is known of a peer."""
    sizes = {
        str(size): {"variant": result.variants[size], **result.about[size], **result.last.get(size, {})}
        for size in result.about
    }
    for size, rounds in result.rounds.items():
        sizes[str(size)]["round_seconds"] = rounds
    return {
        "label": result.peer.label,
        "state": result.state,
        "message": result.message,
        "trials_ms": result.trials,
        "batch_sizes": sizes,
    }


def _leave(number: int, _: Any) -> None:
    sys.exit(128 + number)


def _trial(trial: Mapping[str, float] | str, batch_size: int) -> str:
    return trial if isinstance(trial, str) else f"{trial[str(batch_size)]:.1f} ms"


def _processor() -> str:
    """Its name, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
