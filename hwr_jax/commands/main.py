"""`hwr COMMAND ...`: finds the command and turns errors into one line and an exit status."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from hwr_jax.cache import cache_folder
from hwr_jax.errors import InputError

Command = Callable[[Sequence[str]], int]


# Each command is imported when it is asked for, so that `hwr --help` does not pay for jax.
def _train(argv: Sequence[str]) -> int:
    from hwr_jax.commands import train

    return train.main(argv)


def _evaluate(argv: Sequence[str]) -> int:
    from hwr_jax.commands import evaluate

    return evaluate.main(argv)


def _read(argv: Sequence[str]) -> int:
    from hwr_jax.commands import read

    return read.main(argv)


def _data(argv: Sequence[str]) -> int:
    from hwr_jax.commands import data

    return data.main(argv)


def _show(argv: Sequence[str]) -> int:
    from hwr_jax.commands import show

    return show.main(argv)


def _export(argv: Sequence[str]) -> int:
    from hwr_jax.commands import export

    return export.main(argv)


def _models(argv: Sequence[str]) -> int:
    from hwr_jax.commands import models

    return models.main(argv)


def _build_kernels(argv: Sequence[str]) -> int:
    from hwr_jax.commands import build_kernels

    return build_kernels.main(argv)


def _import_keras(argv: Sequence[str]) -> int:
    from hwr_jax.commands import import_keras

    return import_keras.main(argv)


def _tune_decoder(argv: Sequence[str]) -> int:
    from hwr_jax.commands import tune_decoder

    return tune_decoder.main(argv)


def _language_model(argv: Sequence[str]) -> int:
    from hwr_jax.commands import language_model

    return language_model.main(argv)


def _lexicon(argv: Sequence[str]) -> int:
    from hwr_jax.commands import lexicon

    return lexicon.main(argv)


COMMANDS: dict[str, tuple[Command, str]] = {
    "train": (_train, "train a model, or go on with a run that stopped"),
    "evaluate": (_evaluate, "CER and WER of a trained model on prepared data or a raw tree"),
    "read": (_read, "read images: path, text, confidence"),
    "models": (_models, "list models with their numbers, or print a model's card"),
    "data": (_data, "prepare and look at data sets"),
    "show": (_show, "the layer table of a config"),
    "language-model": (_language_model, "train a character language model, for beam search"),
    "lexicon": (_lexicon, "make a word list with counts, for beam search"),
    "tune-decoder": (_tune_decoder, "find a decoder's weights and temperature on validation data"),
    "export": (_export, "a model's parameters as a small folder that `read` and `evaluate` take, or for Keras"),
    "build-kernels": (_build_kernels, "compile kernels for this CPU: training about twice as fast"),
    "import-keras": (_import_keras, "a model trained with Keras as a run of ours"),
}


def usage() -> str:
    """The text of `hwr --help`."""
    lines = [f"  {name:<16}{summary}" for name, (_, summary) in COMMANDS.items()]
    start = "hwr train --config=configs/quickstart.py --workdir=runs/quickstart"
    return "\n".join(
        ["usage: hwr COMMAND [--help] [...]", "", "commands:", *lines, "", "A first run, no data needed:", f"  {start}"]
    )


def keep_programs() -> None:
    """Has jax keep compiled programs in the user's cache folder, unless the user has said where, or not to.

    Told through the environment, so that it costs no import of jax.
    """
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder("programs")))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def run(name: str, command: Command, argv: Sequence[str], *, program: str = "hwr ") -> int:
    """Runs a command; wrong input and failed reads or writes become one line on stderr and status 1.

    Args:
      name: of the command, for that line.
      command: given `argv`, returns the exit status.
      argv: the arguments after the name.
      program: what stands before the name; "" for a command of its own.
    """
    keep_programs()
    logging.basicConfig(format=f"{program}{name}: %(message)s", level=logging.WARNING)
    logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax warns of every folder opened for reading alone.
    try:
        return command(argv)
    except InputError as error:
        print(f"{program}{name}: {error}", file=sys.stderr)
    except BrokenPipeError:
        # The reader of our output has gone (hwr read ... | head). Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(f"{program}{name}: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{program}{name}: {where}{error.strerror or error}", file=sys.stderr)
    return 1


def main(argv: Sequence[str] | None = None) -> int:
    """The console script. Returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] not in COMMANDS:
        print(f"hwr: no command {argv[0]!r}; the commands are {', '.join(COMMANDS)}", file=sys.stderr)
        return 1
    return run(argv[0], COMMANDS[argv[0]][0], argv[1:])


if __name__ == "__main__":
    sys.exit(main())
