"""Configs of line finders: what they refuse, and how they are told from those of recognizers."""

import pytest

from hwr_jax.config import ExperimentConfig, default_config, resolve_config
from hwr_jax.errors import InputError
from hwr_jax.page_config import PageExperimentConfig, default_of, default_page_config, resolve_any_config
from hwr_jax.strict import to_plain


def test_defaults_resolve_to_themselves():
    assert resolve_any_config(default_page_config()) == PageExperimentConfig()
    assert resolve_any_config(default_config()) == ExperimentConfig()


@pytest.mark.parametrize("config", [PageExperimentConfig(), ExperimentConfig()])
def test_the_default_of_a_kind(config):
    assert default_of(to_plain(config)) == config


def test_a_command_for_recognizers_says_what_the_config_is():
    with pytest.raises(InputError, match=r"^config: it is of a line_finder, and this is for recognizers$"):
        resolve_config(default_page_config())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("task", "poems", "task: 'poems' is none of line_finder"),
        ("seed", -1, "seed: -1"),
        ("data.tile_px", 100, "data.tile_px: 100 is not a multiple of 64"),
        ("data.names", (), "data.names: give one or more"),
        ("data.names", ("pages", "pages"), "each once"),
        ("data.weights", (1.0, 2.0), "data.weights: give a positive number for each"),
        ("model.blocks", (1, 2), "model: blocks has a number for each of features"),
        ("model.features", (32,), "model.features"),
        ("model.up_blocks", (1, -1, 1), "model: a number of blocks is negative"),
        ("model.most_enlarged", 0.5, "model.most_enlarged: 0.5 is below 1"),
        ("augment.scale", 0.9, "augment.scale: 0.9 is below 1"),
        ("augment.light", 2.0, "augment.light: 2.0 is more than 1"),
        ("losses.core", -1.0, "losses.core"),
        ("training.steps_per_dispatch", 2, "training: a line finder has steps_per_dispatch=1"),
    ],
)
def test_wrong_values(field, value, message):
    config = default_page_config()
    with config.ignore_type():
        config.update_from_flattened_dict({field: value})
    with pytest.raises(InputError, match=message):
        resolve_any_config(config)


def test_there_are_no_epochs():
    config = default_page_config()
    config.training.steps, config.training.epochs = 0, 2.0
    with pytest.raises(InputError, match="there are no epochs"):
        resolve_any_config(config)
