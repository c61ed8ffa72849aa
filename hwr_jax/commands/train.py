"""`hwr train`: trains a model, or goes on with a run that stopped."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.options import Parser, run

if TYPE_CHECKING:
    from hwr_jax.run import Run

EXIT_STATUS = {"done": 0, "diverged": 1, "preempted": 75}

_EPILOG = """The same command starts a run and, when it was stopped, goes on with it.

example:
  hwr train --config=quickstart --workdir=runs/slow --config.optimizer.learning_rate=3e-4

exit status: 0 done; 1 the input is wrong, or the run diverged; 75 stopped by a signal and saved: start me again
"""


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Looks for garbage less often: what imports and traces make stays, and looking takes a tenth of a start."""
    before = gc.get_threshold()
    gc.set_threshold(500_000)  # At 50,000 the first step comes 0.2 s later.
    try:
        yield
    finally:
        gc.set_threshold(*before)


@collecting_rarely()
def main(argv: Sequence[str]) -> int:
    """Runs `hwr train ...`. Returns the exit status."""
    options = _parser().parse(argv)

    from hwr_jax.run import train

    done = train(**vars(options))
    if done.evaluation:
        print(_describe(done))
    elif done.status != "done":
        print(f"hwr train: {done.status}: {done.message}", file=sys.stderr)
    return EXIT_STATUS[done.status]


def _parser() -> Parser:
    parser = Parser(prog="hwr train", description="Trains a model, or goes on with a run that stopped.", epilog=_EPILOG)
    parser.add_config_flags(parts=True)
    parser.add_argument(
        "--workdir", type=Path, required=True, metavar="DIR", help="the run's folder; made if it is not there"
    )
    parser.add_argument(
        "--init_from",
        metavar="NAME_OR_PATH",
        help="begin with the parameters of this model, its name, folder or run; characters it lacks begin new",
    )
    several = parser.add_argument_group("several processes (each with the same command but for its --process_id)")
    several.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of process 0; found on TPU pods and in Slurm steps"
    )
    several.add_argument("--num_processes", type=int, metavar="N")
    several.add_argument("--process_id", type=int, metavar="I")
    return parser


def _describe(done: "Run") -> str:
    """The numbers, and what to do next."""
    from hwr_jax.data.splits import SPLIT_RULE

    assert done.evaluation
    summary, workdir = done.evaluation.summary, done.workdir
    unseen = " not trained on" if summary["split_rule"] == SPLIT_RULE else f", split rule {summary['split_rule']}"
    writers = f"{summary['samples']:,} samples of {summary['writers']} writers{unseen}"
    return f"""{summary["split"]} CER {summary["cer"]:.2%}  WER {summary["wer"]:.2%}  ({writers})
Look at it:    {workdir}/report.html
Read images:   hwr read --model={workdir} IMAGE ...
Your own data: hwr data prepare NAME --source=PATH, then
               hwr train --config=unipen_words --config.data.name=NAME --workdir=runs/own
Change a thing: hwr train --config=quickstart --config.optimizer.learning_rate=1e-3 --workdir=runs/slower"""


if __name__ == "__main__":
    sys.exit(run("train", main, sys.argv[1:]))
