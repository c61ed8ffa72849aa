"""`hwr configs`: the configs that come with the package, and what to expect of each."""

import sys
import textwrap
from collections.abc import Sequence

from hwr_jax.commands.options import Parser, run

_EPILOG = """examples:
  hwr configs                      all of them
  hwr configs quickstart           how to run one, and where its file is
  hwr train --config=quickstart --workdir=runs/quickstart
"""


def main(argv: Sequence[str]) -> int:
    """Prints a paragraph for each config, or all that one says of itself."""
    parser = Parser(prog="hwr configs", description="Lists the configs that come with the package.", epilog=_EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="print all that this config says of itself")
    options = parser.parse_args(argv)

    from hwr_jax.config_files import config_names, describe_config, find_config_file

    for name in options.names:
        print(f"{find_config_file(name)[0]}\n\n{describe_config(name).text}\n")
    for name in [] if options.names else config_names():
        described = describe_config(name)
        paragraph = f"{described.summary} {described.expected}".rstrip()
        print(f"{name}\n{textwrap.fill(paragraph, 96, initial_indent='    ', subsequent_indent='    ')}")
    return 0


if __name__ == "__main__":
    sys.exit(run("configs", main, sys.argv[1:]))
