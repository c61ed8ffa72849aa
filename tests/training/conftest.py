"""A tiny model, its first state and a batch for it."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from hwr_jax.config import ModelConfig, OptimizerConfig
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.state import TrainState, init_state

TINY = ModelConfig(height_px=16, width_px=64, conv_features=(4, 4), dense_features=8, lstm_features=(8, 8))
CLASSES = 6


@pytest.fixture(scope="session")
def tiny_model() -> Recognizer:
    return Recognizer(TINY, CLASSES)


@pytest.fixture(scope="session")
def tiny_optimizer(tiny_model: Recognizer) -> Any:
    """AdamW with all there is to it, so that its state has every kind of leaf."""
    config = OptimizerConfig(learning_rate=1e-2, warmup_steps=2, weight_decay=0.1, clip_norm=1.0)
    return build_optimizer(config, 10, tiny_model.parameter)


@pytest.fixture(scope="session")
def tiny_state(tiny_model: Recognizer, tiny_optimizer: Any) -> TrainState:
    """The first state, on the host."""
    return jax.device_get(init_state(tiny_model, tiny_optimizer, seed=0))


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., dict[str, np.ndarray]]:
    """Returns `make_batch(size, seed, hopeless=())`: the samples at `hopeless` have a label that fits no 16 frames."""

    def make(size: int, seed: int, hopeless: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        labels = rng.integers(1, 4, (size, 10), dtype=np.int32)
        lengths = rng.integers(1, 8, size, dtype=np.int32)
        for row in hopeless:
            labels[row], lengths[row] = 1, 10
        labels[np.arange(10)[None] >= lengths[:, None]] = 0
        return {
            "images": rng.integers(0, 256, (size, TINY.height_px, TINY.width_px), dtype=np.uint8),
            "widths": np.full(size, TINY.width_px, np.int32),
            "labels": labels,
            "lengths": lengths,
            "positions": np.arange(size, dtype=np.int32),
            "weights": np.ones(size, dtype=np.float32),
        }

    return make
