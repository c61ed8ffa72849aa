"""The model that comes with the package is the seed model, is small, and reads."""

import numpy as np
import pytest

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.fitted import fit_samples
from hwr_jax.data.formats.synthetic import read_synthetic
from hwr_jax.evaluation.evaluate import evaluate_samples
from hwr_jax.models.trained import PRETRAINED, load_exported, pretrained_names
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import IAM78


@pytest.fixture(scope="module")
def model():
    return load_exported(PRETRAINED / "unipen_words")


def test_it_is_the_seed_model(model):
    assert pretrained_names() == ["unipen_words"]
    assert model.parameters == 424_081
    assert model.alphabet.characters == IAM78
    assert build_dataclass(ExperimentConfig, model.config).data.name == "unipen_words"
    assert all(np.isfinite(leaf).all() for layer in model.tree.values() for leaf in layer.values())


def test_it_is_small_enough_to_ship():
    assert sum(path.stat().st_size for path in (PRETRAINED / "unipen_words").iterdir()) < 2_000_000


def test_it_reads_hands_of_another_kind(model):
    # It never saw synthetic writers. A model whose preprocessing or alphabet is not that of its training reads nothing.
    samples = fit_samples(read_synthetic(writers=20, words_per_writer=5), model.frame)
    evaluation = evaluate_samples(model.log_probs, model.alphabet, samples)
    assert evaluation.totals.cer < 0.35
