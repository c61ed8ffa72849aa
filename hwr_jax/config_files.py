"""Config files: Python files with `get_config()`, by path or by the name of one that comes with the package.

Beside `get_config` a file may define `parts(config)`, and for sweeps and searches `sweep()` and `space()`. One that
builds on another begins with `config = load_config_file("unipen_words")`. Nothing here imports jax.
"""

import ast
import dataclasses
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from hwr_jax.config import ExperimentConfig
from hwr_jax.errors import InputError
from hwr_jax.messages import suggest
from hwr_jax.renames import GROUPS, rename_config
from hwr_jax.strict import build_dataclass

_PACKAGE = Path(__file__).parent
# The wheel holds configs/ as hwr_jax/configs; in a checkout it lies beside the package.
CONFIGS = next(filter(Path.is_dir, (_PACKAGE / "configs", _PACKAGE.parent / "configs")), _PACKAGE / "configs")

# Strengths for scans, where pens, background and light vary: shared by the configs of data sets that are scans.
SCANS = {
    "augment.pen_px": 0.4,
    "augment.light": 0.2,
    "augment.texture": 0.1,
    "augment.contrast": 0.2,
    "augment.gamma": 0.4,
    "augment.blur_px": 0.5,
    "augment.noise": 0.06,
}


@dataclasses.dataclass(frozen=True)
class ConfigFile:
    """A config file that has been run."""

    name: str  # as it was asked for: "unipen_words", "unipen_words_large:second", "mine.py:arg"
    path: Path  # of the file
    arg: str | None  # what follows the colon, for `get_config(arg)`; None without a colon
    module: ModuleType  # what running the file has made

    def has(self, function: str) -> bool:
        """Whether the file defines the function."""
        return callable(getattr(self.module, function, None))

    def call(self, function: str, *args: Any) -> Any:
        """What a function of the file returns; of an iterator, such as a sweep's points, all values in a list.

        Raises InputError: the file does not define it, or it fails.
        """
        if not self.has(function):
            raise InputError(f"config {self.name}: has no {function}()")
        try:
            value = getattr(self.module, function)(*args)
            return list(value) if isinstance(value, Iterator) else value
        except Exception as error:  # The file is the user's code: it can raise anything.
            raise _failure(self.name, error) from error

    def get_config(self) -> ConfigDict:
        """The config; InputError where `get_config` is missing, fails or returns something else."""
        config = self.call("get_config", *([] if self.arg is None else [self.arg]))
        if not isinstance(config, ConfigDict):
            raise InputError(f"config {self.name}: get_config() returns {type(config).__name__}, not a ConfigDict")
        return config


def load_config_file(name: str) -> ConfigDict:
    """The config of a file, not yet checked: `hwr_jax.config.resolve_config` does that.

    `name` is of a config of the package ("quickstart", "unipen_words_large:second"), or FILE.py[:arg]. Raises
    InputError: there is no such config, or the file fails.
    """
    return open_config_file(name).get_config()


def load_config_of_model(name_or_path: str) -> ConfigDict:
    """The config of the experiment that made a model: a shipped one by its name, an exported folder's, or a run's.

    Raises InputError if there is no such model, or its file is damaged.
    """
    folders = [_PACKAGE / "pretrained" / name_or_path] * ("/" not in name_or_path) + [Path(name_or_path)]
    files = [folder / file for folder in folders for file in ("model.json", "config.json")]
    path = next(filter(Path.is_file, files), None)
    if path is None:
        raise InputError(f"model {name_or_path!r}: neither a shipped model, nor the folder of a model or a run")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        config = rename_config({**(values["config"] if path.name == "model.json" else values)})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged, not the config of a model") from error
    return ConfigDict(dataclasses.asdict(build_dataclass(ExperimentConfig, config)), convert_dict=True)


def open_config_file(name: str) -> ConfigFile:
    """Runs a config file, for its other functions too. Arguments and errors as in `load_config_file`."""
    path, arg = find_config_file(name)
    module_name = f"hwr_config_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"config {name}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # Dataclasses, flax modules among them, look their own module up.
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _failure(name, error) from error
    return ConfigFile(name, path, arg, module)


def find_config_file(name: str) -> tuple[Path, str | None]:
    """Path and argument of `load_config_file`'s `name`; InputError if there is no such file."""
    if match := re.fullmatch(r"(.+?\.py)(?::(.*))?", name, re.DOTALL):
        path, arg = Path(match[1]), match[2]
        if not path.is_file():
            raise InputError(f"config {name}: no such file")
        return path, arg
    stem, colon, arg = name.partition(":")
    if stem not in (names := config_names()):
        near = f"{suggest(stem, names)} ".lstrip()
        raise InputError(f"config {name}: no such config; {near}hwr configs lists them, and your own is FILE.py")
    return CONFIGS / f"{stem}.py", arg if colon else None


def config_names() -> list[str]:
    """Names of the configs that come with the package: "quickstart", "sweeps/levers"."""
    return sorted(path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.py"))


@dataclasses.dataclass(frozen=True)
class ConfigDescription:
    """What a config file says of itself in its docstring."""

    text: str  # all of it
    summary: str  # the first line
    expected: str  # the results to expect, "" where it names none


def describe_config(name: str) -> ConfigDescription:
    """The docstring of a config; the file is not run. Argument and errors as in `load_config_file`."""
    try:
        text = ast.get_docstring(ast.parse(find_config_file(name)[0].read_text(encoding="utf-8"))) or ""
    except (SyntaxError, UnicodeDecodeError) as error:
        raise _failure(name, error) from error
    expected = re.search(r"(Expect |Not measured).*?(?=\n\n|$)", text, re.DOTALL)
    return ConfigDescription(text, text.partition("\n")[0], " ".join(expected[0].split()) if expected else "")


def _failure(name: str, error: Exception) -> InputError:
    if isinstance(error, AttributeError) and (old := one_line(error).strip("'\"")) in GROUPS:
        return InputError(f"config {name}: config.{old} is called config.{GROUPS[old]} now")
    cause = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return InputError(f"config {name}: {cause}{one_line(error)}")


def one_line(error: Exception) -> str:
    """The message of an error in one line."""
    # ml_collections passes on the representation of an inner error, quotes, escapes and all.
    message = str(error)
    if message[:1] == message[-1:] and message[:1] in ("'", '"'):
        message = message[1:-1].replace("\\n", " ").replace("\\'", "'")
    return " ".join(message.split())
