"""`python -m experiments.same_lines`: several models on the test samples of one that knows several data sets."""

import sys
from collections.abc import Sequence
from typing import Any

from hwr_jax.commands.options import Parser, run
from hwr_jax.errors import InputError
from hwr_jax.reports.tables import markdown_table, show_percent

_EPILOG = """example:
  python -m experiments.same_lines --of=latin_lines latin_lines copiste_lines_large unipen_lines_large
"""


def main(argv: Sequence[str]) -> int:
    """A table of CERs, greedy: a row for each data set of the mixture that --of was trained on, a column a model."""
    parser = Parser(prog="python -m experiments.same_lines", description=main.__doc__, epilog=_EPILOG)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="models of the package, folders or runs")
    parser.add_argument("--of", required=True, metavar="MODEL", help="whose test samples are read")
    parser.add_argument("--split", default="test", choices=["validation", "test"], help="default test")
    options = parser.parse_args(argv)

    from hwr_jax.result import data_config
    from hwr_jax.training.load import load_model

    config = data_config(load_model(options.of))
    if not config.mixture:
        raise InputError(f"--of={options.of}: was trained on one data set; hwr evaluate measures on one")
    found = {name: _rates(name, config, options.split) for name in options.models}
    first = next(iter(found.values()))
    rows = [
        (
            key,
            f"{one['samples']:,}",
            f"{one['writers']:,}",
            *(show_percent(rates[key]["cer"]) for rates in found.values()),
        )
        for key, one in first.items()
    ]
    print(markdown_table([("data set", "samples", "writers", *found), *rows], right=range(1, 3 + len(found))))
    return 0


def _rates(name: str, config: Any, split: str) -> dict[str, Any]:
    """Data set of the mixture -> what a model's evaluation has of it."""
    from hwr_jax.data.loading import load_split
    from hwr_jax.result import measure
    from hwr_jax.training.load import choose_model_decoder, load_model

    model = load_model(name)
    samples = load_split(config, split, model.preprocessing)
    result = measure(model, samples, config, split, choose_model_decoder("greedy", name, model, None))
    sources: dict[str, Any] = result.summary["sources"]
    return sources


if __name__ == "__main__":
    sys.exit(run("experiments.same_lines", main, sys.argv[1:], program=""))
