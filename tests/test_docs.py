"""The documentation against the code: links, extras, config fields, files and Python blocks are those of today."""

import ast
import configparser
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hwr_jax
from hwr_jax.config import ExperimentConfig
from hwr_jax.renames import FIELDS

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *DOCS])
# The changelog tells of names that were given up.
OF_TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def blocks_of(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each code block."""
    return iter(BLOCK.findall(page.read_text(encoding="utf-8")))


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


def test_every_extra_that_is_named_exists():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for page in OF_TODAY:
        for extras in re.findall(r"(?:hwr_jax|\.)\[([a-z0-9_,]+)\]", page.read_text(encoding="utf-8")):
            assert set(extras.split(",")) <= set(setup["options.extras_require"]), f"{page.name}: {extras}"


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
