"""Who is measured, each peer with the ways in which its users run it; what it is asked to do, and what it hands back.

Nothing here imports a framework: a peer's memory is its own.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hwr_jax.config import ModelConfig

OURS = "hwr_jax"
SEED, LARGE = "seed", "large"
# The Keras example's model; and unipen_words_large's, on the same images, without the classes that it guesses at by a
# shortcut while training.
MODELS = {
    SEED: ModelConfig(),
    LARGE: ModelConfig(
        encoder="residual",
        conv_features=(32, 64, 128),
        conv_blocks=(0, 1, 0),
        normalization="channels",
        dense_features=128,
        lstm_features=(192, 192),
        dropout=0.1,
        lstm_dropout=0.1,
    ),
}
TRAIN_STEP, INFERENCE = "train_step", "inference"
Loss = Callable[[], float | None]


@dataclasses.dataclass(frozen=True)
class Words:
    """The batch that every peer is handed, on the host. Labels are class ids from 1 up; the CTC blank is the last."""

    images_BxHxW: np.ndarray  # uint8, what our program takes
    images_BxWxHx1: np.ndarray  # float32, the same images as the other frameworks take them
    labels_BxL: np.ndarray  # int32, zeros after each label's end
    lengths_B: np.ndarray  # int32
    num_classes: int


@dataclasses.dataclass(frozen=True)
class Task:
    """A model, with its dropout, on a batch of words."""

    kind: str  # TRAIN_STEP or INFERENCE
    words_file: str  # holds the fields of `Words`, by `numpy.savez`
    compute_dtype: str = "float32"  # of our own program; peers compute in float32
    name: str = SEED  # of MODELS

    @property
    def model(self) -> ModelConfig:
        return MODELS[self.name]

    def load_words(self) -> Words:
        with np.load(self.words_file, allow_pickle=False) as arrays:
            fields: dict[str, Any] = {name: array if array.ndim else int(array) for name, array in arrays.items()}
        return Words(**fields)


@dataclasses.dataclass(frozen=True)
class Program:
    """A peer's program, built but not run yet."""

    run: Callable[[], Any]  # one step or one prediction, until its result is ready
    parameters: int  # of the model; 0 if there is none
    packages: tuple[str, ...]  # whose versions are reported
    device: str
    loss: Loss = lambda: None  # mean loss of the last step, in nats a word; None in inference
    # The most device memory it held; None where that is the host's memory.
    device_peak_bytes: Callable[[], int | None] = lambda: None


def program_on_jax(
    run: Callable[[], Any], *, parameters: int, packages: tuple[str, ...], loss: Loss = lambda: None
) -> Program:
    """A program on jax's first device."""
    import jax

    device = jax.devices()[0]

    def peak_bytes() -> int | None:
        return (device.memory_stats() or {}).get("peak_bytes_in_use")

    return Program(run, parameters, ("jax", "jaxlib", "numpy", *packages), device.device_kind, loss, peak_bytes)


@dataclasses.dataclass(frozen=True)
class Peer:
    """A framework, and the ways in which its users run each kind of task."""

    label: str  # for people
    module: str  # of this folder, whose build() makes its program
    # By kind of task; where there are several, each is tried and the fastest is measured.
    variants: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...] = ()  # packages without which it is skipped
    # By variant, of its process.
    environment: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)


_FLAX_CELLS = ("OptimizedLSTMCell", "LSTMCell")
# Its threads spin between operators: where other processes want the cores too, that costs it ten times its time.
_TORCH_WAYS = ("eager", "eager, OMP_WAIT_POLICY=passive")

PEERS: dict[str, Peer] = {
    OURS: Peer("hwr_jax", "ours", {"train_step": ("jit",), "inference": ("TrainedModel.log_probs",)}),
    "flax": Peer("plain Flax", "plain_flax", {"train_step": _FLAX_CELLS, "inference": _FLAX_CELLS}),
    "keras_tensorflow": Peer(
        "Keras on TensorFlow",
        "keras_peer",
        {
            "train_step": (
                "train_on_batch, tf.nn.ctc_loss of sparse labels",
                "train_on_batch, keras.ops.ctc_loss",
                "train_on_batch, keras.ops.ctc_loss, jit_compile",
            ),
            "inference": ("predict_on_batch", "tf.function", "tf.function, jit_compile"),
        },
        needs=("keras", "tensorflow"),
    ),
    "keras_jax": Peer(
        "Keras on jax",
        "keras_peer",
        {
            "train_step": ("train_on_batch, keras.ops.ctc_loss, jit_compile", "own loop, jax.jit"),
            "inference": ("predict_on_batch", "jax.jit"),
        },
        needs=("keras",),
    ),
    "torch": Peer(
        "PyTorch",
        "torch_peer",
        {"train_step": _TORCH_WAYS, "inference": _TORCH_WAYS},
        needs=("torch",),
        environment={_TORCH_WAYS[1]: {"OMP_WAIT_POLICY": "passive"}},
    ),
    "onnxruntime": Peer("onnxruntime", "onnx_peer", {"inference": ("our ONNX file",)}, needs=("onnx", "onnxruntime")),
    "openvino": Peer("OpenVINO", "onnx_peer", {"inference": ("our ONNX file",)}, needs=("onnx", "openvino")),
}

# Measured beside the peers: the rate that a training step is compared with.
FLOORS: dict[str, Peer] = {
    f"matmul_{library}": Peer(f"matmul in {library}", "flops", {"train_step": (library,)})
    for library in ("numpy", "jax")
}
