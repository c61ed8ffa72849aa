"""`hwr adapt`: adapts a model to a few lines of one's own, and keeps the old one if it gets no better."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.options import MODEL_HELP, Parser, add_data_flags, positive, run

if TYPE_CHECKING:
    from hwr_jax.adaptation import Adaptation

EXIT_STATUS = {"done": 0, "diverged": 1, "preempted": 75}

_DESCRIPTION = """Trains a model on 5 to 500 lines of yours and on handwriting of others, and measures it before and
after on lines that it holds back. If the new model is not better on the lines held back, the folder gets the old one.
"""
_EPILOG = """examples:
  hwr adapt --model=copiste_lines_large --data=manifest/mine --source=mine.csv --workdir=runs/mine
  hwr adapt --model=copiste_lines_large --data=pairs/mine --replay=copiste_lines --workdir=runs/mine
  hwr read --model=runs/mine IMAGE ...

Data that need options of their format are prepared beforehand, with hwr data prepare. The same command goes on where it
was stopped. docs/adapt.md says how much a few lines help.

exit status: 0 done, also where the old model is kept; 1 the input is wrong, or the run diverged; 75 stopped by a signal
and saved: start me again
"""


def main(argv: Sequence[str]) -> int:
    """Runs `hwr adapt ...`. Returns the exit status."""
    options = _parser().parse(argv)

    from hwr_jax.adaptation import BLEND, adapt

    done = adapt(
        options.model,
        options.data,
        options.workdir,
        options.source,
        replay=[name for name in options.replay.split(",") if name],
        widen_alphabet=options.widen_alphabet,
        blend=BLEND if options.blend is None else options.blend,
        steps=options.steps or 0,
        seed=options.seed,
        data_dir=options.data_dir or "",
        workers=options.workers,
    )
    if done.status == "done":
        print(describe(done))
    else:
        print(f"hwr adapt: {done.message}", file=sys.stderr)
    return EXIT_STATUS[done.status]


def _parser() -> Parser:
    parser = Parser(prog="hwr adapt", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--model", required=True, metavar="NAME_OR_PATH", help=MODEL_HELP)
    parser.add_argument("--data", required=True, metavar="NAME", help="the data set with your lines, as pairs/mine")
    parser.add_argument(
        "--workdir", type=Path, required=True, metavar="DIR", help="the folder; made if it is not there"
    )
    parser.add_argument(
        "--source", type=Path, metavar="PATH", help="raw data to prepare it from, if that has not been done yet"
    )
    parser.add_argument(
        "--replay",
        default="",
        metavar="NAME,...",
        help="prepared data sets that the model is to go on reading as well (default: words of synthetic writers)",
    )
    parser.add_argument(
        "--widen_alphabet", action="store_true", help="learn the characters of your lines that the model does not know"
    )
    parser.add_argument(
        "--blend",
        type=float,
        metavar="SHARE",
        help="how far to go from the old model to the trained one: less learns less, and forgets less (default 0.6)",
    )
    parser.add_argument("--steps", type=positive, metavar="N", help="at most so many (default: by the number of lines)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of order, dropout and augmentation (default 0)"
    )
    add_data_flags(parser)
    return parser


def describe(done: "Adaptation") -> str:
    """The numbers before and after, and what to do next."""
    from hwr_jax.adaptation import PAGE_FILE
    from hwr_jax.columns import align_columns
    from hwr_jax.reports.adapt_page import describe_rates

    head = ("read", "lines", "CER before", "CER after", "after less before, points", "verdict")
    rows = [describe_rates(one) for one in done.measured.values()]
    lines = [
        align_columns([head, *rows], right=(1, 2, 3, 4)),
        *(f"{one.data}: {one.doubt}" for one in done.measured.values() if one.doubt),
        done.message,
        f"Look at it:  {done.workdir}/{PAGE_FILE}",
        f"Read images: hwr read --model={done.workdir} IMAGE ...",
        f"{done.seconds / 60:.1f} minutes",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run("adapt", main, sys.argv[1:]))
