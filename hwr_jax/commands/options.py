"""What all commands share: flags, the config of `--config`, and errors as one line and an exit status."""

import argparse
import collections
import io
import json
import logging
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hwr_jax.errors import InputError
from hwr_jax.messages import suggest

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from hwr_jax.config_files import ConfigFile

LOG_LEVELS = ("debug", "info", "warning", "error")

# A flag whose value begins with ~/. Alphabets are no paths, whatever they begin with.
_HOME = re.compile(r"^(--[\w.]+(?<!alphabet)=)~/")

MODEL_HELP = (
    "a model of the package (hwr models lists them), of a hub (hf://OWNER/NAME), an exported folder, or a run's"
)

LINE_FINDER_HELP = (
    "a line finder of the package, of a hub (hf://OWNER/NAME), an exported folder, or a run's (default: the package's)"
)


def run(name: str, command: Callable[[Sequence[str]], int], argv: Sequence[str], *, program: str = "hwr ") -> int:
    """Runs a command; wrong input and failed reads or writes become one line on stderr and status 1.

    The command takes `argv` and returns the exit status. In that line its name stands behind `program`, which is "" for
    a command of its own. `~` after = is the home folder, also where the shell leaves it. Characters that the terminal
    lacks are spelled out.
    """
    keep_programs()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # Not where a test or a notebook catches what is printed.
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(format=f"{program}{name}: %(message)s", level=logging.WARNING)
    logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax warns of every folder opened for reading alone.
    try:
        return command(_expand_home(_set_output(argv)))
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


def _set_output(argv: Sequence[str]) -> list[str]:
    """Does what --quiet and --log_level ask for, and returns the other arguments. Raises InputError: no such level."""
    from hwr_jax.progress import set_quiet

    end = argv.index("--") if "--" in argv else len(argv)
    set_quiet("--quiet" in argv[:end])
    levels = [arg.partition("=")[2] for arg in argv[:end] if arg.startswith("--log_level=")]
    for level in levels:
        if level not in LOG_LEVELS:
            raise InputError(f"--log_level={level}: is none of {', '.join(LOG_LEVELS)}")
        logging.getLogger().setLevel(level.upper())
        logging.getLogger("absl").setLevel(level.upper())
    kept = [arg for arg in argv[:end] if arg != "--quiet" and not arg.startswith("--log_level=")]
    return [*kept, *argv[end:]]


def _expand_home(argv: Sequence[str]) -> list[str]:
    """The arguments, flags such as --workdir=~/runs with the user's own home folder. What follows -- stays as it is."""
    end = argv.index("--") if "--" in argv else len(argv)
    return [_HOME.sub(lambda flag: flag[1] + os.path.expanduser("~/"), arg) for arg in argv[:end]] + list(argv[end:])


def print_json(values: Any, indent: int | None = None) -> None:
    """Prints JSON that a terminal of any encoding can show."""
    print(json.dumps(values, indent=indent, ensure_ascii=not (sys.stdout.encoding or "").lower().startswith("utf")))


def keep_programs() -> None:
    """Has jax keep compiled programs in the user's cache folder, unless the user has said where, or not to."""
    from hwr_jax.cache import cache_folder

    # By environment variables, so that it costs no import of jax.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder("programs")))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


