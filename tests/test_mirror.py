"""The tests mirror the code: where a test file lies and how it is called says which module it tests."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# What they test instead of one module.
OF_NO_MODULE = {
    "test_dockerfile.py": "Dockerfile",
    "test_docs.py": "README.md and docs/",
    "test_extend.py": "docs/extend.md",
    "test_floors.py": "the imports of all modules",
    "test_golden_configs.py": "every config of configs/",
    "test_golden_step.py": "a training step, from the config to the new state",
    "test_mirror.py": "the names of test files",
    "test_notebooks.py": "notebooks/",
    "test_old_run.py": "a run of an older version, in all that reads runs",
    "test_site.py": "the site of docs/",
    "test_wheel.py": "the wheel",
    "test_written_commands.py": "the commands in pages, configs, experiments and helps",
    "data/test_fuzz_readers.py": "the readers of all formats",
    "data/test_memory.py": "the way of a sample through all of data/",
    "data/test_systems.py": "all of data/, without the calls that only Linux has",
    "models/test_keras_parity.py": "Keras's layers, losses and optimizer against ours",
    "multiprocess/test_lost_process.py": "real processes that train one run",
    "multiprocess/test_other_devices.py": "real processes that train one run",
    "multiprocess/test_two_processes.py": "real processes that train one run",
}
FILES = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py"))


def names_a_module(file: str) -> bool:
    """Whether it is test_MODULE.py, or test_MODULE_ASPECT.py, in the folder that mirrors the module's."""
    path = Path(file)
    package = TESTS.parent if path.parts[0] in ("examples", "experiments") else TESTS.parent / "hwr_jax"
    modules = {entry.stem for entry in (package / path.parent).glob("[a-z]*") if entry.suffix in (".py", "")}
    words = path.stem.removeprefix("test_").split("_")
    return any("_".join(words[:count]) in modules for count in range(1, len(words) + 1))


@pytest.mark.parametrize("file", FILES)
def test_a_test_file_names_a_module(file):
    assert names_a_module(file) != (file in OF_NO_MODULE)


def test_the_exceptions_are_there():
    assert set(OF_NO_MODULE) <= set(FILES)


def test_the_rule_can_fail():
    assert names_a_module("data/formats/test_unipen_lines.py")
    assert not names_a_module("data/test_unipen_lines.py")
    assert not names_a_module("data/test_rimes.py")
