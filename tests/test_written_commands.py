"""Every command that is written down somewhere is one of today: in pages, in configs, in experiments, in the helps."""

import argparse
import ast
import importlib
import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hwr_jax.commands.main import COMMANDS, main
from hwr_jax.commands.options import Parser, load_config
from hwr_jax.config_files import config_names
from hwr_jax.errors import InputError
from hwr_jax.models.trained import pretrained_names

ROOT = Path(__file__).parent.parent
# The changelog tells of names that were given up.
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if page.name != "CHANGELOG.md")
FILES = sorted(
    path
    for folder in ("configs", "experiments", "examples", "hwr_jax/commands")
    for path in ROOT.glob(f"{folder}/**/*.py")
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STARTS = ("hwr ", "python -m experiments.")
# What may stand before a command: settings of the environment, a clock, a choice of cores.
BEFORE = re.compile(r"^(?:[A-Z_]+=\S+ +|time +|taskset -c \d+ +)*")


# What pages write for any field.
ANY_FIELD = "--config.a.b=VALUE"


class Parsed(BaseException):
    """Raised where the arguments of a command were right, so that nothing runs."""


def commands_in(text: str) -> Iterator[str]:
    """The commands that are lines of a text."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in line.split(" && "):
            command = BEFORE.sub("", part.strip())
            if command.startswith(STARTS):
                yield command


def commands_of_pages() -> Iterator[tuple[str, str]]:
    """Those in blocks of the pages, with the pages' names."""
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if not language:
                yield from ((page.name, command) for command in commands_in(text))


def commands_of_files() -> Iterator[tuple[str, str]]:
    """Those that are indented lines of docstrings and helps; two spaces end a command, and a remark follows."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                lines = "\n".join(line for line in node.value.splitlines() if line.startswith("  "))
                name = path.relative_to(ROOT).as_posix()
                yield from ((name, re.split("  (?! *--)", command)[0]) for command in commands_in(lines))


def commands_in_sentences() -> Iterator[tuple[str, str]]:
    """Those that stand in a sentence of a page: often in part."""
    for page in PAGES:
        for code in re.findall(r"`([^`]+)`", BLOCK.sub("", page.read_text(encoding="utf-8"))):
            commands = commands_in(" ".join(code.split()))
            yield from ((page.name, command) for command in commands if not command.endswith("."))


def in_part(command: str) -> bool:
    """Whether it leaves something to the reader."""
    return "..." in command or "[" in command


IN_LINES = sorted({*commands_of_pages(), *commands_of_files()})
WHOLE = [(where, command) for where, command in IN_LINES if not in_part(command)]
PARTS = sorted({*commands_in_sentences(), *(one for one in IN_LINES if in_part(one[1]))})


@pytest.fixture
def parse_only(monkeypatch, tmp_path) -> None:
    """Commands raise `Parsed` after their arguments, in a folder that holds the file that the pages call FILE.py."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse(self, *args, **kwargs):
        parse_args(self, *args, **kwargs)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    (tmp_path / "FILE.py").write_text("from hwr_jax.config import default_config as get_config\n")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def look_at_flags(monkeypatch) -> None:
    """Commands raise `Parsed` where they know each flag, whatever else is missing."""

    def parse(self, args, *others, **kwargs):
        names = [arg.partition("=")[0] for arg in args if arg.startswith("--") and arg != "--"]
        unknown = [name for name in names if name not in Parser._flags(self)]
        if unknown:
            raise InputError(f"unknown: {', '.join(unknown)}")
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)


def run(argv: Sequence[str]) -> object:
    """What a command line runs, after what its config says was looked at."""
    if argv[0] == "hwr":
        check_config(argv)
        return main(argv[1:])
    if "--" in argv:  # What follows is for hwr train.
        check_config(argv[argv.index("--") :])
    else:
        check_config(argv)
    module = importlib.import_module(argv[2])
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{argv[2]}.__main__")
    return module.main(argv[3:])


def check_config(argv: Sequence[str]) -> None:
    """Raises InputError where a config is none of today's, or lacks a field that is changed.

    A file of the reader's own stands for the quickstart, a run of the reader's for a model of words.
    """
    overrides = [arg for arg in argv if arg.startswith("--config.") and arg != ANY_FIELD]
    configs = [arg.partition("=")[2] for arg in argv if arg.startswith("--config=")]
    models = [arg.partition("=")[2] for arg in argv if arg.startswith("--init_from=")]
    for name in filter(None, configs):
        if re.match(r"[\w/]+\.py\b", name):
            in_repository = re.fullmatch(r"configs/(\S+)\.py", name)
            name = in_repository[1] if in_repository else "quickstart"
        load_config([f"--config={name}", *overrides])
    if overrides and not configs:
        model = next((model for model in models if model in pretrained_names()), "unipen_words_large")
        load_config([f"--config=finetune:{model}", *overrides])


def split(command: str) -> list[str]:
    """Its arguments, as far as the shell gives them to it."""
    return list(itertools.takewhile(lambda arg: arg not in ("<", ">", "|"), shlex.split(command, comments=True)))


def ids(commands: Sequence[tuple[str, str]]) -> list[str]:
    """Names of test cases."""
    return [f"{where}: {command}" for where, command in commands]


@pytest.mark.parametrize(("where", "command"), WHOLE, ids=ids(WHOLE))
def test_a_written_command_is_understood(where, command, parse_only, capsys):
    try:
        status = run(split(command))
    except Parsed:
        return
    pytest.fail(f"{where}: {command}: status {status}: {capsys.readouterr().err}")


@pytest.mark.parametrize(("where", "command"), PARTS, ids=ids(PARTS))
def test_a_part_of_a_command_has_known_flags(where, command, look_at_flags, capsys):
    argv = split(re.sub(r"\.\.\.|[][]", " ", command))
    if argv[0] == "hwr" and argv[1] not in COMMANDS:
        assert argv[1] in ("COMMAND", "--help", "--version")
        return
    try:
        status = run(argv)
    except Parsed:
        return
    pytest.fail(f"{where}: {command}: status {status}: {capsys.readouterr().err}")


def test_there_are_commands_to_check():
    assert len(WHOLE) > 300
    assert len(PARTS) > 80
    assert {name for name in config_names() if f"--config={name} " in " ".join(command for _, command in WHOLE)}
