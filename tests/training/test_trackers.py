"""Trackers: what reaches them, TensorBoard's event files, and what comes of one that fails."""

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from hwr_jax.config import TrainingConfig
from hwr_jax.errors import InputError
from hwr_jax.training.tracker import TrackedRun
from hwr_jax.training.trackers import GuardedTrackers, TensorBoardTracker, find_trackers

PICTURE = np.zeros((2, 3, 3), np.uint8)


class Recorder:
    """Notes its calls, and fails from the given one on."""

    def __init__(self, fails_at=""):
        self.calls, self._fails_at = [], fails_at

    def _note(self, name, *values):
        self.calls.append((name, *values))
        if name == self._fails_at:
            raise ConnectionError(f"no route\nto {name}")

    def open(self, run):
        self._note("open", run.resume_step)
        return self

    def write_numbers(self, step, values):
        self._note("numbers", step, dict(values))

    def write_pictures(self, step, pictures):
        self._note("pictures", step, list(pictures))

    def close(self):
        self._note("close")


def track(run, warn, **recorders):
    trackers = GuardedTrackers({name: recorder.open for name, recorder in recorders.items()}, run, warn)
    trackers.write_numbers(4, {"train/loss": 1.5})
    trackers.write_pictures(4, lambda: {"validation/readings": PICTURE})
    trackers.write_numbers(8, {"train/loss": 1.0})
    trackers.close()


CALLS = [
    ("open", 3),
    ("numbers", 4, {"train/loss": 1.5}),
    ("pictures", 4, ["validation/readings"]),
    ("numbers", 8, {"train/loss": 1.0}),
    ("close",),
]


@pytest.mark.parametrize(("fails_at", "calls"), [("open", 1), ("numbers", 2), ("pictures", 3), ("close", 5)])
def test_a_tracker_that_fails_is_told_of_once_and_the_others_go_on(tmp_path, fails_at, calls):
    good, bad, warnings = Recorder(), Recorder(fails_at), []
    track(TrackedRun(tmp_path, {}, 3), warnings.append, bad=bad, good=good)
    assert good.calls == CALLS
    assert bad.calls == CALLS[:calls]
    assert warnings == [f"tracker bad failed and is left out from now on: no route to {fails_at}"]


def test_an_interrupt_is_not_held_back(tmp_path):
    def interrupted(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GuardedTrackers({"bad": interrupted}, TrackedRun(tmp_path, {}, 0), print)


def test_pictures_nobody_takes_are_not_drawn(tmp_path):
    trackers = GuardedTrackers({}, TrackedRun(tmp_path, {}, 0), print)
    trackers.write_pictures(1, lambda: pytest.fail("drawn"))


def test_the_id_of_a_run_stays(tmp_path):
    (tmp_path / "other").mkdir()
    first = TrackedRun(tmp_path, {}, 0).id
    assert TrackedRun(tmp_path, {}, 5).id == first != TrackedRun(tmp_path / "other", {}, 0).id
    assert len(first) == 16


def test_unknown_and_missing_trackers_are_one_line(monkeypatch):
    assert list(find_trackers(TrainingConfig(epochs=1.0).trackers)) == ["tensorboard"]
    with pytest.raises(InputError, match=r"training\.trackers: 'tensorbord'; did you mean 'tensorboard'"):
        find_trackers(["tensorbord"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"wandb is not installed; pip install 'hwr-jax\[wandb\]'"):
        find_trackers(["wandb"])


def events_in(workdir):
    """(step, name, number or width of a picture) of all event files, in their order."""
    seen = []
    for path in sorted(workdir.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            # A record: length, checksum of it, data, checksum of that.
            length = int.from_bytes(content[:8], "little")
            event = Event.FromString(content[12 : 12 + length])
            seen += [(event.step, value.tag, value.image.width or value.simple_value) for value in event.summary.value]
            content = content[16 + length :]
    return seen


def test_tensorboard_gets_numbers_and_pictures(tmp_path):
    tracker = TensorBoardTracker(TrackedRun(tmp_path, {}, 0))
    tracker.write_numbers(1, {"train/loss": 1.0})
    tracker.write_pictures(1, {"validation/readings": PICTURE})
    tracker.close()
    assert events_in(tmp_path) == [(1, "train/loss", 1.0), (1, "validation/readings", 3.0)]
