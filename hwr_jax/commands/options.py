"""Command line parsing shared by the commands: wrong flags are wrong input, said in one line."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from hwr_jax.config_files import load_config_file, one_line
from hwr_jax.errors import InputError
from hwr_jax.renames import FIELDS, VALUES


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `InputError`s and that takes no abbreviated flags."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raises InputError instead of printing the usage and leaving with status 2."""
        raise InputError(f"{message} (see {self.prog} --help)")


def load_config(argv: Sequence[str]) -> tuple[ConfigDict, list[str]]:
    """The config of `--config=NAME_OR_FILE[:arg]` with `--config.a.b=v` overrides applied, and the other arguments.

    Types and names of overrides are checked against the file's own values (ml_collections).

    Raises:
      InputError: no --config, a file that is missing or fails, or an override of a field that is not there.
    """
    files = [arg.removeprefix("--config=") for arg in argv if arg.startswith("--config=")]
    overrides = [arg for arg in argv if arg.startswith("--config.")]
    if bare := [arg for arg in [*argv, *overrides] if arg == "--config" or (arg in overrides and "=" not in arg)]:
        raise InputError(f"{bare[0]}: write it as {bare[0]}=VALUE")
    if len(files) != 1:
        raise InputError(
            "give --config=NAME once, such as --config=quickstart; hwr configs lists the names, your own is FILE.py"
        )
    config = load_config_file(files[0])
    _refuse_old_names(overrides)
    values = flags.FlagValues()
    override_argv = ["hwr", *overrides]
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=override_argv)
        values(override_argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{' '.join(overrides)}: {one_line(error)}") from error
    _keep_one_length(config, overrides)
    return config, [arg for arg in argv if arg not in overrides and not arg.startswith("--config=")]


def _refuse_old_names(overrides: Sequence[str]) -> None:
    for override in overrides:
        name, _, value = override.removeprefix("--config.").partition("=")
        if name in FIELDS:
            raise InputError(f"--config.{name}: is called --config.{FIELDS[name]} now")
        if value in VALUES.get(name, {}):
            raise InputError(f"{override}: {value} is called {VALUES[name][value]} now")


def _keep_one_length(config: ConfigDict, overrides: Sequence[str]) -> None:
    """A run's length is given in steps or in epochs: overriding one of them takes the place of the other."""
    names = [arg.partition("=")[0] for arg in overrides]
    given = {name for name in ("steps", "epochs") if f"--config.training.{name}" in names}
    if given == {"steps"}:
        config.training.epochs = 0.0
    elif given == {"epochs"}:
        config.training.steps = 0
