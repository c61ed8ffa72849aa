"""Who is measured: each peer with the ways in which its users run it. Frameworks are imported when a peer is built."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

from experiments.benchmarks.task import Program, Task

OURS = "hwr_jax"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A framework's program for each kind of task."""

    label: str  # for people
    build: Callable[[Task, str], Program]  # makes the program of a task in one of the variants
    # By kind of task; where there are several, each is tried and the fastest is measured.
    variants: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...] = ()  # packages without which it is skipped
    # By variant, of its process.
    environment: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)


def _build_ours(task: Task, variant: str) -> Program:
    from experiments.benchmarks.ours import build

    return build(task)


def _build_flax(task: Task, variant: str) -> Program:
    from experiments.benchmarks.plain_flax import build

    return build(task, variant)


def _build_keras(task: Task, variant: str, *, backend: str) -> Program:
    from experiments.benchmarks.keras_peer import build

    return build(task, variant, backend)


def _build_torch(task: Task, variant: str) -> Program:
    from experiments.benchmarks.torch_peer import build

    return build(task)


def _build_matmul(task: Task, variant: str) -> Program:
    from experiments.benchmarks.matmul import build

    return build(task, variant)


_FLAX_CELLS = ("OptimizedLSTMCell", "LSTMCell")
# Its threads spin between operators: where other processes want the cores too, that costs it ten times its time.
_TORCH_WAYS = ("eager", "eager, OMP_WAIT_POLICY=passive")

PEERS: dict[str, Peer] = {
    OURS: Peer("hwr_jax", _build_ours, {"train_step": ("jit",), "inference": ("TrainedModel.log_probs",)}),
    "flax": Peer("plain Flax", _build_flax, {"train_step": _FLAX_CELLS, "inference": _FLAX_CELLS}),
    "keras_tensorflow": Peer(
        "Keras on TensorFlow",
        functools.partial(_build_keras, backend="tensorflow"),
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
        functools.partial(_build_keras, backend="jax"),
        {
            "train_step": ("train_on_batch, keras.ops.ctc_loss, jit_compile", "own loop, jax.jit"),
            "inference": ("predict_on_batch", "jax.jit"),
        },
        needs=("keras",),
    ),
    "torch": Peer(
        "PyTorch",
        _build_torch,
        {"train_step": _TORCH_WAYS, "inference": _TORCH_WAYS},
        needs=("torch",),
        environment={_TORCH_WAYS[1]: {"OMP_WAIT_POLICY": "passive"}},
    ),
}

# Measured beside the peers: the rate that a training step is compared with.
FLOORS: dict[str, Peer] = {
    f"matmul_{library}": Peer(f"matmul in {library}", _build_matmul, {"train_step": (library,)})
    for library in ("numpy", "jax")
}
