"""Checkpoints: bit for bit, the best and the latest kept, and nothing damaged believed."""

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from hwr_jax.config import OptimizerConfig
from hwr_jax.errors import InputError
from hwr_jax.training.checkpoint import Checkpoints, digest, saved_part
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.state import TrainState

ABOUT = {"config": {"model": {"conv_features": [4, 4], "dropout": 0.2}}, "alphabet": "abcä"}


def at_step(state: TrainState, step: int) -> TrainState:
    """A state that differs from that of any other step in every leaf."""
    rng = np.random.default_rng(step)
    other = jax.tree.map(lambda leaf: rng.normal(size=np.shape(leaf)).astype(np.asarray(leaf).dtype), state)
    return other.replace(step=np.array(step, dtype=np.int32))


def save_all(folder: Path, state: TrainState, cers: dict[int, float | None]) -> None:
    checkpoints = Checkpoints(folder)
    for step, cer in cers.items():
        checkpoints.save(at_step(state, step), ABOUT, cer)
        checkpoints.wait()
    checkpoints.close()


def steps_in(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def assert_same(state: TrainState, expected: TrainState) -> None:
    assert jax.tree.structure(state) == jax.tree.structure(expected)

    def same(a: np.ndarray, b: np.ndarray) -> None:
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)

    jax.tree.map(same, state, expected)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_state) -> Path:
    """Three checkpoints: 20 is the best, 40 the latest."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    save_all(folder, tiny_state, {10: 0.5, 20: 0.1, 30: 0.3, 40: None})
    return folder


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "checkpoints"))


def test_a_state_comes_back_bit_for_bit(saved, tiny_state):
    checkpoints = Checkpoints(saved, writable=False)
    restored = checkpoints.restore("latest")
    checkpoints.close()
    assert (restored.step, restored.about) == (40, ABOUT)
    assert_same(restored.state["parameters"], at_step(tiny_state, 40).parameters)


def test_a_resumed_state_has_the_structure_of_the_new_one(copy, tiny_state):
    checkpoints = Checkpoints(copy)
    restored = checkpoints.restore_latest(tiny_state)
    checkpoints.close()
    assert_same(restored.state, at_step(tiny_state, 40))


def test_the_first_state_survives_too(tmp_path, tiny_state):
    # With values no random draw gives: denormal, negative zero, the largest.
    odd = jax.tree.map(np.array, tiny_state)
    odd.parameters["dense1"]["bias"][:3] = [1e-42, -0.0, np.finfo(np.float32).max]
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(odd, ABOUT)
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    restored = checkpoints.restore_latest(tiny_state)
    checkpoints.close()
    assert_same(restored.state, odd)
    assert np.signbit(restored.state.parameters["dense1"]["bias"][1])


def test_other_collections_come_back_too(tmp_path, tiny_state):
    statistics = {"norm": {"mean": np.arange(3.0, dtype=np.float32), "var": np.ones(3, np.float32)}}
    state = tiny_state.replace(collections={"batch_stats": statistics})
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(state, ABOUT)
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert_same(checkpoints.restore_latest(state).state, state)
    saved = saved_part(checkpoints.restore().state, "collections.")
    checkpoints.close()
    jax.tree.map(np.testing.assert_array_equal, saved, {"batch_stats": statistics})


def test_an_empty_folder_has_nothing_to_resume(tmp_path, tiny_state):
    checkpoints = Checkpoints(tmp_path / "new" / "checkpoints")
    assert checkpoints.restore_latest(tiny_state) is None
    with pytest.raises(InputError, match="no whole checkpoint; train first"):
        checkpoints.restore()
    checkpoints.close()


def test_the_best_and_the_latest_two_are_kept(saved):
    assert steps_in(saved) == [20, 30, 40]


def test_the_best_is_known_to_other_processes_and_kept_over_resumes(copy, tiny_state):
    for step, cer in ((50, 0.2), (60, None)):
        checkpoints = Checkpoints(copy)
        assert checkpoints.restore("best").step == 20
        checkpoints.save(at_step(tiny_state, step), ABOUT, cer)
        checkpoints.close()
    assert steps_in(copy) == [20, 50, 60]
    save_all(copy, tiny_state, {70: 0.1})
    checkpoints = Checkpoints(copy, writable=False)
    assert checkpoints.restore("best").step == 70, "of equals the later"
    assert checkpoints.restore("latest").step == 70
    checkpoints.close()


def test_without_an_evaluation_the_best_is_the_latest(tmp_path, tiny_state):
    save_all(tmp_path / "checkpoints", tiny_state, {1: None, 2: None, 3: None})
    assert steps_in(tmp_path / "checkpoints") == [2, 3]
    checkpoints = Checkpoints(tmp_path / "checkpoints", writable=False)
    assert checkpoints.restore("best").step == 3
    checkpoints.close()


def test_a_step_that_is_there_stays_as_it_is(copy, tiny_state):
    checkpoints = Checkpoints(copy)
    checkpoints.save(at_step(tiny_state, 41).replace(step=np.int32(40)), ABOUT)
    checkpoints.save(at_step(tiny_state, 31).replace(step=np.int32(30)), ABOUT, 0.01)
    assert checkpoints.restore("best").step == 20, "30 has its CER already"
    assert_same(checkpoints.restore_latest(tiny_state).state, at_step(tiny_state, 40))
    checkpoints.close()


def test_a_step_that_was_saved_before_its_validation_ended_gets_its_cer(copy, tiny_state):
    validated = at_step(tiny_state, 40).replace(totals=tiny_state.totals)
    checkpoints = Checkpoints(copy)
    checkpoints.save(validated, ABOUT, 0.05)
    checkpoints.save(at_step(tiny_state, 50), ABOUT, 0.2)
    checkpoints.close()
    assert sorted(path.name for path in copy.iterdir()) == ["40", "50"], "20 is no longer the best"
    shutil.rmtree(copy / "50")
    checkpoints = Checkpoints(copy)
    assert checkpoints.restore("best").step == 40
    assert_same(checkpoints.restore_latest(tiny_state).state, validated)
    checkpoints.close()


def test_a_checkpoint_whose_successor_was_not_completed_comes_back(copy, tiny_state):
    (copy / "40").rename(copy / "replaced_40")
    checkpoints = Checkpoints(copy)
    assert_same(checkpoints.restore_latest(tiny_state).state, at_step(tiny_state, 40))
    checkpoints.close()
    assert steps_in(copy) == [20, 30, 40]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


# Without these a checkpoint cannot be read. What else Orbax leaves there is not needed for it.
NEEDED = {
    "array data": "parameters/d/*",
    "array index": "parameters/manifest.ocdbt",
    "array names": "rest/_METADATA",
    "config and alphabet": "about/metadata",
}


@pytest.mark.parametrize("part", NEEDED)
@pytest.mark.parametrize("damage", [truncate, empty, flip_a_bit, Path.unlink], ids=lambda f: f.__name__)
def test_a_damaged_checkpoint_is_passed_over(
    copy, tiny_state, part: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
):
    [path] = (copy / "40").glob(NEEDED[part])
    damage(path)
    with caplog.at_level(logging.WARNING, "hwr_jax"):
        checkpoints = Checkpoints(copy)
        restored = checkpoints.restore_latest(tiny_state)
    assert_same(restored.state, at_step(tiny_state, 30))
    [warning] = [record.getMessage() for record in caplog.records if record.name.startswith("hwr_jax")]
    assert warning.startswith(f"checkpoint {copy / '40'} is damaged and passed over: ")
    # The run goes on and comes to step 40 again.
    checkpoints.save(at_step(tiny_state, 40), ABOUT)
    checkpoints.close()
    checkpoints = Checkpoints(copy)
    assert_same(checkpoints.restore_latest(tiny_state).state, at_step(tiny_state, 40))
    checkpoints.close()


# A wrong name makes Orbax look for an array that is not there, while it reads the others; they complain.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_any_file_may_be_damaged_and_nothing_false_is_restored(saved, tmp_path, tiny_state):
    files = sorted(path.relative_to(saved) for path in (saved / "40").rglob("*") if path.is_file())
    assert len(files) > 10
    for number, file in enumerate(files):
        folder = Path(shutil.copytree(saved, tmp_path / str(number)))
        flip_a_bit(folder / file)
        checkpoints = Checkpoints(folder)
        restored = checkpoints.restore_latest(tiny_state)
        checkpoints.close()
        assert restored.step in (40, 30), file
        assert_same(restored.state, at_step(tiny_state, restored.step))


def test_every_bit_of_the_description_counts(copy, tiny_state, caplog):
    about = copy / "40" / "about" / "metadata"
    text = about.read_text(encoding="utf-8")
    for old, new in (("0.2", "0.3"), ("abc", "abd"), ("conv", "Conv")):
        assert old in text
        about.write_text(text.replace(old, new), encoding="utf-8")
        checkpoints = Checkpoints(copy, writable=False)
        assert checkpoints.restore("latest").step == 30, old
        checkpoints.close()
    assert "does not hold what was saved" in caplog.text


def test_a_damaged_checkpoint_is_kept_for_a_closer_look(copy, tiny_state):
    for name in ("damaged_40_1", "damaged_40_2"):
        truncate(copy / "40" / "about" / "metadata")
        checkpoints = Checkpoints(copy)
        checkpoints.restore_latest(tiny_state)
        checkpoints.save(at_step(tiny_state, 40), ABOUT)
        checkpoints.close()
        assert (copy / name / "about" / "metadata").exists()


def test_reading_leaves_a_damaged_checkpoint_where_it_is(copy):
    truncate(copy / "40" / "about" / "metadata")
    checkpoints = Checkpoints(copy, writable=False)
    assert checkpoints.restore("latest").step == 30
    checkpoints.close()
    assert steps_in(copy) == [20, 30, 40]


def test_a_damaged_best_gives_way_to_the_next_best(copy):
    (copy / "20" / "rest" / "manifest.ocdbt").unlink()
    checkpoints = Checkpoints(copy, writable=False)
    assert checkpoints.restore("best").step == 30
    checkpoints.close()


def test_only_damaged_ones_are_no_checkpoint(copy, tiny_state):
    for step in steps_in(copy):
        empty(copy / str(step) / "parameters" / "_METADATA")
    checkpoints = Checkpoints(copy)
    with pytest.raises(InputError, match=r"no whole checkpoint; train first, with hwr train --workdir="):
        checkpoints.restore()
    assert checkpoints.restore_latest(tiny_state) is None
    checkpoints.close()


def test_a_half_written_checkpoint_is_ignored_and_removed(copy, tiny_state):
    half = copy / "50.orbax-checkpoint-tmp"
    shutil.copytree(copy / "40", half)
    (half / "about" / "metadata").unlink()
    checkpoints = Checkpoints(copy, writable=False)
    assert checkpoints.restore("latest").step == 40
    checkpoints.close()
    assert half.exists()
    checkpoints = Checkpoints(copy)
    assert checkpoints.restore_latest(tiny_state).step == 40
    checkpoints.close()
    # Orbax removes it in a thread of its own.
    deadline = time.monotonic() + 20
    while half.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not half.exists()


def test_arrays_of_another_shape_are_named(copy, tiny_state):
    like = jax.tree.map(lambda leaf: leaf, tiny_state)
    like.parameters["dense1"]["kernel"] = np.zeros((3, 3), np.float32)
    checkpoints = Checkpoints(copy)
    with pytest.raises(
        InputError, match=r"40: dense1/kernel is \(16, 8\) there and \(3, 3\) in the config; give"
    ) as told:
        checkpoints.restore_latest(like)
    assert "\n" not in str(told.value)
    checkpoints.close()
    assert steps_in(copy) == [20, 30, 40]


def test_another_optimizer_is_named(copy, tiny_state):
    plain = build_optimizer(OptimizerConfig(warmup_steps=2), total_steps=10)
    checkpoints = Checkpoints(copy)
    with pytest.raises(InputError, match=r"optimizer\.\S+ is none there and \S+ in the config"):
        checkpoints.restore_latest(tiny_state.replace(optimizer=plain.init(tiny_state.parameters)))
    checkpoints.close()


def test_digest_changes_with_every_leaf_and_name_alone():
    tree = {"a": {"x": np.arange(6.0).reshape(2, 3), "y": np.array(1, np.int32)}, "b": np.zeros(2, np.float32)}
    assert digest(tree) == digest(dict(reversed(list(jax.tree.map(np.copy, tree).items()))))
    others = [
        {**tree, "b": np.zeros(3, np.float32)},
        {**tree, "b": np.zeros(2, np.float64)},
        {**tree, "b": np.array([0, 1e-45], np.float32)},
        {**tree, "b": np.array([0, -0.0], np.float32)},
        {"a": tree["a"], "c": tree["b"]},
        {"a": tree["a"]},
        {**tree, "a": {**tree["a"], "x": tree["a"]["x"].reshape(3, 2)}},
        {**tree, "a": {**tree["a"], "y": np.array(2, np.int32)}},
        {**tree, "a": {"y": tree["a"]["x"], "x": tree["a"]["y"]}},
    ]
    assert len({digest(other) for other in [tree, *others]}) == 1 + len(others)


FILL_THE_DISK = """
import json, resource, sys
from pathlib import Path
import numpy as np
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.state import TrainState, zero_totals
state = TrainState(step=np.array(1, np.int32), parameters={"w": np.ones(9000, np.float32)}, optimizer=(),
                   totals=zero_totals())
state = state.replace(parameters={"w": np.random.default_rng(0).normal(size=9000).astype(np.float32)})
checkpoints = Checkpoints(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    checkpoints.save(state, {"config": {}, "alphabet": "ab"})
    checkpoints.wait()
except OSError as error:
    print(json.dumps(["OSError", error.strerror, error.filename]))
"""


def test_a_disk_that_takes_no_more_is_an_os_error(tmp_path, repository):
    # The largest file size stands in for a full disk.
    folder = tmp_path / "checkpoints"
    ran = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(folder)], capture_output=True, text=True, cwd=repository, timeout=120
    )
    assert ran.stdout, ran.stderr[-2000:]
    assert json.loads(ran.stdout) == ["OSError", "File too large", str(folder)]
    assert steps_in(folder) == []
