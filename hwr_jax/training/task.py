"""What a run learns, as the training loop sees it: a model's step, batches, and what is to fall. Nothing else is asked.

`hwr_jax.training.recognition` makes it of a recognizer's config, `hwr_jax.training.line_finding` of a line finder's.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import optax

from hwr_jax.data.pipeline import Batch
from hwr_jax.models.encoders import ParameterOf
from hwr_jax.training.losses import Loss
from hwr_jax.training.step import Step


@dataclasses.dataclass(frozen=True)
class Metric:
    """What validation measures, as values "validation/NAME". The best checkpoint is the one where the first is lowest.

    Attributes:
      shown: name -> what people call it, in the order in which they are shown.
      form: how a value is written.
    """

    shown: Mapping[str, str]
    form: str

    @property
    def name(self) -> str:
        """Of what is to fall; checkpoints keep it under this name."""
        return next(iter(self.shown))

    @property
    def label(self) -> str:
        """What people call it."""
        return self.shown[self.name]

    def of(self, values: Mapping[str, float | int]) -> float | None:
        """The one that is to fall, None if it is not among the values."""
        return values.get(f"validation/{self.name}")

    def describe(self, values: Mapping[str, float | int], gap: str = " ") -> str:
        """All that are shown, in one line."""
        parts = (f"{label} {values[f'validation/{name}']:{self.form}}" for name, label in self.shown.items())
        return f"validation {gap.join(parts)}"


CER = Metric({"cer": "CER", "wer": "WER"}, ".2%")


@runtime_checkable
class Feed(Protocol):
    """Where the batches of a run come from."""

    @property
    def widths(self) -> Sequence[int]:
        """Of batches whose programs may be compiled ahead, those of most samples first; () for batches of one shape."""
        ...

    def on_device(self) -> Mapping[str, np.ndarray]:
        """The samples, where they are to lie on the devices; then batches hold rows of them. {} if they are not."""
        ...

    def batches(self, seed: int, dispatches: Sequence[range]) -> Iterator[Batch]:
        """For each range of steps this process's share of their batches, stacked along a leading axis."""
        ...


@dataclasses.dataclass(frozen=True)
class Task:
    """What a run learns.

    Attributes:
      total_steps: of the run.
      init: makes the model's first variables, "params" and other collections.
      parameter_of: what a parameter is to the optimizer, by its name.
      make_step: given an optimizer and the mapped axis over devices (None: there is none) the training step.
      losses: that the step minimises, by name.
      feed: of its batches.
      metric: what its validation measures.
    """

    total_steps: int
    init: Callable[[], Any]
    parameter_of: ParameterOf
    make_step: Callable[[optax.GradientTransformation, str | None], Step]
    losses: Mapping[str, Loss]
    feed: Feed
    metric: Metric = CER
