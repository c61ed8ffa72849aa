"""What a peer is asked to do, and what it hands back. Nothing here imports a framework: a peer's memory is its own."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from hwr_jax.config import ModelConfig

TRAIN_STEP, INFERENCE = "train_step", "inference"


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
    """The seed model, with its dropout, on a batch of words."""

    kind: str  # TRAIN_STEP or INFERENCE
    words_file: str  # holds the fields of `Words`, by `numpy.savez`
    compute_dtype: str = "float32"  # of our own program; peers compute in float32
    model = ModelConfig()

    def load_words(self) -> Words:
        """The batch."""
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
    loss: Callable[[], float] | None = None  # mean loss of the last step, in nats a word; for a training step only
    # The most device memory it held; None where that is the host's memory.
    device_peak_bytes: Callable[[], int | None] = lambda: None


def program_on_jax(
    run: Callable[[], Any], *, parameters: int, packages: tuple[str, ...], loss: Callable[[], float] | None = None
) -> Program:
    """A program on jax's first device."""
    import jax

    device = jax.devices()[0]

    def peak_bytes() -> int | None:
        return (device.memory_stats() or {}).get("peak_bytes_in_use")

    return Program(run, parameters, ("jax", "jaxlib", "numpy", *packages), device.device_kind, loss, peak_bytes)
