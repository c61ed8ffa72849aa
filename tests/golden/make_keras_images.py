"""Writes keras_images.npz: what the Keras example's TensorFlow pipeline makes of images. Needs TensorFlow.

python tests/golden/make_keras_images.py
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

GOLDEN = Path(__file__).with_name("keras_images.npz")
# Height and width: wide, tall, small, large, the frame's own, odd paddings, and sizes whose scaling ends on a half.
SHAPES = (
    *((32, 128), (40, 90), (90, 40), (7, 5), (1, 1), (200, 31), (64, 256)),
    *((117, 473), (85, 85), (61, 244), (30, 121), (55, 219)),
)


def draw_image(shape: tuple[int, int]) -> np.ndarray:
    """Noise, uint8 of that shape: the hardest thing to resize alike."""
    return np.random.default_rng(list(shape)).integers(0, 256, shape).astype(np.uint8)


def preprocess(grey_HxW: np.ndarray) -> np.ndarray:
    """The example's `preprocess_image`, from a PNG file on: float32 [128, 32, 1]."""
    import tensorflow as tf

    file = io.BytesIO()
    Image.fromarray(grey_HxW).save(file, "PNG")
    image = tf.image.decode_png(file.getvalue(), 1)
    image = tf.image.resize(image, size=(32, 128), preserve_aspect_ratio=True)
    pad_height, pad_width = 32 - image.shape[0], 128 - image.shape[1]
    image = tf.pad(
        image,
        [[pad_height - pad_height // 2, pad_height // 2], [pad_width - pad_width // 2, pad_width // 2], [0, 0]],
    )
    image = tf.image.flip_left_right(tf.transpose(image, (1, 0, 2)))
    return (tf.cast(image, tf.float32) / 255.0).numpy()


if __name__ == "__main__":
    images = {f"{height}x{width}": preprocess(draw_image((height, width))) for height, width in SHAPES}
    # In 1 / 65,280: finer than what is to be told apart, and a third of the size.
    np.savez_compressed(GOLDEN, **{name: np.round(image * 65_280).astype(np.uint16) for name, image in images.items()})
    print(f"{GOLDEN}: {len(images)} images, {GOLDEN.stat().st_size:,} bytes")
