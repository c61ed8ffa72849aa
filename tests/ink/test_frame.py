"""The frame that a config asks for."""

from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig
from hwr_jax.ink.frame import FrameConfig, frame_of


def test_height_width_and_fitting_are_the_config_s():
    config = ExperimentConfig(data=DataConfig(fitting="line"), model=ModelConfig(height_px=48, width_px=640))
    assert frame_of(config) == FrameConfig(height_px=48, width_px=640, fitting="line")
