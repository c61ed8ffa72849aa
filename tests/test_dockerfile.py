"""The Dockerfile: hadolint finds nothing, and it installs as the README says to. No image is built here."""

import configparser
import re
import shutil
import subprocess

import pytest
from packaging.specifiers import SpecifierSet


@pytest.fixture(scope="module")
def text(repository) -> str:
    return (repository / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


@pytest.fixture(scope="module")
def metadata(repository) -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(repository / "setup.cfg")
    return config


def instructions(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", text, re.MULTILINE)


def test_hadolint_finds_nothing(repository):
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    # DL3008: versions of Debian's packages, which are gone from its servers when the next ones come.
    command = [hadolint, "--ignore=DL3008", "Dockerfile"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_its_python_is_one_that_is_tested(text, metadata):
    [image] = instructions(text, "FROM")
    version = re.fullmatch(r"python:(3\.\d+)-slim", image)[1]
    assert SpecifierSet(metadata["options"]["python_requires"]).contains(f"{version}.0")
    assert f"Programming Language :: Python :: {version}" in metadata["metadata"]["classifiers"]


def test_it_installs_as_the_readme_says(text, repository, metadata):
    readme = (repository / "README.md").read_text(encoding="utf-8")
    [install] = [line for line in instructions(text, "RUN") if line.startswith("pip ")]
    plain, extra = (
        install.replace('"', "").replace("--no-cache-dir ", "").replace("${EXTRA:+[$EXTRA]}", chosen)
        for chosen in ("", "[cuda13]")
    )
    assert f"`{plain}`" in readme
    assert f"`{extra.removesuffix(' -c constraints.txt').replace('-e ', '-e ' + chr(39))}'`" in readme
    for name in re.findall(r"EXTRA=(\w+)", text):
        assert name in metadata["options.extras_require"]


def test_what_it_runs_is_the_console_script(text, metadata):
    assert instructions(text, "ENTRYPOINT") == ['["hwr"]']
    assert "hwr = hwr_jax.commands.main:main" in metadata["options.entry_points"]["console_scripts"]
    assert instructions(text, "USER") == ["1000"]
    assert not re.search(r"^(ADD|EXPOSE) ", text, re.MULTILINE)


def test_what_is_not_copied_is_not_needed(repository):
    """The package and the folders that setup.cfg maps into it are copied."""
    left_out = (repository / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert not {"hwr_jax", "configs", "setup.cfg", "pyproject.toml", "README.md", "constraints.txt"} & set(left_out)