class _Help(argparse.HelpFormatter):
    """Help of at most 100 columns: usage with what is required, paragraphs filled, lists and examples as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=min(100, shutil.get_terminal_size().columns))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.strip("\n").split("\n\n")
        filled = (part if "\n  " in part else textwrap.fill(part, width - len(indent)) for part in parts)
        return textwrap.indent("\n\n".join(filled), indent)

    def _format_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None) -> str:
        groups = [group for group in groups if group.required]
        chosen = [action for group in groups for action in group._group_actions]
        shown = [action for action in actions if action.required or not action.option_strings or action in chosen]
        return super()._format_usage(usage, shown, groups, prefix).rstrip() + " [options]\n\n"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `InputError`s, that takes no abbreviated flags, and adds flags we share."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Help, **kwargs)
        # For the help: `run` takes them out of the arguments of every command.
        output: Any = {"default": argparse.SUPPRESS, "dest": argparse.SUPPRESS}
        self.add_argument("--quiet", action="store_true", help="show no progress, but warnings and errors", **output)
        self.add_argument(
            "--log_level", metavar="LEVEL", help=f"of libraries' messages: {', '.join(LOG_LEVELS)}", **output
        )

    def error(self, message: str) -> NoReturn:
        """Raises InputError instead of printing the usage and leaving with status 2."""
        from hwr_jax.renames import FLAGS

        for old, new in FLAGS.items():
            if f"unrecognized arguments: {old}" in message:
                raise InputError(f"{old}: is called {new} now")
        near = ""
        if unknown := re.match(r"unrecognized arguments: (--[\w.]+)", message):
            flags = self._flags()
            near = f"{flags[unknown[1]]} takes it" if unknown[1] in flags else suggest(unknown[1], sorted(flags))
        raise InputError(f"{message}{near and f'; {near}'} (see {self.prog} --help)")

    def _flags(self) -> dict[str, str]:
        """Its own flags and those of its subcommands -> the command that takes them."""
        groups = [action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        below = [each._flags() for group in groups for each in group.values()]
        return dict(collections.ChainMap(dict.fromkeys(self._option_string_actions, self.prog), *below))

    def add_config_flags(self, *, required: bool = True, parts: bool = False) -> None:
        """--config=NAME_OR_FILE[:arg] and --config.GROUP.FIELD=VALUE; `parse` gives the config they make.

        With `parts` it also gives what the file's `parts(config)` returns, as `parts`: None if it has none.
        """
        if parts:
            self.set_defaults(parts=None)
        self.add_argument(
            "--config",
            required=required,
            metavar="NAME|FILE.py[:ARG]",
            help="a config of the package (hwr configs lists them) or a file of your own; --config.GROUP.FIELD=VALUE "
            "changes a field",
        )

    def add_model_flags(self) -> None:
        """--workdir or --model, and --checkpoint; `parse` gives either as `model`."""
        which = self.add_mutually_exclusive_group(required=True)
        which.add_argument("--workdir", type=Path, metavar="DIR", help="a run's folder")
        which.add_argument("--model", metavar="NAME_OR_PATH", help=MODEL_HELP)
        self.add_argument("--checkpoint", choices=("best", "latest"), default="best", help="of a run (default best)")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """The flags; `config`, where there is one, is a ConfigDict.

        Raises InputError: wrong flags, a wrong config, or a workdir without a run.
        """
        overrides = [arg for arg in argv if arg.startswith("--config.")]
        options = self.parse_args([arg for arg in argv if arg not in overrides])
        if overrides and "config" not in options:
            self.error(f"unrecognized arguments: {overrides[0]}")
        if "config" in options and (options.config or overrides):
            file, options.config, _ = _open_config([f"--config={options.config}"] * bool(options.config) + overrides)
            if "parts" in options:
                from hwr_jax.page_config import resolve_any_config
                from hwr_jax.training.parts import parts_of_file

                options.parts = parts_of_file(file, resolve_any_config(options.config))
        if "checkpoint" in options and options.workdir:
            if not (options.workdir / "checkpoints").is_dir():
                raise InputError(f"--workdir={options.workdir}: holds no run; hwr train --workdir=DIR makes one")
            options.model = str(options.workdir)
        return options


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """--data_dir and --workers."""
    parser.add_argument(
        "--data_dir", type=Path, metavar="DIR", help="holds prepared data (default: $HWR_JAX_DATA_DIR, or the cache)"
    )
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count() or 1, metavar="N", help="processes (default: one a core)"
    )


def positive(text: str) -> int:
    """A whole number from 1 up, as the type of a flag."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def json_path(text: str) -> Path:
    """A path that ends in .json, as the type of a flag."""
    if not text.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text}: must end in .json")
    return Path(text)


