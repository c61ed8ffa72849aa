"""Every config, resolved, with its parameters, stored as text: a change that reaches configs is seen in full."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from hwr_jax.config_files import config_names, load_config_file
from hwr_jax.models.page_network import PageNetwork
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.nested import flatten
from hwr_jax.page_config import PageExperimentConfig, resolve_any_config
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import FROM_DATA, resolve_alphabet
from hwr_jax.training.line_finding import init_network

FOLDER = Path(__file__).parent / "golden" / "configs"
WITH_ARGUMENTS = ("unipen_words_large:second", "keras_example:unipen_writers")
NAMES = (*config_names(), *WITH_ARGUMENTS)


def describe(name: str) -> str:
    """All fields of a config, and name, shape and size of every array of its model, for an alphabet that is large."""
    config = resolve_any_config(load_config_file(name))
    fields = [f"{field} = {value!r}" for field, value in flatten(to_plain(config), ".").items()]
    if isinstance(config, PageExperimentConfig):
        arrays = flatten(jax.eval_shape(lambda: init_network(PageNetwork(config.model), config))["params"], "/")
        return "\n".join([*fields, "", *describe_arrays(arrays, "")])
    known = config.model.alphabet not in FROM_DATA
    classes = resolve_alphabet(config.model.alphabet if known else "latin1-european").num_classes
    model = Recognizer(config.model, classes)
    image = jnp.zeros((1, config.model.width_px, config.model.height_px, 1))
    arrays = flatten(jax.eval_shape(model.init, jax.random.key(0), image)["params"], "/")
    return "\n".join([*fields, "", *describe_arrays(arrays, f" for {classes} classes")])


def describe_arrays(arrays, what_for: str) -> list[str]:
    rows = [f"{array} {' x '.join(map(str, leaf.shape))} = {leaf.size:,}" for array, leaf in sorted(arrays.items())]
    total = sum(leaf.size for leaf in arrays.values())
    return [f"{total:,} parameters{what_for}", *rows, ""]


@pytest.mark.parametrize("name", NAMES)
def test_a_config_and_its_parameters_are_as_stored(name):
    path = FOLDER / f"{name.replace(':', '.')}.txt"
    found = describe(name)
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
    stored = path.read_text(encoding="utf-8") if path.exists() else ""
    assert found.splitlines() == stored.splitlines(), (
        f"config {name} is not as in {path.relative_to(FOLDER.parent.parent.parent)}. A field that is new or renamed "
        "changes the names of sweep runs; another value changes what the config trains, and its recorded results no "
        "longer hold; another array means that models trained before no longer load. If it is meant: UPDATE_GOLDEN=1 "
        "pytest tests/test_golden_configs.py, and say so in CHANGELOG.md."
    )


def test_no_file_is_left_of_a_config_that_is_gone():
    stored = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.txt")}
    assert stored == {name.replace(":", ".") for name in NAMES}
