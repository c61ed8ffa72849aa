"""What a tracker is: it takes a run's numbers and pictures, which also lie in the run's folder."""

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8

from hwr_jax.files import write_text

Pictures = Mapping[str, UInt8[np.ndarray, "H W 3"]]

# Holds the id by which services know the run, also after a resume.
ID_FILE = "tracker_id.txt"


class Tracker(Protocol):
    """Takes what a run reports. What it raises is shown once, and then the run goes on without it."""

    def write_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """The numbers of a line of metrics, by their names there. Steps rise, but repeat after a resume."""

    def write_pictures(self, step: int, pictures: Pictures) -> None:
        """Pictures of a validation by name, uint8 [H, W, 3]: samples with their readings, the confused characters."""

    def close(self) -> None:
        """After the last call of a start of the run."""


@dataclasses.dataclass(frozen=True)
class TrackedRun:
    """What a tracker is opened for.

    Attributes:
      workdir: the run's folder.
      config: all fields, such as "optimizer.learning_rate".
      resume_step: the step that this start of the run goes on from, 0 at first.
    """

    workdir: Path
    config: Mapping[str, Any]
    resume_step: int

    @property
    def id(self) -> str:
        """16 letters and digits that this run alone has; the same in every start."""
        path = self.workdir / ID_FILE
        if not path.exists():
            write_text(path, uuid.uuid4().hex[:16])
        return path.read_text(encoding="utf-8").strip()

    @property
    def name(self) -> str:
        """The folder's name, for people."""
        return self.workdir.resolve().name


OpenTracker = Callable[[TrackedRun], Tracker]
