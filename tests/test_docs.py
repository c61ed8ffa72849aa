"""The documentation against the code: links, commands, config fields and Python blocks are those of today."""

import argparse
import ast
import dataclasses
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import hwr_jax
from hwr_jax.commands.main import main
from hwr_jax.config import ExperimentConfig
from hwr_jax.renames import FIELDS

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *DOCS])
# The changelog tells of names that were given up.
OF_TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# What may stand before a command: settings of the environment, a clock, a choice of cores.
BEFORE = re.compile(r"^(?:[A-Z_]+=\S+ +|time +|taskset -c \d+ +)*")


class Parsed(BaseException):
    """Raised where the arguments of a command were right, so that nothing runs."""


def blocks_of(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each code block."""
    return iter(BLOCK.findall(page.read_text(encoding="utf-8")))


def commands_of(page: Path) -> Iterator[list[str]]:
    """The command lines of `hwr` and of experiments/ in a page's blocks, as lists of arguments."""
    for language, text in blocks_of(page):
        if language:
            continue
        for line in text.replace("\\\n", " ").splitlines():
            for part in line.split(" && "):
                command = BEFORE.sub("", part.strip())
                if command.startswith(("hwr ", "python -m experiments.")):
                    yield shlex.split(command, comments=True)


COMMANDS = [(page.name, argv) for page in OF_TODAY for argv in commands_of(page) if "..." not in argv]


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


def run_module(name: str, argv: list[str]) -> object:
    """What `python -m NAME ARGUMENTS` runs."""
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{name}.__main__")
    return module.main(argv)


@pytest.mark.parametrize(("page", "argv"), COMMANDS, ids=[f"{page}: {' '.join(argv)}" for page, argv in COMMANDS])
def test_every_command_of_the_pages_is_understood(page, argv, parse_only, capsys):
    try:
        status = main(argv[1:]) if argv[0] == "hwr" else run_module(argv[2], argv[3:])
    except Parsed:
        return
    pytest.fail(f"{page}: {shlex.join(argv)}: status {status}: {capsys.readouterr().err}")


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors_of(file), f"{page.name}: {target}"


def anchors_of(page: Path) -> set[str]:
    """What forges make of the headings: small letters, hyphens for spaces, and no other signs."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_page_opens_with_what_one_can_do_after_it(page):
    title, empty, opening, *_ = page.read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ")
    assert not empty
    assert opening.startswith("After reading this page you can ")


def test_every_public_name_is_described():
    described = {name for page in DOCS for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)}
    assert {f"hwr_jax.{name}" for name in hwr_jax.__all__ if name != "__version__"} <= described


@pytest.mark.parametrize("page", OF_TODAY, ids=lambda page: page.name)
def test_every_config_field_of_the_pages_exists(page):
    groups = {field.name: field.type for field in dataclasses.fields(ExperimentConfig) if field.name != "seed"}
    text = page.read_text(encoding="utf-8")
    for group, name in re.findall(rf"(?:`|config\.)({'|'.join(groups)})\.(\w+)(?=[`= ])", text):
        fields = {field.name for field in dataclasses.fields(groups[group])}
        if name not in ("json", "fit"):  # model.json is a file, model.fit a function of Keras.
            assert name in fields, f"{page.name}: {group}.{name}"
    for old in FIELDS:
        assert old not in text, f"{page.name}: {old} is called {FIELDS[old]} now"


@pytest.mark.parametrize("page", OF_TODAY, ids=lambda page: page.name)
def test_every_file_of_the_repository_that_is_named_exists(page):
    """`data/splits.py` may leave out hwr_jax/, and `arpa.py` the folder of a file named before it."""
    text = page.read_text(encoding="utf-8")
    folders = {ROOT, ROOT / "hwr_jax"}
    for name in re.findall(r"`((?:\w+/)*\w+\.py)`|\b((?:hwr_jax|tests|experiments|configs)/[\w/]+\.\w+)", text):
        file = name[0] or name[1]
        if file.split("/")[0] == "FILE.py":
            continue
        found = [folder / file for folder in folders if (folder / file).exists()]
        assert found, f"{page.name}: {file}"
        folders.add(found[0].parent)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_is_python(page):
    for language, text in blocks_of(page):
        if language == "python":
            ast.parse(text)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
