"""The frame that a config asks for."""

from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig
from hwr_jax.ink.frame import FrameConfig, frame_of


def test_size_fitting_and_stretch_are_the_config_s():
    data = DataConfig(fitting="line", stretch_x=1.5)
    config = ExperimentConfig(data=data, model=ModelConfig(height_px=48, width_px=640))
    assert frame_of(config) == FrameConfig(height_px=48, width_px=640, fitting="line", stretch_x=1.5)
