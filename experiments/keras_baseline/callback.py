"""What `hwr train` writes while it trains, written from `model.fit`."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hwr_jax.config import ExperimentConfig
from hwr_jax.models.keras_model import import_keras
from hwr_jax.training.loop import due
from hwr_jax.training.run_logger import MetricsFile, Progress
from hwr_jax.training.signals import StopRequest


def make_reporter(
    config: ExperimentConfig,
    total_steps: int,
    metrics: MetricsFile,
    *,
    validate: Callable[[], Mapping[str, float]],
    reader: Any,
    best_path: Path,
    stop: StopRequest,
) -> Any:
    """A keras.callbacks.Callback that reports, validates and keeps the best weights when the config says so.

    Args:
      config: of the experiment.
      total_steps: after which training stops.
      metrics: metrics.jsonl.
      validate: measures the validation split with `reader`.
      reader: a second model of the same layers, given the weights to validate and to save.
      best_path: where `reader` is saved when its validation CER is the lowest so far.
      stop: polled after every step.

    Returns:
      The callback, with `first_step_seconds` and `best_step` when training has ended.
    """
    keras = import_keras()
    every, progress = config.training, Progress(total_steps)

    class Reporter(keras.callbacks.Callback):  # type: ignore[name-defined]
        """Keras gives the mean loss since the epoch began; sums of it give the mean since the last line."""

        first_step_seconds = 0.0
        best_cer, best_step = math.inf, 0

        def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
            self.step = 0
            self.began = self.window_began = time.perf_counter()
            self.window_loss, self.window_steps = 0.0, 0

        def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            self.epoch_steps, self.epoch_loss = 0, 0.0

        def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
            stop.poll()
            self.step, self.epoch_steps, self.window_steps = self.step + 1, self.epoch_steps + 1, self.window_steps + 1
            if self.step == 1:
                float((logs or {})["loss"])  # waits for the step
                self.first_step_seconds = time.perf_counter() - self.began
            self.model.stop_training = self.step == total_steps
            validates = self.step == total_steps or due(self.step, every.evaluate_every_steps)
            if validates or due(self.step, every.log_every_steps):
                self._add_to_window(logs or {})
                self._report(validates)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            self._add_to_window(logs or {})

        def _add_to_window(self, logs: Mapping[str, float]) -> None:
            epoch_loss = float(logs["loss"]) * self.epoch_steps
            self.window_loss += epoch_loss - self.epoch_loss
            self.epoch_loss = epoch_loss

        def _report(self, validates: bool) -> None:
            seconds_a_step = (time.perf_counter() - self.window_began) / max(self.window_steps, 1)
            values: dict[str, float] = {
                "train/loss": self.window_loss / max(self.window_steps, 1),
                "train/learning_rate": float(self.model.optimizer.learning_rate),
                "train/samples_per_second": config.data.batch_size / seconds_a_step,
            }
            if validates:
                values |= self._validate()
            values["train/seconds"] = time.perf_counter() - self.began
            metrics.write(self.step, values)
            progress.show(self.step, values, seconds_a_step * (total_steps - self.step))
            self.window_began, self.window_loss, self.window_steps = time.perf_counter(), 0.0, 0

        def _validate(self) -> Mapping[str, float]:
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()
            reader.set_weights(self.model.get_weights())
            values = validate()
            if values["validation/cer"] < self.best_cer:
                self.best_cer, self.best_step = values["validation/cer"], self.step
                reader.save(best_path)
            return values

    return Reporter()
