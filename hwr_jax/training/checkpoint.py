"""Checkpoints of a run, with Orbax: saved in one piece, checked when read, the best and the latest kept."""

import dataclasses
import errno
import hashlib
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import tensorstore
from orbax.checkpoint import checkpoint_managers

from hwr_jax.errors import InputError
from hwr_jax.nested import unflatten
from hwr_jax.training.state import TrainState

# One more than the latest, so that a damaged latest one does not cost the run.
LATEST_KEPT = 2

# What a checkpoint's metadata take on the disk, generously.
SMALL_FILES_BYTES = 200_000

# What the folder of a checkpoint is called while another of the same step is being saved.
_REPLACED = "replaced_"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Restored:
    """A checkpoint that was read."""

    step: int  # of the checkpoint
    state: Any  # nested dicts of numpy arrays, or a `TrainState` when a like one was asked for
    about: Mapping[str, Any]  # what was saved beside it: at least "config" and "alphabet"


class Checkpoints:
    """The folder `checkpoints/` of a run.

    A checkpoint holds the parameters, the rest of the training state, the resolved config, the alphabet and a SHA-256
    of all arrays. Saving runs in the background and appears under its final name only when complete.
    """

    def __init__(self, folder: Path, *, writable: bool = True, metric: str = "cer") -> None:
        """Opens (and, if writable, creates) the folder; only one process of a run may open it for writing.

        `metric` names what validation measures; the best checkpoint is that where it is lowest.
        """
        self.folder = folder.resolve()
        self._writable, self._metric = writable, metric
        if writable:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._settle_replaced()
        self._scores: dict[int, float] = {}
        self._manager = ocp.CheckpointManager(
            self.folder,
            options=ocp.CheckpointManagerOptions(
                create=False,
                read_only=not writable,
                preservation_policy=_Preservation(self._rank),
                save_decision_policy=checkpoint_managers.FixedIntervalPolicy(1),
                cleanup_tmp_directories=writable,
                enable_async_checkpointing=writable,
                multiprocessing_options=ocp.options.MultiprocessingOptions(
                    primary_host=jax.process_index(),
                    active_processes={jax.process_index()},
                    barrier_sync_key_prefix=f"process_{jax.process_index()}",
                ),
            ),
        )
        for step in self._manager.all_steps():
            if (score := self._read_score(step)) is not None:
                self._scores[step] = score

    def save(self, state: TrainState, about: Mapping[str, Any], score: float | None = None) -> None:
        """Saves a host copy of the state in the background.

        A step that is there already is left as it is; but where it was saved before its validation had ended, and now
        its score is known, the new checkpoint takes its place.

        To the JSON values of `about` the score, under its metric's name, and checksums are added. The checkpoint with
        the lowest score is kept as the best. Raises OSError: this or the one before could not be written (disk full).
        """
        step = int(state.step)
        there = step in self._manager.all_steps()
        if there and (score is None or step in self._scores):
            return
        self.wait()
        parameters, rest = _split(state)
        self._check_room(sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(state)))
        if there:
            (self.folder / str(step)).rename(self.folder / f"{_REPLACED}{step}")
            self._manager.reload()
        if score is not None:
            self._scores[step] = score
        described = {**about, self._metric: score}
        checksums = {
            "sha256": digest({"parameters": parameters, "rest": rest}),
            "about_sha256": _digest_of_json(described),
        }
        with self._writing():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    parameters=ocp.args.StandardSave(parameters),
                    rest=ocp.args.StandardSave(rest),
                    about=ocp.args.JsonSave({**described, **checksums}),
                ),
                force=True,
            )

    def restore_latest(self, like: TrainState) -> Restored | None:
        """The newest checkpoint that is whole, as a state of the same structure; None when there is none.

        Damaged ones are passed over with a warning that names them, and renamed, so that their steps can be saved anew.
        Raises InputError: the checkpoint's arrays have other shapes than `like`.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            restored = self._restore_whole(step)
            if restored is None:
                self._set_aside(step)
                continue
            return dataclasses.replace(restored, state=_join(restored.state, like, self.folder / str(step)))
        return None

    def restore(self, which: str = "best") -> Restored:
        """The "best" (lowest score; the latest where none was evaluated) or the "latest" whole checkpoint.

        Raises InputError: there is no whole checkpoint.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        if which == "best":
            steps.sort(key=self._rank)
        for step in steps:
            if (restored := self._restore_whole(step)) is not None:
                return restored
        raise InputError(
            f"{self.folder}: no whole checkpoint; train first, with hwr train --workdir={self.folder.parent}"
        )

    def close(self) -> None:
        """As `wait`; then no more can be saved."""
        self.wait()
        with self._writing():
            self._manager.close()

    def wait(self) -> None:
        """Waits until what is being saved is complete. Raises OSError if it could not be written."""
        with self._writing():
            self._manager.wait_until_finished()
        if self._writable:
            self._settle_replaced()

    def _check_room(self, state_bytes: int) -> None:
        """Raises OSError if the disk has no room: known beforehand it is one line, met by TensorStore a hundred."""
        if shutil.disk_usage(self.folder).free < 2 * state_bytes + SMALL_FILES_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            # TensorStore's way to say that the disk is full.
            if code := re.search(r"os_error_code='(\d+)'", str(error)):
                raise OSError(int(code[1]), os.strerror(int(code[1])), str(self.folder)) from error
            raise OSError(f"{self.folder}: checkpoint not saved: {_one_line(error)}") from error

    def _settle_replaced(self) -> None:
        """Removes checkpoints that another has replaced, and takes back those whose successor was never completed."""
        for replaced in self.folder.glob(f"{_REPLACED}*"):
            step = replaced.name.removeprefix(_REPLACED)
            if (self.folder / step).exists():
                shutil.rmtree(replaced)
            else:
                replaced.rename(self.folder / step)

    def _set_aside(self, step: int) -> None:
        """Not deleted: what cannot be read now may be readable tomorrow, or by other means."""
        number = 1
        while (aside := self.folder / f"damaged_{step}_{number}").exists():
            number += 1
        (self.folder / str(step)).rename(aside)
        self._scores.pop(step, None)
        self._manager.reload()

    def _rank(self, step: int) -> tuple[float, int]:
        """Ascending: lower score, then later step; those not evaluated come last."""
        return self._scores.get(step, math.inf), -step

    def _read_score(self, step: int) -> float | None:
        try:
            about = self._manager.restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore()))["about"]
            return float(about[self._metric])
        except Exception:  # Damaged, which is reported when it is to be restored; or it was not evaluated.
            return None

    def _restore_whole(self, step: int) -> Restored | None:
        """The checkpoint, or None (and a warning) if a part is missing, unreadable or not what was saved."""
        try:
            for part in ("parameters", "rest"):
                _read_through(self.folder / str(step) / part)
            items = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    parameters=ocp.args.StandardRestore(),
                    rest=ocp.args.StandardRestore(),
                    about=ocp.args.JsonRestore(),
                ),
            )
            state = {"parameters": items["parameters"], "rest": items["rest"]}
            about = dict(items["about"])
            whole = about.pop("sha256") == digest(state) and about.pop("about_sha256") == _digest_of_json(about)
            about.pop(self._metric, None)
            reason = "it does not hold what was saved"
        except Exception as error:  # Orbax and TensorStore raise many kinds for damaged files.
            whole, reason = False, _one_line(error)
        if not whole:
            log.warning("checkpoint %s is damaged and passed over: %s", self.folder / str(step), reason)
            return None
        return Restored(step, jax.tree.map(np.asarray, state), about)


