"""The Keras stack built with Keras itself: the baseline to compare with, and what parameters are exported through."""

import os
from typing import Any

from hwr_jax.config import ModelConfig
from hwr_jax.errors import InputError

BACKENDS = ("jax", "tensorflow", "torch")


def import_keras(backend: str | None = None) -> Any:
    """The module `keras`, with KERAS_BACKEND as the user has set it, or jax, or as asked for.

    `backend` is one of BACKENDS that must be used, or None for any. Keras settles on one when it is first imported.
    Raises InputError: Keras or the backend is not installed, or Keras runs on another backend already.
    """
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    else:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import keras
    except ImportError as error:
        missing = error.name or str(error)
        raise InputError(
            f"keras: {missing} is not installed; pip install 'hwr_jax[keras]', and the backend if that is {missing}"
        ) from error
    if backend and keras.backend.backend() != backend:
        raise InputError(f"keras: runs on {keras.backend.backend()} in this process, not on {backend}")
    return keras


def build_keras_model(config: ModelConfig, num_classes: int) -> Any:
    """The keras.Model of the example "handwriting_recognizer", its layers and names, without the layer for the loss.

    It makes of images [B, W, H, 1] float32 probabilities [B, T, K] float32, the CTC blank last, and is freshly
    initialised as Keras does. The config is of the encoder "keras". Raises InputError: Keras is not installed.
    """
    keras = import_keras()
    layers = keras.layers
    image = x = layers.Input((config.width_px, config.height_px, 1), name="image")
    for number, features in enumerate(config.conv_features, start=1):
        options = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
        x = layers.Conv2D(features, 3, **options, name=f"Conv{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = layers.Reshape((config.frames, -1), name="reshape")(x)
    x = layers.Dense(config.dense_features, activation="relu", name="dense1")(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    for index, units in enumerate(config.lstm_features):
        lstm = layers.LSTM(units, return_sequences=True, dropout=config.lstm_dropout)
        x = layers.Bidirectional(lstm, name=f"bidirectional_{index}" if index else "bidirectional")(x)
    probabilities = layers.Dense(num_classes, activation="softmax", name="dense2")(x)
    return keras.Model(image, probabilities, name="handwriting_recognizer")
