"""One training step over one device or many: jit, pmap, or jit over a mesh. The only file that knows which."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from hwr_jax.data.pipeline import Batch
from hwr_jax.errors import InputError
from hwr_jax.training.step import DeviceBatch, Step

AXIS = "devices"
MakeStep = Callable[[str | None], Step]


@dataclasses.dataclass(frozen=True)
class Placement:
    """How a run's program lies on the devices.

    Attributes:
      kind: "jit", "pmap" or "mesh".
      step: runs one step; it consumes the state it is given.
      place: a state or a part of one, the same in every process, from the host to the devices.
      place_batch: this process's share of a batch to its devices.
      fetch: one copy of a state, or of a part of one, as numpy arrays.
    """

    kind: str
    step: Step
    place: Callable[[Any], Any]
    place_batch: Callable[[Batch], DeviceBatch]
    fetch: Callable[[Any], Any]


def choose_kind(parallel: str) -> str:
    """The kind for `training.parallel`: "auto" is jit on one device and pmap on several."""
    if parallel != "auto":
        return parallel
    return "pmap" if jax.device_count() > 1 else "jit"


def make_placement(parallel: str, make_step: MakeStep, batch_size: int) -> Placement:
    """Places a step on the devices.

    Args:
      parallel: "auto", "jit", "pmap" or "mesh".
      make_step: given the name of the axis over devices (or None), returns the step.
      batch_size: of the global batch.

    Raises:
      InputError: the batch cannot be divided evenly, or jit is asked for with several processes.
    """
    kind = choose_kind(parallel)
    if kind == "jit" and jax.process_count() > 1:
        raise InputError("training.parallel: jit runs on one device; with several processes use pmap or mesh")
    if kind != "jit" and batch_size % jax.device_count():
        raise InputError(f"data.batch_size: {batch_size} cannot be divided evenly over {jax.device_count()} devices")
    return {"jit": _jit_placement, "pmap": _pmap_placement, "mesh": _mesh_placement}[kind](make_step)


def _jit_placement(make_step: MakeStep) -> Placement:
    return Placement("jit", jax.jit(make_step(None), donate_argnums=0), jax.device_put, jax.device_put, jax.device_get)


def _pmap_placement(make_step: MakeStep) -> Placement:
    local = jax.local_device_count()
    # The state lies once on every device, along a leading axis; the batch is divided along one.
    copies = np.zeros(local, dtype=np.int8)
    replicate = jax.pmap(lambda tree, _: tree, axis_name=AXIS, in_axes=(None, 0))

    def place_batch(batch: Batch) -> Any:
        return {name: value.reshape(local, -1, *value.shape[1:]) for name, value in batch.items()}

    return Placement(
        "pmap",
        jax.pmap(make_step(AXIS), axis_name=AXIS, donate_argnums=0),
        lambda tree: replicate(tree, copies),
        place_batch,
        lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data)[0], tree),
    )


def _mesh_placement(make_step: MakeStep) -> Placement:
    # make_mesh's default axes are Explicit, under which the scans of optax.ctc_loss fail.
    mesh: Mesh = jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))
    everywhere, divided = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))

    def place(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(everywhere, np.asarray(leaf)), tree)

    def place_batch(batch: Batch) -> DeviceBatch:
        return {name: jax.make_array_from_process_local_data(divided, value) for name, value in batch.items()}

    return Placement(
        "mesh",
        jax.jit(make_step(None), donate_argnums=0, in_shardings=(everywhere, divided), out_shardings=everywhere),
        place,
        place_batch,
        lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data), tree),
    )
