"""The baseline run: `model.fit` on our batches, and the files of a run of ours, which it writes as it trains."""

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from experiments.keras_baseline.objective import build_optimizer, make_loss
from hwr_jax.config import ExperimentConfig, TrainingConfig
from hwr_jax.data.labels import encode_labels
from hwr_jax.data.loading import load_for_training
from hwr_jax.data.pipeline import Batch, make_batch_of_step, sample_arrays
from hwr_jax.errors import InputError
from hwr_jax.evaluation.evaluate import evaluate_samples
from hwr_jax.evaluation.run_files import read_json
from hwr_jax.evaluation.summary import validation_values
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.models.keras_model import build_keras_model, import_keras
from hwr_jax.nested import flatten
from hwr_jax.progress import report
from hwr_jax.result import Result, evaluate_run
from hwr_jax.run import framed
from hwr_jax.run_start import settle_data
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import Alphabet, resolve_alphabet
from hwr_jax.training.loop import due
from hwr_jax.training.run_logger import MetricsFile, Progress
from hwr_jax.training.signals import Preempted, StopRequest
from hwr_jax.training.tracker import TrackedRun
from hwr_jax.training.trackers import GuardedTrackers, find_trackers
from hwr_jax.training.workdir import write_json, write_status, write_usage


@dataclasses.dataclass(frozen=True)
class KerasModel:
    """A Keras model as `hwr_jax.result.Evaluated`."""

    name: str
    alphabet: Alphabet
    config: Mapping[str, Any]
    model: Any
    tree: None = None

    @property
    def parameters(self) -> int:
        return self.model.count_params()

    def log_probs(self, images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log probabilities [B, T, K] float32 of images uint8, and frames: all count."""
        images = images_to_input(images_BxHxW, self.config["data"]["preprocessing"])
        probabilities = np.maximum(np.asarray(self.model.predict_on_batch(images)), np.finfo(np.float32).tiny)
        return np.log(probabilities), np.full(len(probabilities), probabilities.shape[1], np.int32)


def train(config: ExperimentConfig, workdir: Path) -> Result:
    """Trains, evaluates and writes the run's folder. Raises InputError for a wrong config, and after a signal."""
    keras = import_keras()
    _refuse(config, workdir)
    backend = keras.backend.backend()
    framework = f"keras {keras.__version__} on {backend} {metadata.version(backend)}"
    try:
        with framed(
            [config],
            [workdir],
            framework=framework,
            devices=lambda: _devices(backend),
            on_signal=lambda signal: f"{signal}: the run starts anew when it is started again",
        ) as stop:
            return _train(config, workdir, framework, stop)
    except Preempted as signal:
        raise InputError(f"stopped by {signal}; nothing is kept, the same command starts anew") from None


def _train(config: ExperimentConfig, workdir: Path, framework: str, stop: StopRequest) -> Result:
    keras = import_keras()
    [config] = settle_data([config], [workdir], say=report, poll=stop.poll)
    alphabet = resolve_alphabet(config.model.alphabet)
    training, validation = load_for_training(config, alphabet, say=report, poll=stop.poll)
    write_json(workdir / "left_out.json", {"training": training.skipped, "validation": validation.skipped})
    total_steps = config.total_steps(len(training))
    keras.utils.set_random_seed(config.seed)
    model = build_keras_model(config.model, alphabet.num_classes)
    model.compile(optimizer=build_optimizer(config.optimizer, total_steps), loss=make_loss(config.losses))
    report(f"{framework}: {model.count_params():,} parameters, {total_steps:,} steps of {config.data.batch_size}")
    metrics = MetricsFile(workdir, resume_step=0)
    tracked = TrackedRun(workdir, flatten(to_plain(config), "."), resume_step=0)
    trackers = GuardedTrackers(find_trackers(config.training.trackers), tracked, report)
    write_status(workdir, "running", step=0)
    steps_per_epoch = -(-len(training) // config.data.batch_size)
    batch_of_step = make_batch_of_step(
        sample_arrays(training.images_NxHxW, training.widths_N, encode_labels(training.texts, alphabet)),
        batch_size=config.data.batch_size,
        seed=config.seed,
        reshuffle=config.data.reshuffle,
    )
    # Validation must not disturb what model.fit keeps on the device, so it has a model of its own.
    reader = build_keras_model(config.model, alphabet.num_classes)
    evaluated = KerasModel("", alphabet, to_plain(config), reader)

    def validate() -> dict[str, float]:
        batch_size = config.data.evaluation_batch_size
        found = evaluate_samples(evaluated.log_probs, alphabet, validation, batch_size=batch_size, poll=stop.poll)
        return validation_values(found, alphabet, config)

    reporter = make_reporter(
        config,
        total_steps,
        metrics,
        trackers,
        validate=validate,
        reader=reader,
        best_path=workdir / "model.keras",
        stop=stop,
    )
    with contextlib.closing(metrics), contextlib.closing(trackers):
        model.fit(
            feed(batch_of_step, config.data.preprocessing),
            epochs=-(-total_steps // steps_per_epoch),
            steps_per_epoch=steps_per_epoch,
            verbose=0,
            callbacks=[reporter],
        )
    write_usage(workdir, reporter.first_step_seconds, model.count_params())
    best = keras.saving.load_model(workdir / "model.keras")
    evaluated = dataclasses.replace(evaluated, name=f"{workdir.resolve().name}@{reporter.best_step}", model=best)
    return evaluate_run(evaluated, config, workdir, total_steps, say=report, poll=stop.poll)


def make_reporter(
    config: ExperimentConfig,
    total_steps: int,
    metrics: MetricsFile,
    trackers: GuardedTrackers,
    *,
    validate: Callable[[], Mapping[str, float]],
    reader: Any,
    best_path: Path,
    stop: StopRequest,
) -> Any:
    """A keras.callbacks.Callback that reports, validates and keeps the best weights when the config says so.

    `reader`, a second model of the same layers, is given the weights that `validate` measures, and is saved in
    `best_path` when they are the best so far. When training has ended, the callback has `first_step_seconds` and
    `best_step`.
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
            if validates or due(self.step, config.log_every_steps(total_steps)):
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
            trackers.write_numbers(self.step, values)
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


def feed(batch_of_step: Callable[[int], Batch], kind: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Our batches without end: images [B, W, H, 1] float32, labels [B, L] int32.

    Labels are padded with 0, the unknown class, which is never a target. What only fills up the last batch of an epoch
    is left away: Keras takes a batch of another size. `kind` is that of the preprocessing.
    """
    for batch in map(batch_of_step, itertools.count()):
        real = batch["weights"] > 0
        yield images_to_input(batch["images"][real], kind), batch["labels"][real]


def _refuse(config: ExperimentConfig, workdir: Path) -> None:
    if config.augment.active:
        raise InputError(
            "augment: Keras trains without it here; set its strengths to 0, as configs/keras_example.py does"
        )
    if config.follows_width:
        raise InputError("data.preprocessing: Keras's model reads images of one width; give word or keras")
    if config.model.compute_dtype != "float32":
        raise InputError("model.compute_dtype: the baseline computes in float32")
    defaults = TrainingConfig(epochs=1.0)
    for name in ("patience_validations", "minutes", "accumulate_batches"):
        if getattr(config.training, name) != getattr(defaults, name):
            raise InputError(f"training.{name}: the baseline knows only {getattr(defaults, name)!r}")
    if read_json(workdir / "status.json").get("status") == "done":
        raise InputError(f"--workdir={workdir}: holds a finished run; choose another")


def _devices(backend: str) -> list[str]:
    if backend == "jax":
        import jax

        return [str(device) for device in jax.devices()]
    if backend == "tensorflow":
        import tensorflow

        return [device.name for device in tensorflow.config.list_logical_devices()]
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]
