"""Command line parsing shared by the commands: wrong flags are wrong input, said in one line."""

import argparse
import importlib.util
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
    files = [arg.removeprefix("--config=") for arg in argv if arg.startswith("--config=")]
    overrides = [arg for arg in argv if arg.startswith("--config.")]
    if bare := [arg for arg in [*argv, *overrides] if arg == "--config" or (arg in overrides and "=" not in arg)]:
        raise InputError(f"{bare[0]}: write it as {bare[0]}=VALUE")
    if len(files) != 1:
        raise InputError("give --config=FILE.py once, for example --config=configs/quickstart.py")
    config = _execute(files[0])
    values = flags.FlagValues()
    override_argv = ["hwr", *overrides]
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=override_argv)
        values(override_argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{' '.join(overrides)}: {_one_line(error)}") from error
    _keep_one_length(config, overrides)
    return config, [arg for arg in argv if arg not in overrides and not arg.startswith("--config=")]


def _execute(file_and_arg: str) -> ConfigDict:
    """What `get_config()` of the file returns, or `get_config(arg)` for FILE.py:arg."""
    path, separator, arg = file_and_arg, "", ""
    if not Path(path).is_file():
        path, separator, arg = file_and_arg.rpartition(":")
    if not Path(path).is_file():
        raise InputError(f"--config={file_and_arg}: no such file")
    spec = importlib.util.spec_from_file_location("hwr_config", path)
    if spec is None or spec.loader is None:
        raise InputError(f"--config={file_and_arg}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.get_config(arg) if separator else module.get_config()
    except Exception as error:  # The file is the user's code: it can raise anything.
        raise InputError(f"--config={file_and_arg}: {type(error).__name__}: {_one_line(error)}") from error
    if not isinstance(config, ConfigDict):
        raise InputError(f"--config={file_and_arg}: get_config() returns {type(config).__name__}, not a ConfigDict")
    return config


def _keep_one_length(config: ConfigDict, overrides: Sequence[str]) -> None:
    """A run's length is given in steps or in epochs: overriding one of them takes the place of the other."""
    names = [arg.partition("=")[0] for arg in overrides]
    given = {name for name in ("steps", "epochs") if f"--config.training.{name}" in names}
    if given == {"steps"}:
        config.training.epochs = 0.0
    elif given == {"epochs"}:
        config.training.steps = 0


def _one_line(error: Exception) -> str:
    # ml_collections passes on the representation of an inner error, quotes, escapes and all.
    message = str(error)
    if message[:1] == message[-1:] and message[:1] in ("'", '"'):
        message = message[1:-1].replace("\\n", " ").replace("\\'", "'")
    return " ".join(message.split())
