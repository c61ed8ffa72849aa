"""What a config has its images preprocessed to."""

from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig
from hwr_jax.ink.model_input import Preprocessing, describe_scale, preprocessing_of


def test_size_kind_and_scale_are_the_config_s():
    data = DataConfig(preprocessing="line", horizontal_scale=1.5)
    config = ExperimentConfig(data=data, model=ModelConfig(height_px=48, width_px=640))
    assert preprocessing_of(config) == Preprocessing(height_px=48, width_px=640, kind="line", horizontal_scale=1.5)


def test_a_scale_is_named_where_there_is_one():
    assert describe_scale(1.0) == describe_scale(1) == ""
    assert describe_scale(1.5) == ", drawn 1.5 times as wide"
    assert describe_scale(2.0) == ", drawn 2 times as wide"
