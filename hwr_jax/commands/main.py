"""`hwr COMMAND ...`: finds the command; each is a module of this package with a `main(argv)`."""

import importlib
import sys
from collections.abc import Sequence

from hwr_jax.messages import suggest

# Name to what it does. The module has the same name; it is imported when asked for, so that --help is quick.
COMMANDS = {
    "train": "train a model, or go on with a run that stopped",
    "adapt": "adapt a model to a few lines of yours, and keep the old one if it gets no better",
    "evaluate": "measure CER and WER of a model on a data set",
    "benchmark": "train and measure on a benchmark of the field: IAM, RIMES, READ, Bentham, Washington",
    "evaluate-layout": "measure how well the lines of pages are found",
    "read": "read images: path, text, confidence",
    "layout": "find the lines of pages, and write them as PAGE XML beside the images",
    "models": "list models with their numbers, print a card; pull or push a model of a hub",
    "data": "prepare, check and look at data sets",
    "configs": "list the configs that come with the package",
    "show": "print the layers of a config's model, or the whole config",
    "language-model": "train a character language model, for beam search",
    "lexicon": "make a word list with counts, for beam search",
    "tune-decoder": "find the weights of beam search on validation data",
    "calibrate": "fit confidences to how often readings are right, on validation data",
    "export": "write a model as a small folder, as a page, or in the formats of others",
    "demo": "serve a page that reads handwriting, on this machine alone",
    "import-keras": "turn a model trained with Keras into a run",
    "build-kernels": "compile kernels for this CPU: training about twice as fast",
    "doctor": "say what is installed, what it runs on, and what is missing",
    "completion": "print what makes your shell complete commands and flags",
    "cache": "list what is kept in the cache folder, or delete it",
}


def usage() -> str:
    """The text of `hwr --help`."""
    commands = "\n".join(f"  {name:<16}{summary}" for name, summary in COMMANDS.items())
    return f"""usage: hwr COMMAND [...]

commands:
{commands}

`hwr help COMMAND` explains a command, `hwr --version` says which version this is. A first run, which needs no data:
  hwr train --config=quickstart --workdir=runs/quickstart"""


def main(argv: Sequence[str] | None = None) -> int:
    """The console script. Returns the exit status."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name == "help" and rest:
        name, rest = rest[0], ["--help"]
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name in ("-V", "--version"):
        from hwr_jax import __version__

        print(f"hwr_jax {__version__}")
        return 0
    if name not in COMMANDS:
        print(f"hwr: no command {name!r}; {suggest(name, COMMANDS, 'the commands are')}", file=sys.stderr)
        return 1
    from hwr_jax.commands.options import run

    return run(name, importlib.import_module(f"hwr_jax.commands.{name.replace('-', '_')}").main, rest)


if __name__ == "__main__":
    sys.exit(main())
