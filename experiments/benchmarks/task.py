"""What a peer is asked to do, and what it hands back. Nothing here imports a framework: a peer's memory is its own."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hwr_jax.config import ModelConfig
from hwr_jax.strict import build_dataclass, to_plain

TRAIN_STEP, INFERENCE = "train_step", "inference"


@dataclasses.dataclass(frozen=True)
class Task:
    """Attributes:
    kind: TRAIN_STEP or INFERENCE.
    words_file: written by `hwr_jax`'s side of the benchmark, see `Words`.
    batch_sizes: of the programs to build; none is larger than the number of words.
    compute_dtype: of our own program; peers compute in float32.
    """

    kind: str
    words_file: str
    batch_sizes: tuple[int, ...]
    compute_dtype: str = "float32"

    @property
    def model(self) -> ModelConfig:
        """The seed model, with its dropout."""
        return ModelConfig()

    def to_json(self) -> str:
        """One line that `from_json` reads."""
        return json.dumps(to_plain(self))

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """The task that `to_json` wrote."""
        return build_dataclass(cls, json.loads(text), "task")


@dataclasses.dataclass(frozen=True)
class Words:
    """The batch that every peer is handed, on the host.

    Attributes:
      images_BxHxW: uint8, what our program takes.
      images_BxWxHx1: float32, the same images as the other frameworks take them.
      labels_BxL: int32 class ids from 1 up, zeros after each label's end.
      lengths_B: int32.
      num_classes: the CTC blank is the last.
    """

    images_BxHxW: np.ndarray
    images_BxWxHx1: np.ndarray
    labels_BxL: np.ndarray
    lengths_B: np.ndarray
    num_classes: int

    def first(self, count: int) -> "Words":
        """The first so many words."""
        return Words(
            self.images_BxHxW[:count],
            self.images_BxWxHx1[:count],
            self.labels_BxL[:count],
            self.lengths_B[:count],
            self.num_classes,
        )


def load_words(path: str) -> Words:
    """Reads the file that `experiments.benchmarks.words.save_words` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Words(arrays["grey"], arrays["images"], arrays["labels"], arrays["lengths"], int(arrays["num_classes"]))


@dataclasses.dataclass(frozen=True)
class Program:
    """A peer's program, built but not run yet.

    Attributes:
      runs: by batch size, a function that runs one step or one prediction and returns when its result is ready.
      loss: mean loss of the last step, in nats a word; for a training step only.
      parameters: how many the model has; 0 if there is none.
      packages: whose versions are told.
      device: what it runs on.
      device_peak_bytes: the most device memory it held; None where that is the host's memory.
    """

    runs: Mapping[int, Callable[[], Any]]
    parameters: int
    packages: tuple[str, ...]
    device: str
    loss: Callable[[], float] | None = None
    device_peak_bytes: Callable[[], int | None] = lambda: None
