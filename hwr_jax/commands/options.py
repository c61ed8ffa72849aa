"""Command line parsing shared by the commands: wrong flags are wrong input, said in one line."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from hwr_jax.errors import InputError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `InputError`s and that takes no abbreviated flags."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raises InputError instead of printing the usage and leaving with status 2."""
        raise InputError(f"{message} (see {self.prog} --help)")


def load_config(argv: Sequence[str]) -> tuple[ConfigDict, list[str]]:
    """The config of `--config=FILE.py[:arg]` with `--config.a.b=v` overrides applied, and the arguments left over.

    Types and names of overrides are checked against the file's own values (ml_collections).

    Raises:
      InputError: no --config, a file that is missing or fails, or an override of a field that is not there.
    """
    config_argv = [arg for arg in argv if arg == "--config" or arg.startswith(("--config=", "--config."))]
    if bare := [arg for arg in config_argv if "=" not in arg]:
        raise InputError(f"{bare[0]}: write it as {bare[0]}=VALUE")
    rest = [arg for arg in argv if arg not in config_argv]
    if not any(arg.startswith("--config=") for arg in config_argv):
        raise InputError("--config=FILE.py is missing, for example --config=configs/quickstart.py")
    path = next(arg for arg in config_argv if arg.startswith("--config=")).removeprefix("--config=")
    if not Path(path).is_file() and not Path(path.rpartition(":")[0]).is_file():
        raise InputError(f"--config={path}: no such file")
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values)
    try:
        values(["hwr", *config_argv])
        _keep_one_length(values.config, config_argv)
        return values.config, rest
    except Exception as error:  # The config file is the user's code: it can raise anything.
        raise InputError(f"{' '.join(config_argv)}: {_one_line(error)}") from error


def _keep_one_length(config: ConfigDict, config_argv: Sequence[str]) -> None:
    """A run's length is given in steps or in epochs: overriding one of them takes the place of the other."""
    given = {
        name for name in ("steps", "epochs") if any(arg.startswith(f"--config.training.{name}=") for arg in config_argv)
    }
    if given == {"steps"}:
        config.training.epochs = 0.0
    elif given == {"epochs"}:
        config.training.steps = 0


def _one_line(error: Exception) -> str:
    kind = "" if isinstance(error, flags.Error | AttributeError | KeyError | OSError) else f"{type(error).__name__}: "
    # ml_collections passes on the representation of an inner error, quotes, escapes and all.
    message = str(error).replace("\\n", " ").replace("\\'", "'").strip("'\"")
    return kind + " ".join(message.split())
