"""The models that come with the package have the layers they are said to have, are small, and read."""

import numpy as np
import pytest

from hwr_jax.commands.options import load_config
from hwr_jax.config import ExperimentConfig
from hwr_jax.data.formats.synthetic import parse_synthetic
from hwr_jax.data.preprocessed import preprocess_samples
from hwr_jax.evaluation.evaluate import evaluate_samples
from hwr_jax.models.trained import PRETRAINED, load_exported, pretrained_names
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import IAM78


@pytest.mark.parametrize("name", ["unipen_words", "unipen_words_seed"])
def test_word_models_are_the_seed_model(name):
    model = load_exported(PRETRAINED / name)
    assert model.parameters == 424_081
    assert model.alphabet.characters == IAM78
    assert all(np.isfinite(leaf).all() for layer in model.tree.values() for leaf in layer.values())


def test_the_large_model_of_words_is_a_residual_stack():
    model = load_exported(PRETRAINED / "unipen_words_large")
    assert build_dataclass(ExperimentConfig, model.config).model.encoder == "residual"
    assert model.parameters == 1_740_130
    assert model.alphabet.characters == IAM78


# Configs derive from one another: a change to one must not change what another says it trains.
@pytest.mark.parametrize("name", pretrained_names())
def test_each_was_trained_by_the_config_of_its_name(name, repository):
    stage = ":second" if name == "unipen_words_large" else ""
    config, _ = load_config([f"--config={repository / 'configs' / name}.py{stage}"])
    trained = build_dataclass(ExperimentConfig, load_exported(PRETRAINED / name).config)
    assert trained == build_dataclass(ExperimentConfig, config.to_dict())


def test_they_are_few_and_small_enough_to_ship():
    small = ["copiste_lines", "unipen_lines", "unipen_words", "unipen_words_seed"]
    large = ["copiste_lines_large", "unipen_lines_large", "unipen_words_large"]
    assert pretrained_names() == sorted(small + large)
    sizes = {name: sum(path.stat().st_size for path in (PRETRAINED / name).iterdir()) for name in small + large}
    assert max(sizes[name] for name in small) < 2_000_000
    assert sum(sizes.values()) < 30_000_000


# They never saw synthetic writers, and Copiste's lines are of French on paper. A model whose preprocessing or alphabet
# is not that of its training reads nothing.
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("unipen_words", 0.2),
        ("unipen_words_seed", 0.2),
        ("unipen_words_large", 0.2),
        ("copiste_lines", 0.5),
        ("copiste_lines_large", 0.5),
        ("unipen_lines", 0.4),
        ("unipen_lines_large", 0.4),
    ],
)
def test_they_read_hands_of_another_kind(name, most):
    model = load_exported(PRETRAINED / name)
    samples = preprocess_samples(parse_synthetic(writers=20, words_per_writer=5), model.preprocessing)
    evaluation = evaluate_samples(model.log_probs, model.alphabet, samples)
    assert evaluation.totals.cer < most
