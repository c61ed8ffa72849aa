"""`hwr benchmark`: trains and measures on a benchmark of the field, for a number to lay beside a paper's."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.commands.options import Parser, positive, run
from hwr_jax.errors import InputError

_DESCRIPTION = """Prepares a benchmark's data, trains a recipe with several seeds on its training split, and measures
CER and WER on its test split in the papers' terms. Without a name it lists the benchmarks.
"""
_EPILOG = """examples:
  hwr benchmark
  hwr benchmark iam_lines --source=iam/ --workdir=runs/iam_lines
  hwr benchmark iam_lines --workdir=runs/iam_lines_b --split=iam_aachen_lines --seeds=1
  hwr benchmark rimes --source=rimes/ --workdir=runs/rimes --config=mine.py --record=rimes.json

The same command goes on where it was stopped. docs/benchmarks.md says how to send a result.

exit status: 0 done; 1 the input is wrong, or a run diverged; 75 stopped by a signal and saved: start me again
"""
EXIT_STATUS = {"done": 0, "diverged": 1, "preempted": 75}


def main(argv: Sequence[str]) -> int:
    """Runs `hwr benchmark ...`. Returns the exit status."""
    from hwr_jax.zoo.benchmarks import find_benchmark

    given = _parser().parse_known_args(argv)[0]
    if given.name is not None and given.config is None:
        argv = [*argv, f"--config={find_benchmark(given.name).config}"]
    options = _parser().parse(argv)
    if options.name is None:
        print(_list())
        return 0
    if options.workdir is None:
        raise InputError(f"give --workdir=DIR, as in hwr benchmark {options.name} --workdir=runs/{options.name}")

    from hwr_jax.benchmark import run_benchmark
    from hwr_jax.config import resolve_config
    from hwr_jax.training.workdir import write_json

    done = run_benchmark(
        options.name,
        options.workdir,
        options.source,
        config=resolve_config(options.config),
        parts=options.parts,
        split=options.split,
        seeds=options.seeds,
        init_from=options.init_from,
    )
    if done.status != "done":
        print(f"hwr benchmark: {done.status}: {done.message}", file=sys.stderr)
        return EXIT_STATUS[done.status]
    print(describe(done.record))
    if options.record:
        write_json(options.record, done.record)
        print(f"Record: {options.record}")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="hwr benchmark", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("name", nargs="?", metavar="NAME", help="of a benchmark; none lists them")
    parser.add_argument("--source", type=Path, metavar="PATH", help="the raw data, if they are not prepared yet")
    parser.add_argument("--workdir", type=Path, metavar="DIR", help="the folder; a run for each seed is made in it")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="how many runs (default 3)")
    parser.add_argument("--split", default="", metavar="NAME", help="one of the benchmark's splits (default the first)")
    parser.add_argument("--init_from", metavar="NAME_OR_PATH", help="begin with this model, and say so in the record")
    parser.add_argument("--record", type=Path, metavar="FILE.json", help="write the result for others here, too")
    parser.add_config_flags(required=False, parts=True)
    return parser


def _list() -> str:
    from hwr_jax.columns import align_columns
    from hwr_jax.zoo.benchmarks import BENCHMARKS

    rows = [(one.name, one.title, ", ".join((one.split, *one.other_splits)), one.config) for one in BENCHMARKS.values()]
    sources = [f"{one.name}: {one.source}" for one in BENCHMARKS.values()]
    return "\n".join([align_columns([("name", "what", "splits", "recipe"), *rows]), "", *sources])


def describe(record: Mapping[str, Any]) -> str:
    """The table of a record, with what to know about it."""
    from hwr_jax.columns import align_columns
    from hwr_jax.reports.tables import show_percent

    def interval(one: Mapping[str, Any], name: str) -> str:
        found = one[name]
        return f" ({100 * found[0]:.2f} - {100 * found[1]:.2f})" if found else ""

    rows = [
        (
            str(one["seed"]),
            show_percent(one["cer"]) + interval(one, "cer_interval"),
            show_percent(one["wer"]) + interval(one, "wer_interval"),
            show_percent(one["wer_punctuation_apart"]),
            show_percent(one["cer_casefolded"]),
        )
        for one in record["seeds"]
    ]
    mean = ["mean"]
    for rate in ("cer", "wer", "wer_punctuation_apart", "cer_casefolded"):
        found = record["mean"].get(rate, {"mean": None, "spread": None})
        spread = "" if found["spread"] is None else f" +- {100 * found['spread']:.2f}"
        mean.append(show_percent(found["mean"]) + spread)
    head = ("seed", "CER", "WER", "WER, punctuation apart", "CER, ignoring case")
    first, samples = record["seeds"][0], record["samples"]
    counts = ", ".join(f"{count:,} {part}" for part, count in samples.items())
    begun = f"begins with {record['init_from']}" if record["init_from"] else "begins with nothing"
    return "\n".join(
        [
            f"{record['title']}, split {record['split']}: {counts}; {first['parameters']:,} parameters, {begun}",
            align_columns([head, *rows, tuple(mean)], right=(1, 2, 3, 4)),
            f"CER: edits a character over all of the test split. WER: words between white space. Intervals: 95 %, "
            f"bootstrap over {first['interval_over']}.",
            *record["notes"],
        ]
    )


if __name__ == "__main__":
    sys.exit(run("benchmark", main, sys.argv[1:]))
