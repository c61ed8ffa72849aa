"""Where a run's numbers and pictures go beside metrics.jsonl, an open part: a table chooses trackers by name."""

import functools
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence

from hwr_jax.errors import InputError
from hwr_jax.messages import suggest
from hwr_jax.training.tracker import OpenTracker, Pictures, TrackedRun, Tracker
from hwr_jax.training.tracking_services import MlflowTracker, TrackioTracker, WandbTracker

# tensorboardX imports torch where it is installed, which takes seconds and serves nothing here.
_torch = sys.modules.get("torch")
sys.modules["torch"] = None  # type: ignore[assignment]
try:
    from tensorboardX import SummaryWriter
finally:
    del sys.modules["torch"]
    if _torch is not None:
        sys.modules["torch"] = _torch


class TensorBoardTracker:
    """Writes event files into the run's folder. Those of steps after the one resumed from are void."""

    def __init__(self, run: TrackedRun) -> None:
        self._events = SummaryWriter(str(run.workdir), purge_step=run.resume_step + 1, flush_secs=1)

    def write_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """As scalars."""
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def write_pictures(self, step: int, pictures: Pictures) -> None:
        """As images."""
        for name, picture in pictures.items():
            self._events.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Writes what is waiting."""
        self._events.close()


TRACKERS: dict[str, OpenTracker] = {
    "tensorboard": TensorBoardTracker,
    "wandb": WandbTracker,
    "mlflow": MlflowTracker,
    "trackio": TrackioTracker,
}
_COME_WITH_THE_PACKAGE = ("tensorboard",)


def find_trackers(names: Sequence[str]) -> dict[str, OpenTracker]:
    """What opens the trackers of these names. Raises InputError: an unknown name, or a package that is missing."""
    for name in names:
        if name not in TRACKERS:
            raise InputError(f"training.trackers: {name!r}; {suggest(name, sorted(TRACKERS), 'the trackers are')}")
        if name not in _COME_WITH_THE_PACKAGE and importlib.util.find_spec(name) is None:
            raise InputError(f"training.trackers: {name} is not installed; pip install 'hwr-jax[{name}]'")
    return {name: TRACKERS[name] for name in names}


class GuardedTrackers:
    """All trackers of a run. One that fails is told of once and left out from then on: no run ends for a tracker."""

    def __init__(self, openers: Mapping[str, OpenTracker], run: TrackedRun, warn: Callable[[str], None]) -> None:
        """Opens them; `warn` gets a line about each that fails."""
        self._warn = warn
        self._trackers: dict[str, Tracker] = {}
        for name, opener in openers.items():
            self._try(name, functools.partial(self._open, name, opener, run))

    def write_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Passes on the numbers of a line of metrics."""
        self._each(lambda tracker: tracker.write_numbers(step, values))

    def write_pictures(self, step: int, draw: Callable[[], Pictures]) -> None:
        """Passes on pictures, which are drawn only where there is someone to take them."""
        if self._trackers and (pictures := draw()):
            self._each(lambda tracker: tracker.write_pictures(step, pictures))

    def close(self) -> None:
        """Closes all."""
        self._each(lambda tracker: tracker.close())
        self._trackers.clear()

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            self._try(name, functools.partial(call, tracker))

    def _open(self, name: str, opener: OpenTracker, run: TrackedRun) -> None:
        self._trackers[name] = opener(run)

    def _try(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # Whatever a service may raise.
            self._trackers.pop(name, None)
            why = " ".join(str(error).split()) or type(error).__name__
            self._warn(f"tracker {name} failed and is left out from now on: {why}")
