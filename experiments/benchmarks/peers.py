"""Who is measured: each peer with the ways in which its users run it, and how its program is built."""

import dataclasses
from collections.abc import Mapping

from experiments.benchmarks.task import Program, Task

OURS = "hwr_jax"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A framework, and the ways in which its users run each kind of task."""

    label: str  # for people
    # By kind of task; where there are several, each is tried and the fastest is measured.
    variants: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...] = ()  # packages without which it is skipped
    # By variant, of its process.
    environment: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)


_FLAX_CELLS = ("OptimizedLSTMCell", "LSTMCell")
# Its threads spin between operators: where other processes want the cores too, that costs it ten times its time.
_TORCH_WAYS = ("eager", "eager, OMP_WAIT_POLICY=passive")

PEERS: dict[str, Peer] = {
    OURS: Peer("hwr_jax", {"train_step": ("jit",), "inference": ("TrainedModel.log_probs",)}),
    "flax": Peer("plain Flax", {"train_step": _FLAX_CELLS, "inference": _FLAX_CELLS}),
    "keras_tensorflow": Peer(
        "Keras on TensorFlow",
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
        {
            "train_step": ("train_on_batch, keras.ops.ctc_loss, jit_compile", "own loop, jax.jit"),
            "inference": ("predict_on_batch", "jax.jit"),
        },
        needs=("keras",),
    ),
    "torch": Peer(
        "PyTorch",
        {"train_step": _TORCH_WAYS, "inference": _TORCH_WAYS},
        needs=("torch",),
        environment={_TORCH_WAYS[1]: {"OMP_WAIT_POLICY": "passive"}},
    ),
}

# Measured beside the peers: the rate that a training step is compared with.
FLOORS: dict[str, Peer] = {
    f"matmul_{library}": Peer(f"matmul in {library}", {"train_step": (library,)}) for library in ("numpy", "jax")
}


def build_program(name: str, task: Task, variant: str) -> Program:
    """The program of a peer or floor in one of its variants; imports its framework."""
    match name:
        case "hwr_jax":
            from experiments.benchmarks import ours

            return ours.build(task)
        case "flax":
            from experiments.benchmarks import plain_flax

            return plain_flax.build(task, variant)
        case "keras_tensorflow" | "keras_jax":
            from experiments.benchmarks import keras_peer

            return keras_peer.build(task, variant, name.removeprefix("keras_"))
        case "torch":
            from experiments.benchmarks import torch_peer

            return torch_peer.build(task)
        case _:
            from experiments.benchmarks import flops

            return flops.build(variant)
