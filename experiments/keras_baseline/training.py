"""The baseline run: `model.fit` on our batches, and the files of a run of ours."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments.keras_baseline.callback import make_reporter
from experiments.keras_baseline.feed import make_feed
from experiments.keras_baseline.objective import build_optimizer, make_loss
from hwr_jax.commands.train import load_data
from hwr_jax.config import ExperimentConfig
from hwr_jax.data.labels import encode_labels
from hwr_jax.data.pipeline import make_batch_of_step, sample_arrays
from hwr_jax.errors import InputError
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.models.keras_model import build_keras_model, import_keras
from hwr_jax.reports.run import LogProbs, evaluate_run, measure_validation
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import resolve_alphabet
from hwr_jax.training.metrics import MetricsFile, Progress
from hwr_jax.training.signals import Preempted, catch_stop_signals
from hwr_jax.training.usage import write_usage
from hwr_jax.training.workdir import command_line, write_environment, write_json, write_status


def train(config: ExperimentConfig, workdir: Path) -> int:
    """Trains, evaluates and writes the run's folder. Returns the exit status.

    Args:
      config: of the experiment.
      workdir: of the run; locked by the caller.

    Raises:
      InputError: a finished run is in the folder, the data are not there, or Keras cannot follow the config.
      OSError: the folder cannot be written.
    """
    keras = import_keras()
    _refuse(config, workdir)
    write_json(workdir / "config.json", to_plain(config))
    framework = f"keras {keras.__version__} on {_backend_version(keras.backend.backend())}"
    write_environment(workdir, command_line(), _devices(keras.backend.backend()), framework)
    alphabet = resolve_alphabet(config.model.alphabet)
    try:
        with catch_stop_signals() as stop:
            training, validation = load_data(config, alphabet, say=_say, poll=stop.poll)
            write_json(workdir / "left_out.json", {"training": training.skipped, "validation": validation.skipped})
            total_steps = config.total_steps(len(training))
            keras.utils.set_random_seed(config.seed)
            model = build_keras_model(config.model, alphabet.num_classes)
            model.compile(optimizer=build_optimizer(config.optimizer, total_steps), loss=make_loss(config.objective))
            parameters = model.count_params()
            _say(f"{framework}: {parameters:,} parameters, {total_steps:,} steps of {config.data.batch_size}")
            metrics = MetricsFile(workdir, resume_step=0)
            write_status(workdir, "running", step=0)
            steps_per_epoch = -(-len(training) // config.data.batch_size)
            batch_of_step = make_batch_of_step(
                sample_arrays(training.images_NxHxW, encode_labels(training.texts, alphabet)),
                batch_size=config.data.batch_size,
                seed=config.seed,
                reshuffle=config.data.reshuffle,
            )
            # Validation must not disturb what model.fit keeps on the device, so it has a model of its own.
            reader = build_keras_model(config.model, alphabet.num_classes)
            reporter = make_reporter(
                config,
                total_steps,
                metrics,
                Progress(total_steps),
                validate=lambda: measure_validation(
                    make_log_probs(reader, config.data.preprocessing), alphabet, validation, config, stop.poll
                ),
                reader=reader,
                best_path=workdir / "model.keras",
                stop=stop,
            )
            try:
                model.fit(
                    make_feed(batch_of_step, steps_per_epoch, config.data.preprocessing),
                    epochs=-(-total_steps // steps_per_epoch),
                    shuffle=False,
                    verbose=0,
                    callbacks=[reporter],
                )
            finally:
                metrics.close()
            write_usage(workdir, reporter.first_step_seconds, parameters)
            best = keras.saving.load_model(workdir / "model.keras")
            summary, write_page = evaluate_run(
                make_log_probs(best, config.data.preprocessing),
                alphabet,
                config,
                workdir,
                model=f"{workdir.resolve().name}@{reporter.best_step}",
                parameters=parameters,
                say=_say,
                poll=stop.poll,
            )
            write_status(workdir, "done", step=total_steps, cer=summary["cer"], wer=summary["wer"])
            write_page()
    except Preempted as signal:
        write_status(workdir, "failed", message=f"{signal}: the run starts anew when it is started again")
        raise InputError(f"stopped by {signal}; nothing is kept, the same command starts anew") from None
    except BaseException as error:
        write_status(workdir, "failed", message=" ".join(str(error).split()) or type(error).__name__)
        raise
    print(f"{summary['split']} CER {summary['cer']:.2%}  WER {summary['wer']:.2%}  ({summary['samples']:,} samples)")
    return 0


def make_log_probs(model: Any, kind: str) -> LogProbs:
    """Returns `log_probs(images_BxHxW) -> log_probs_BxTxK` of a Keras model."""

    def log_probs(images_BxHxW: np.ndarray) -> np.ndarray:
        probabilities = np.asarray(model.predict_on_batch(images_to_input(images_BxHxW, kind)))
        return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))

    return log_probs


def _refuse(config: ExperimentConfig, workdir: Path) -> None:
    if config.augment.active:
        raise InputError(
            "augment: Keras trains without it here; set its strengths to 0, as configs/keras_example.py does"
        )
    if config.follows_width:
        raise InputError("data.preprocessing: Keras's model reads frames of one width; give paper or keras")
    if config.model.compute_dtype != "float32":
        raise InputError("model.compute_dtype: the baseline computes in float32")
    status = workdir / "status.json"
    if status.exists() and json.loads(status.read_text(encoding="utf-8")).get("status") == "done":
        raise InputError(f"--workdir {workdir}: holds a finished run; choose another")


def _backend_version(backend: str) -> str:
    from importlib import metadata

    return f"{backend} {metadata.version(backend)}"


def _devices(backend: str) -> list[str]:
    if backend == "jax":
        import jax

        return [str(device) for device in jax.devices()]
    if backend == "tensorflow":
        import tensorflow

        return [device.name for device in tensorflow.config.list_logical_devices()]
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
