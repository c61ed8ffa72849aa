"""A config's loss and optimizer in Keras's own terms."""

from collections.abc import Callable
from typing import Any

from hwr_jax.config import LossesConfig, OptimizerConfig
from hwr_jax.models.keras_model import import_keras


def make_loss(config: LossesConfig) -> Callable[[Any, Any], Any]:
    """Keras's CTC, `keras.ops.ctc_loss`, with the blank last and the labels' true lengths.

    Given log(softmax + epsilon) it computes what the example's `ctc_batch_cost` does; given log(softmax), plain CTC.
    It takes labels [B, L], padded with 0, and probabilities [B, T, K], and gives losses [B].
    """
    keras = import_keras()
    ops = keras.ops
    epsilon = keras.config.epsilon() if config.keras_ctc else 1e-37

    def loss(labels: Any, probabilities: Any) -> Any:
        labels = ops.cast(labels, "int32")
        label_lengths = ops.sum(ops.cast(labels != 0, "int32"), axis=1)
        frames, classes = probabilities.shape[1:]
        frame_lengths = ops.full_like(label_lengths, frames)
        logits = ops.log(probabilities + epsilon)
        return ops.ctc_loss(labels, logits, label_lengths, frame_lengths, mask_index=classes - 1)

    return loss


def build_optimizer(config: OptimizerConfig, total_steps: int) -> Any:
    """Keras's Adam or AdamW with our schedule and clipping; kernels alone decay, as in ours."""
    keras = import_keras()
    clip = config.clip_norm or None
    rate = _schedule(config, total_steps)
    if config.name in ("adam", "keras_adam"):
        return keras.optimizers.Adam(rate, epsilon=config.epsilon, global_clipnorm=clip)
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=config.weight_decay, epsilon=config.epsilon, global_clipnorm=clip
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _schedule(config: OptimizerConfig, total_steps: int) -> Any:
    keras = import_keras()
    from hwr_jax.training.optimizer import make_schedule

    if config.schedule == "constant" and not config.warmup_steps:
        return config.learning_rate
    rates = [float(make_schedule(config, total_steps)(step)) for step in range(total_steps)]

    class Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[name-defined]
        """Our schedule, read from a table."""

        def __call__(self, step: Any) -> Any:
            table = keras.ops.convert_to_tensor(rates, dtype="float32")
            return keras.ops.take(table, keras.ops.minimum(keras.ops.cast(step, "int32"), total_steps - 1))

        def get_config(self) -> dict[str, Any]:
            return {}

    return Rates()
