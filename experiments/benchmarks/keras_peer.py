"""The models in Keras, on TensorFlow and on jax, with the ways in which its users train and predict."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmarks.peers import TRAIN_STEP, Loss, Program, Task, Words, program_on_jax
from experiments.keras_baseline.objective import make_loss
from hwr_jax.config import LossesConfig, ModelConfig
from hwr_jax.models.keras_model import build_keras_model, import_keras
from hwr_jax.models.normalization import EPSILON as EPSILON_OF_NORM

KERAS_CTC = LossesConfig(ctc=0.0, keras_ctc=1.0)
# What that adds to a probability before its logarithm.
EPSILON = 1e-7


def build(task: Task, variant: str, name: str) -> Program:
    """A training step of the compiled model or of a loop of one's own on jax; or a prediction, host to host."""
    backend = name.removeprefix("keras_")
    keras = import_keras(backend)
    words = task.load_words()
    build_model = _build_residual if task.model.encoder == "residual" else build_keras_model
    model = build_model(task.model, words.num_classes)
    last_loss: list[Any] = []
    if trains := task.kind == TRAIN_STEP:
        step = _make_step(keras, model, variant, words)

        def run() -> None:
            last_loss[:] = [step()]

    else:
        predict = {
            "predict_on_batch": lambda: model.predict_on_batch,
            "tf.function": lambda: _make_tensorflow_call(model, jit_compile=False),
            "tf.function, jit_compile": lambda: _make_tensorflow_call(model, jit_compile=True),
            "jax.jit": lambda: _make_jax_call(model),
        }[variant]()
        run = functools.partial(predict, words.images_BxWxHx1)
    loss: Loss = (lambda: float(np.asarray(last_loss[0]))) if trains else lambda: None
    if backend == "jax":
        return program_on_jax(run, parameters=model.count_params(), packages=("keras",), loss=loss)
    import tensorflow

    device = ", ".join(device.name for device in tensorflow.config.list_physical_devices("GPU")) or "cpu"
    return Program(run, model.count_params(), ("keras", backend, "numpy"), device, loss)


def _build_residual(config: ModelConfig, num_classes: int) -> Any:
    """The layers of the encoder "residual", columns stacked, and the classes' probabilities."""
    keras = import_keras()
    layers = keras.layers

    def convolve(x: Any, features: int) -> Any:
        return layers.Conv2D(features, 3, padding="same", kernel_initializer="he_normal")(x)

    def normalize(x: Any) -> Any:
        return layers.LayerNormalization(epsilon=EPSILON_OF_NORM)(x)

    image = x = layers.Input((config.width_px, config.height_px, 1))
    for number, (features, blocks) in enumerate(zip(config.conv_features, config.conv_blocks, strict=True), start=1):
        x = layers.ReLU()(convolve(x, features))
        if number < len(config.conv_features):
            x = layers.MaxPooling2D(2)(x)
        for _ in range(blocks):
            y = x
            for _ in range(2):
                y = convolve(layers.ReLU()(normalize(y)), features)
            x = layers.Add()([x, y])
        x = normalize(x)
    x = layers.Reshape((config.frames, -1))(x)
    x = layers.Dense(config.dense_features, activation="relu")(x)
    x = layers.Dropout(config.dropout)(x)
    for units in config.lstm_features:
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True, dropout=config.lstm_dropout))(x)
    return keras.Model(image, layers.Dense(num_classes, activation="softmax")(x))


def _make_step(keras: Any, model: Any, variant: str, words: Words) -> Callable[[], Any]:
    optimizer = keras.optimizers.Adam(1e-3)
    if variant == "own loop, jax.jit":
        return _make_jax_step(model, optimizer, words)
    keras_ctc = make_loss(KERAS_CTC)
    loss, jit_compile = {
        "train_on_batch, tf.nn.ctc_loss of sparse labels": (_sparse_tensorflow_ctc, False),
        "train_on_batch, keras.ops.ctc_loss, jit_compile": (keras_ctc, True),
        "train_on_batch, keras.ops.ctc_loss": (keras_ctc, False),
    }[variant]
    model.compile(optimizer=optimizer, loss=loss, jit_compile=jit_compile)
    return functools.partial(model.train_on_batch, words.images_BxWxHx1, words.labels_BxL)


def _sparse_tensorflow_ctc(labels_BxL: Any, probabilities_BxTxK: Any) -> Any:
    """What the example's ctc_batch_cost calls: TensorFlow's own kernel, for CPUs, which takes sparse labels."""
    import tensorflow as tf

    batch, frames = tf.shape(probabilities_BxTxK)[0], probabilities_BxTxK.shape[1]
    return tf.nn.ctc_loss(
        labels=tf.sparse.from_dense(tf.cast(labels_BxL, tf.int32)),
        logits=tf.math.log(tf.transpose(probabilities_BxTxK, (1, 0, 2)) + EPSILON),
        label_length=None,
        logit_length=tf.fill([batch], frames),
        blank_index=-1,
    )


def _make_jax_step(model: Any, optimizer: Any, words: Words) -> Callable[[], Any]:
    """The loop of Keras's guide "Writing a training loop from scratch in JAX"."""
    import jax

    ctc = make_loss(KERAS_CTC)
    optimizer.build(model.trainable_variables)

    def loss_of(trainable: Any, fixed: Any, images: Any, labels: Any) -> Any:
        probabilities, fixed = model.stateless_call(trainable, fixed, images, training=True)
        return ctc(labels, probabilities).mean(), fixed

    @functools.partial(jax.jit, donate_argnums=0)
    def train(state: Any, images: Any, labels: Any) -> Any:
        trainable, fixed, optimizer_variables = state
        (loss, fixed), gradient = jax.value_and_grad(loss_of, has_aux=True)(trainable, fixed, images, labels)
        trainable, optimizer_variables = optimizer.stateless_apply(optimizer_variables, gradient, trainable)
        return [trainable, fixed, optimizer_variables], loss

    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = [[variable.value for variable in group] for group in groups]

    def step() -> Any:
        state[:], loss = train(list(state), words.images_BxWxHx1, words.labels_BxL)
        jax.block_until_ready(state)
        return loss

    return step


def _make_jax_call(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    import jax

    groups = (model.trainable_variables, model.non_trainable_variables)
    state = [[variable.value for variable in group] for group in groups]
    predict = jax.jit(lambda state, images: model.stateless_call(*state, images, training=False)[0])
    return lambda images: np.asarray(predict(state, images))


def _make_tensorflow_call(model: Any, *, jit_compile: bool) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf

    predict = tf.function(functools.partial(model, training=False), jit_compile=jit_compile)
    return lambda images: predict(tf.constant(images)).numpy()
