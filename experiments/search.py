"""Search with Optuna: each point depends on how those before it went, and hopeless runs are stopped early.

python -m experiments.search --config=configs/sweeps/recipe.py --workdir=runs/search --trials=40 [--parallel=2]
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.launch.devices import divide_machine
from experiments.launch.flags import positive
from experiments.launch.job import seen_from_checkout
from experiments.sweeps.search_space import call_space
from experiments.sweeps.search_trials import Search, open_study
from experiments.sweeps.table import align_columns, write_point
from hwr_jax.commands.options import Parser
from hwr_jax.commands.options import run as run_command

PREEMPTED = 75
_EPILOG = """FILE.py holds get_config() and space(), which returns {field: (low, high)} for log-uniform ranges and
{field: [values]} for choices, as `hwr_jax.sweeps.sampled` takes them. The same command again goes on; a larger --trials
adds trials; on several machines give the same --storage and a --workdir that all of them see.

exit status: 0 all is well; 1 the input is wrong, or every trial failed; 75 stopped by a signal: start me again
"""


def main(argv: Sequence[str]) -> int:
    """Runs trials until there are as many as asked for. Returns the exit status.

    Raises:
      InputError: wrong flags, config or space, or Optuna is not installed.
      OSError: a folder cannot be written.
    """
    overrides = [arg for arg in argv if arg.startswith("--config.")]
    options = _parse([arg for arg in argv if arg not in overrides])
    config_file = seen_from_checkout(options.config)
    space = call_space(config_file, overrides)
    folder = options.workdir.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    study = open_study(options.storage or f"sqlite:///{folder / 'study.db'}", folder.name, options.seed)
    search = Search(study, space, config_file, overrides, folder, options.trials)
    before = {number: signal.signal(number, search.stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        search.run(divide_machine(options.parallel))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    rows = [
        (name, state, f"{cer:.2%}" if cer is not None else "-", write_point(point))
        for name, state, cer, point in search.table()
    ]
    print(align_columns([("run", "state", "CER", ""), *rows], right=[2]))
    print(f"CER of the validation split; python -m experiments.sweep results {folder} shows the test split's")
    if search.stopped:
        return PREEMPTED
    return int(not any(state == "complete" for _, state, _, _ in search.table()))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m experiments.search",
        usage="python -m experiments.search --config=FILE.py[:arg] --workdir=DIR --trials=N [--config.a.b=VALUE ...]",
        description="Searches for the lowest CER of the validation split with Optuna (Akiba et al. 2019).",
        epilog=_EPILOG,
    )
    parser.add_argument("--config", required=True, metavar="FILE.py[:arg]", help="holds get_config() and space()")
    parser.add_argument("--workdir", type=Path, required=True, metavar="DIR", help="gets a folder a trial")
    parser.add_argument(
        "--trials", type=positive, required=True, metavar="N", help="in all, those of earlier starts too"
    )
    parser.add_argument("--parallel", type=positive, default=1, metavar="N", help="trials at a time (default 1)")
    parser.add_argument("--storage", metavar="URL", help="any Optuna RDB URL (default sqlite:///DIR/study.db)")
    parser.add_argument("--seed", type=int, default=0, help="of the search itself (default 0)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    os.environ.setdefault("OPTUNA_DISABLE_VERSION_CHECK", "1")
    sys.exit(run_command("experiments.search", main, sys.argv[1:], program=""))