def load_config(argv: Sequence[str]) -> "tuple[ConfigDict, list[str]]":
    """The config of `--config=NAME_OR_FILE[:arg]` with `--config.a.b=v` overrides applied, and the other arguments.

    Types and names of overrides are checked against the file's own values (ml_collections). Raises InputError: no
    --config, a file that is missing or fails, or an override of a field that is not there.
    """
    return _open_config(argv)[1:]


def _open_config(argv: Sequence[str]) -> "tuple[ConfigFile, ConfigDict, list[str]]":
    """The file behind `load_config` too."""
    from absl import flags
    from ml_collections.config_flags import config_flags

    from hwr_jax.config_files import one_line, open_config_file

    files = [arg.removeprefix("--config=") for arg in argv if arg.startswith("--config=")]
    overrides = [arg for arg in argv if arg.startswith("--config.")]
    if bare := [arg for arg in [*argv, *overrides] if arg == "--config" or (arg in overrides and "=" not in arg)]:
        raise InputError(f"{bare[0]}: write it as {bare[0]}=VALUE")
    if len(files) != 1:
        raise InputError(
            "give --config=NAME once, such as --config=quickstart; hwr configs lists the names, your own is FILE.py"
        )
    file = open_config_file(files[0])
    config = file.get_config()
    _refuse_old_names(overrides)
    for override in overrides:
        _check_override(config, override)
    values = flags.FlagValues()
    override_argv = ["hwr", *overrides]
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=override_argv)
        values(override_argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{' '.join(overrides)}: {one_line(error)}") from error
    _keep_one_length(config, overrides)
    return file, config, [arg for arg in argv if arg not in overrides and not arg.startswith("--config=")]


def _refuse_old_names(overrides: Sequence[str]) -> None:
    from hwr_jax.renames import FIELDS, VALUES

    for override in overrides:
        name, _, value = override.removeprefix("--config.").partition("=")
        if name in FIELDS:
            raise InputError(f"--config.{name}: is called --config.{FIELDS[name]} now")
        if value in VALUES.get(name, {}):
            raise InputError(f"{override}: {value} is called {VALUES[name][value]} now")


def _check_override(config: "ConfigDict", override: str) -> None:
    """Raises InputError, which names the nearest field, where the config has no such field, or it is a group."""
    from ml_collections import ConfigDict

    name, _, value = override.removeprefix("--config.").partition("=")
    group: Any = config
    path = "config"
    for part in name.split("."):
        if not isinstance(group, ConfigDict):
            raise InputError(f"{override}: {path} is a value, not a group of fields")
        field = part.partition("[")[0]
        if field not in group:
            raise InputError(
                f"{override}: {path} has no field {field!r}; {suggest(field, sorted(group), 'the fields are')}"
            )
        group, path = group[field], f"{path}.{field}"
    if isinstance(group, ConfigDict):
        such = f", such as --config.{name}.name={value}" if "name" in group else ""
        raise InputError(f"{override}: is a group of fields{such}; the fields are {', '.join(sorted(group))}")
    for kind, what in ((int, "a whole number"), (float, "a number")):
        if type(group) is kind and not _is(kind, value):
            raise InputError(f"{override}: must be {what}, not {value!r}")


def _is(kind: Callable[[str], float], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _keep_one_length(config: "ConfigDict", overrides: Sequence[str]) -> None:
    """A run's length is given in steps or in epochs: overriding one of them takes the place of the other."""
    names = [arg.partition("=")[0] for arg in overrides]
    given = {name for name in ("steps", "epochs") if f"--config.training.{name}" in names}
    if given == {"steps"}:
        config.training.epochs = 0.0
    elif given == {"epochs"}:
        config.training.steps = 0
