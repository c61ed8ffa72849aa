"""`hwr train`: trains a model, or goes on with a run that stopped."""

import gc
import itertools
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import Parser, positive, run
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.run import Run

EXIT_STATUS = {"done": 0, "diverged": 1, "preempted": 75}

_EPILOG = """The same command starts a run and, when it was stopped, goes on with it.

examples:
  hwr train --config=quickstart --workdir=runs/slow --config.optimizer.learning_rate=3e-4
  hwr train --init_from=unipen_lines_large --config.data.name=pairs/mine --workdir=runs/mine

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
    argv = _with_config(argv)
    options = _parser().parse(argv)
    if options.config is None:
        raise InputError("give --config=NAME (hwr configs lists them), or --init_from=MODEL to train on from a model")

    from hwr_jax.run import train

    done = train(**vars(options))
    if done.evaluation:
        print(_describe(done, argv, has_own_parts=options.parts is not None))
    elif done.status == "done" and "task" in options.config:
        print(f"{done.message}; next: hwr export --model={done.workdir} --output=FOLDER")
    elif done.status != "done":
        what = "stopped by" if done.status == "preempted" else f"{done.status}:"
        print(f"hwr train: {what} {done.message}", file=sys.stderr)
    return EXIT_STATUS[done.status]


def _with_config(argv: Sequence[str]) -> list[str]:
    """Without a config, what there is to begin from says which: finetune:MODEL."""
    split = [part for arg in argv for part in (arg.split("=", 1) if arg.startswith("--init_from=") else [arg])]
    models = [model for flag, model in itertools.pairwise(split) if flag == "--init_from"]
    if models and not any(arg.startswith("--config=") for arg in argv):
        return [f"--config=finetune:{models[-1]}", *argv]
    return [*argv]


def _parser() -> Parser:
    parser = Parser(prog="hwr train", description="Trains a model, or goes on with a run that stopped.", epilog=_EPILOG)
    parser.add_config_flags(required=False, parts=True)
    parser.add_argument(
        "--workdir", type=Path, required=True, metavar="DIR", help="the run's folder; made if it is not there"
    )
    parser.add_argument(
        "--init_from",
        metavar="NAME_OR_PATH",
        help="begin with the parameters of this model, its name, folder or run; characters it lacks begin new. Without "
        "--config the config is finetune:MODEL, a gentle recipe for the layers of this model",
    )
    parser.add_argument(
        "--profile_steps",
        type=positive,
        default=0,
        metavar="N",
        help="profile so many steps, after the first two programs: a trace for xprof in DIR/profile, and the ten "
        "costliest operations",
    )
    parser.add_argument("--extend", action="store_true", help="make a run longer that has begun with fewer steps")
    several = parser.add_argument_group("several processes (each with the same command but for its --process_id)")
    several.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of process 0; found on TPU pods and in Slurm steps"
    )
    several.add_argument("--num_processes", type=int, metavar="N")
    several.add_argument("--process_id", type=int, metavar="I")
    return parser


def _describe(done: "Run", argv: Sequence[str], *, has_own_parts: bool) -> str:
    """The numbers, and what to do next with this run: commands that can be run as they are."""
    from hwr_jax.evaluation.summary import doubt_interval
    from hwr_jax.messages import count_of
    from hwr_jax.reports.tables import describe_writers

    assert done.evaluation
    summary, workdir = done.evaluation.summary, done.workdir
    rule, writers = summary["split_rule"], summary["writers"]
    sources = summary.get("sources", {})
    if sources:
        unseen = f" in {count_of(sources, 'data set')}"
    elif writers and rule.startswith("writer-"):
        unseen = " not trained on"
    elif rule.startswith(("page-", "line-")):
        unseen = f", {'the same' if writers else 'perhaps the same'} writers in training and test"
    else:
        unseen = f", split rule {rule}"
    doubt = doubt_interval(summary)
    own = [arg for arg in argv if not arg.startswith(("--workdir=", "--config.optimizer.learning_rate=", "--extend"))]
    slower = [*own, "--config.optimizer.learning_rate=1e-4", f"--workdir={workdir}-slower"]
    lines = [
        f"{summary['split']} CER {summary['cer']:.2%}  WER {summary['wer']:.2%}  "
        f"({count_of(summary['samples'], 'sample')} of {describe_writers(writers)}{unseen}{doubt and f'; {doubt}'})",
        *_describe_sources(summary),
        f"Look at it:     {workdir}/report.html",
        f"Read images:    hwr read --model={workdir} IMAGE ...",
        f"Change a thing: hwr train {shlex.join(slower)}",
    ]
    if not has_own_parts:
        has_own_name = "/" in summary["data"] and "sources" not in summary
        name = f"{summary['data'].partition('/')[0]}/more" if has_own_name else "pairs/mine"
        onward = ["hwr", "train", f"--init_from={workdir}", f"--config.data.name={name}", f"--workdir={workdir}-2"]
        lines += [f"Train it on:    {shlex.join(onward)}", f"  after         hwr data prepare {name} --source=FOLDER"]
    return "\n".join(lines)


def _describe_sources(summary: Mapping[str, Any]) -> list[str]:
    """The numbers of each data set of a mixture, and their mean."""
    from hwr_jax.columns import align_columns
    from hwr_jax.messages import count_of
    from hwr_jax.reports.tables import describe_writers, show_percent

    if not (sources := summary.get("sources", {})):
        return []
    rows = []
    for key, one in sources.items():
        samples = f"{count_of(one['samples'], one['unit'])} of {describe_writers(one['writers'])}"
        rows.append((f"  {key}", show_percent(one["cer"]), show_percent(one["wer"]), samples))
    mean = ("  mean of them", show_percent(summary["cer_mean"]), show_percent(summary["wer_mean"]), "")
    return align_columns([("", "CER", "WER", ""), *rows, mean], right=(1, 2)).splitlines()


if __name__ == "__main__":
    sys.exit(run("train", main, sys.argv[1:]))