def saved_part(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Of `Restored.state` what lies below a dotted name ("collections."), nested; {} if there is nothing."""
    rest = state["rest"]
    return unflatten({name.removeprefix(prefix): rest[name] for name in rest if name.startswith(prefix)}, ".")


def evaluated_of_saved(saved: Mapping[str, Any]) -> Any:
    """`hwr_jax.training.optimizer.evaluated_parameters` of `Restored.state`."""
    return saved_part(saved, "optimizer.average.") or saved["parameters"]


def digest(tree: Any) -> str:
    """SHA-256 over names, types, shapes and bytes of all arrays of a nested dict, whatever its order."""
    sha256 = hashlib.sha256()
    for path, leaf in sorted(_flatten(tree).items()):
        array = np.asarray(leaf)
        sha256.update(f"{path} {array.dtype} {array.shape};".encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()


def _read_through(folder: Path) -> None:
    """Reads all arrays' bytes once, one after the other.

    Orbax reads them all at once: when one fails, each of the others prints a traceback about a closed event loop.
    Raises ValueError: a file is missing or damaged.
    """
    store = tensorstore.KvStore.open({"driver": "ocdbt", "base": {"driver": "file", "path": f"{folder}/"}}).result()
    names = store.list().result()
    if not names:
        raise ValueError(f"no arrays in {folder.name}")
    for name in names:
        store.read(name).result()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _digest_of_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass
class _Preservation(checkpoint_managers.PreservationPolicy):
    """Keeps the latest and the best. Orbax's own metrics are no help: a damaged file of them stops it altogether."""

    rank: Callable[[int], tuple[float, int]]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        steps = sorted(info.step for info in checkpoints)
        kept = {*steps[-LATEST_KEPT:], min(steps, key=self.rank)}
        return [info.step in kept for info in checkpoints]


def _flatten(tree: Any) -> dict[str, Any]:
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _split(state: TrainState) -> tuple[Any, dict[str, Any]]:
    """Parameters, and all else as a flat dict (the optimizer's named tuples come back as plain dicts otherwise)."""
    rest = _flatten(_rest(state))
    return state.parameters, {name.replace("/", "."): np.asarray(leaf) for name, leaf in rest.items()}


def _rest(state: TrainState) -> dict[str, Any]:
    names = ("step", "optimizer", "totals", "collections")
    return {name: getattr(state, name) for name in names}


def _join(saved: Mapping[str, Any], like: TrainState, where: Path) -> TrainState:
    parameters, rest = _split(like)
    # Sums of terms are younger than the first checkpoints: one term alone is the loss, others count from here on.
    terms = [name for name in rest if name.startswith("totals.terms.")]
    for name in set(terms) - saved["rest"].keys():
        saved["rest"][name] = saved["rest"]["totals.loss"] if len(terms) == 1 else rest[name]
    for part, expected in (("parameters", parameters), ("rest", rest)):
        have, want = _flatten(saved[part]), _flatten(expected)
        for name in sorted(have.keys() | want.keys()):
            if name not in have or name not in want or have[name].shape != want[name].shape:
                shapes = [f"{tree[name].shape}" if name in tree else "none" for tree in (have, want)]
                raise InputError(
                    f"{where}: {name} is {shapes[0]} there and {shapes[1]} in the config; give the config it was "
                    "trained with, or another --workdir"
                )
    paths, structure = jax.tree_util.tree_flatten_with_path(_rest(like))
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in paths]
    rebuilt = jax.tree.unflatten(structure, [saved["rest"][name] for name in names])
    return TrainState(parameters=saved["parameters"], **rebuilt)
