"""`python -m experiments.compare`: runs side by side, as a table and a page."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, run

_EPILOG = """examples:
  python -m experiments.compare runs/quickstart runs/slower --output=compare
  python -m experiments.compare runs/jax-* runs/keras-* --split=validation --output=compare

The runs must have been evaluated on the same samples: hwr train does it at the end, hwr evaluate --workdir=RUN again.
Written are compare.md, compare.csv and compare.html, which is one file with all its plots and images.
"""


def main(argv: Sequence[str]) -> int:
    """Compares runs: error rates with intervals, which is better, curves, costs, and the samples they differ on."""
    parser = Parser(prog="python -m experiments.compare", description=main.__doc__, epilog=_EPILOG)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, two or more")
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="the folder to write")
    which = "which evaluation (default: test, or validation if no run has test)"
    parser.add_argument("--split", choices=("train", "validation", "test", "all"), help=which)
    allowed = "compare runs on different samples, on those that all have"
    parser.add_argument("--allow_different_samples", action="store_true", help=allowed)
    where = "holds prepared data, for the images (default: as the runs, or the cache)"
    parser.add_argument("--data_dir", type=Path, help=where)
    options = parser.parse_args(argv)

    from hwr_jax.evaluation.compare import compare_runs
    from hwr_jax.files import write_text
    from hwr_jax.reports.compare_page import build_comparison_page
    from hwr_jax.reports.compare_table import write_csv, write_markdown, write_text_tables

    comparison = compare_runs(
        options.runs, split=options.split, allow_different_samples=options.allow_different_samples
    )
    print(write_text_tables(comparison))
    for ending, content in (
        ("md", write_markdown(comparison)),
        ("csv", write_csv(comparison)),
        ("html", build_comparison_page(comparison, data_dir=options.data_dir, folder=options.output)),
    ):
        path = options.output / f"compare.{ending}"
        write_text(path, content)
        print(f"{'written':<10}{path}")
    return 0


if __name__ == "__main__":
    sys.exit(run("experiments.compare", main, sys.argv[1:], program=""))
