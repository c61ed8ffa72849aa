"""What the Keras example computes, with Keras, its Adam and TensorFlow's CTC; `python make_keras_ctc.py FILE.npz`.

The file beside this one, keras_ctc.npz, was written so. It holds results only: weights, images and labels follow from
`make_weights` and `make_batches`, which need numpy alone. With a number behind the file's name, so many entries of
each gradient are written instead of ENTRIES.

A change of these numbers means that Keras or TensorFlow changed, or that this script did; never adapt them to ours.
"""

import os
import sys

import numpy as np

WIDTH, HEIGHT, CONV, DENSE, LSTM, CLASSES = 128, 32, (32, 64), 64, (128, 64), 81
BATCHES, BATCH, LONGEST, PADDING, STEPS = 4, 8, 21, 99, 20
ENTRIES = 400

# Confident and wrong: there log(softmax + 1e-7) is far from log softmax.
SURE = 12.0


def make_weights() -> dict[str, list[np.ndarray]]:
    """Layer name -> arrays in Keras's order, float32, spread as the example's initializers do."""
    rng = np.random.default_rng(7)

    def normal(*shape: int, fan: float) -> np.ndarray:
        return (rng.normal(size=shape) * np.sqrt(2 / fan)).astype(np.float32)

    weights, channels = {}, 1
    for number, features in enumerate(CONV, start=1):
        weights[f"Conv{number}"] = [
            normal(3, 3, channels, features, fan=9 * channels),
            normal(features, fan=200),
        ]
        channels = features
    inputs = HEIGHT // 2 ** len(CONV) * channels
    weights["dense1"] = [normal(inputs, DENSE, fan=inputs + DENSE), normal(DENSE, fan=200)]
    features = DENSE
    for index, units in enumerate(LSTM):
        arrays = []
        for _ in range(2):
            bias = normal(4 * units, fan=200)
            bias[units : 2 * units] += 1
            arrays += [
                normal(features, 4 * units, fan=features + 4 * units),
                np.linalg.qr(rng.normal(size=(4 * units, units)))[0].T.astype(np.float32),
                bias,
            ]
        weights[f"bidirectional_{index}" if index else "bidirectional"] = arrays
        features = 2 * units
    weights["dense2"] = [normal(features, CLASSES, fan=features + CLASSES), normal(CLASSES, fan=200)]
    return weights


def make_batches() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images [N, B, W, H, 1] float32 in 0 .. 1, labels [N, B, LONGEST] int32, 0 behind their end, lengths [N, B]."""
    rng = np.random.default_rng(8)
    images = rng.random((BATCHES, BATCH, WIDTH, HEIGHT, 1), dtype=np.float32)
    lengths = rng.integers(1, 13, (BATCHES, BATCH)).astype(np.int32)
    labels = rng.integers(1, CLASSES - 2, (BATCHES, BATCH, LONGEST)).astype(np.int32)
    labels[:, ::2, 1] = labels[:, ::2, 0]  # Repeats, which need a blank between them.
    labels[np.arange(LONGEST) >= lengths[..., None]] = 0
    return images, labels, lengths


def pick(array: np.ndarray, entries: int = ENTRIES) -> np.ndarray:
    """So many entries of an array, always the same ones; all of a small array, in order."""
    flat = np.asarray(array).ravel()
    return flat if flat.size <= entries else flat[np.random.default_rng(9).choice(flat.size, entries, replace=False)]


def main(path: str, entries: int) -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf
    from keras import layers
    from keras.src.legacy.backend import ctc_batch_cost  # The example's keras.backend.ctc_batch_cost.

    def build() -> keras.Model:
        """As in the example."""
        image = x = keras.Input((WIDTH, HEIGHT, 1), name="image")
        for number, features in enumerate(CONV, start=1):
            x = layers.Conv2D(features, (3, 3), activation="relu", padding="same", name=f"Conv{number}")(x)
            x = layers.MaxPooling2D((2, 2), name=f"pool{number}")(x)
        x = layers.Reshape((WIDTH // 4, HEIGHT // 4 * CONV[-1]), name="reshape")(x)
        x = layers.Dense(DENSE, activation="relu", name="dense1")(x)
        for index, units in enumerate(LSTM):
            name = f"bidirectional_{index}" if index else "bidirectional"
            x = layers.Bidirectional(layers.LSTM(units, return_sequences=True), name=name)(x)
        model = keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="dense2")(x))
        for name, arrays in make_weights().items():
            model.get_layer(name).set_weights(arrays)
        return model

    images, labels, lengths = make_batches()
    padded = np.where(np.arange(LONGEST) < lengths[..., None], labels, PADDING)

    def losses_of(model: keras.Model, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        # The example gives every label the length of the longest; the padding ends it.
        frames, longest = tf.fill((BATCH, 1), WIDTH // 4), tf.fill((BATCH, 1), LONGEST)
        return ctc_batch_cost(labels, model(images, training=False), frames, longest)[:, 0]

    model = build()
    results = {"probabilities": model(images[0, :2]).numpy()}
    for name, factor in (("plain", 1.0), ("sure", SURE)):
        model.get_layer("dense2").set_weights([factor * array for array in make_weights()["dense2"]])
        with tf.GradientTape() as tape:
            losses = losses_of(model, images[0], padded[0])
            mean = tf.reduce_mean(losses)
        results[f"{name}/losses"] = losses.numpy()
        for layer, gradients in tape.gradient(mean, {layer.name: layer.weights for layer in model.layers}).items():
            for place, gradient in enumerate(gradients):
                results[f"{name}/gradient/{layer}/{place}"] = pick(gradient.numpy(), entries)

    model = build()
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-7)
    optimizer.build(model.trainable_variables)

    @tf.function(autograph=False)
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(losses_of(model, images, labels))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    results["adam"] = np.array([float(step(images[i % BATCHES], padded[i % BATCHES])) for i in range(STEPS)])
    results["versions"] = np.array(f"keras {keras.__version__}, tensorflow {tf.__version__}")
    np.savez_compressed(path, **results)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else ENTRIES)
