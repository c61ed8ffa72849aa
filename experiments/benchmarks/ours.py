"""Our own programs: the step of `hwr train` and the reading of `hwr read`."""

import functools
from typing import Any

import jax

from experiments.benchmarks.jax_device import jax_device, jax_peak_bytes
from experiments.benchmarks.task import Program, Task, load_words
from experiments.benchmarks.training_loop import TrainingSteps, example_config, read_batches
from hwr_jax.data.labels import Labels
from hwr_jax.data.pipeline import sample_arrays
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import build_trained
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import resolve_alphabet

PACKAGES = ("hwr_jax", "jax", "jaxlib", "flax", "optax", "numpy")


def build_train(task: Task) -> Program:
    """The training step, from uint8 frames on the host."""
    (batch_size,) = task.batch_sizes
    words = load_words(task.words_file).first(batch_size)
    steps = TrainingSteps(example_config(task.compute_dtype), words.num_classes, batch_size)
    arrays = sample_arrays(words.images_BxHxW, Labels(words.labels_BxL, words.lengths_B))
    # Shuffled: the same words as everybody's in another order.
    batch = next(read_batches(arrays, batch_size, 1))
    return Program(
        runs={batch_size: functools.partial(steps.run, batch)},
        loss=steps.mean_loss,
        parameters=steps.parameters,
        packages=PACKAGES,
        device=jax_device(),
        device_peak_bytes=jax_peak_bytes,
    )


def build_predict(task: Task) -> Program:
    """`TrainedModel.log_probs`, which reads and evaluates: uint8 frames to log probabilities, both on the host."""
    words = load_words(task.words_file)
    config = example_config(task.compute_dtype)
    alphabet = resolve_alphabet(config.model.alphabet)
    model = Recognizer(config.model, alphabet.num_classes)
    parameters: Any = jax.jit(model.init)(jax.random.key(0), words.images_BxWxHx1[:1])["params"]
    trained = build_trained("benchmark", to_plain(config), alphabet.characters, parameters, "benchmark")
    return Program(
        runs={size: functools.partial(trained.log_probs, words.images_BxHxW[:size]) for size in task.batch_sizes},
        parameters=trained.parameters,
        packages=PACKAGES,
        device=jax_device(),
        device_peak_bytes=jax_peak_bytes,
    )
