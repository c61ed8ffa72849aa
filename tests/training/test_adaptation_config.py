import dataclasses

import pytest

from hwr_jax.config import ExperimentConfig
from hwr_jax.mixture_config import MixtureSource
from hwr_jax.training.adaptation_config import REPLAY_SHARE, VALIDATIONS, adapt_config, mix, plan_steps


def test_more_lines_take_more_steps_and_fewer_passes():
    steps = [plan_steps(lines) for lines in (3, 12, 40, 160, 400, 4000)]
    assert steps == sorted(steps)
    assert [count % VALIDATIONS for count in steps] == [0] * 6
    passes = [count / lines for count, lines in zip(steps, (3, 12, 40, 160, 400, 4000), strict=True)]
    assert passes == sorted(passes, reverse=True)


def test_replay_has_its_share_however_many_data_sets_it_is_of():
    for names in (["a"], ["a", "b", "c"]):
        mixture = mix("pairs/mine", "line", {name: MixtureSource(f"pairs/{name}") for name in names})
        assert list(mixture) == ["yours", *names]
        assert sum(mixture[name].share for name in names) == pytest.approx(REPLAY_SHARE)
        assert mixture["yours"].share == pytest.approx(1 - REPLAY_SHARE)


def test_the_config_is_the_models_own_but_for_the_recipe():
    base = ExperimentConfig()
    mixture = mix("pairs/mine", "word", {"replay": MixtureSource("synthetic", unit="word")})
    config = adapt_config(base, mixture, "abc", 20, seed=3)
    assert config.model == dataclasses.replace(base.model, alphabet="abc")
    assert (config.augment, config.losses, config.seed) == (base.augment, base.losses, 3)
    assert (config.training.steps, config.training.epochs) == (plan_steps(20), 0)
    assert adapt_config(base, mixture, "abc", 20, steps=5).training.steps == 5
