"""Training steps over one device or many: jit, pmap, or jit over a mesh. The only file that knows which."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from hwr_jax.data.pipeline import Batch, Samples
from hwr_jax.errors import InputError
from hwr_jax.training.step import DeviceBatch, Step, Steps, make_steps

AXIS = "devices"
MakeStep = Callable[[str | None], Step]


@dataclasses.dataclass(frozen=True)
class Placement:
    """How a run's program lies on the devices."""

    kind: str  # "jit", "pmap" or "mesh"
    steps: Steps  # runs one or more steps; it consumes the state it is given
    place: Callable[[Any], Any]  # a state or another tree, the same in every process, from the host to the devices
    place_batches: Callable[[Batch], DeviceBatch]  # this process's share of stacked batches to its devices
    fetch: Callable[[Any], Any]  # one copy of a state, or of a part of one, as numpy arrays


def choose_kind(parallel: str) -> str:
    """The kind for `training.parallel`: "auto" is jit on one device and pmap on several."""
    if parallel != "auto":
        return parallel
    return "pmap" if jax.device_count() > 1 else "jit"


def make_placement(
    parallel: str, make_step: MakeStep, batch_size: int, devices: Sequence[jax.Device] | None = None
) -> Placement:
    """Places a step on the devices, for `training.parallel` and the size of the global batch.

    `make_step` is given the name of the axis over devices, or None, and returns the step. `devices` are those of pmap
    and mesh; None: all there are. Raises InputError: the batch cannot be divided evenly, or jit is asked for with
    several processes.
    """
    kind = choose_kind(parallel)
    if kind == "jit" and jax.process_count() > 1:
        raise InputError("training.parallel: jit runs on one device; with several processes use pmap or mesh")
    count = len(devices) if devices else jax.device_count()
    if kind != "jit" and batch_size % count:
        raise InputError(f"data.batch_size: {batch_size} cannot be divided evenly over {count} devices")
    return {"jit": _jit_placement, "pmap": _pmap_placement, "mesh": _mesh_placement}[kind](make_step, devices)


def keep_on_device(samples: Samples, on_device: str, steps_per_dispatch: int) -> bool:
    """Whether the samples are to lie on the devices, for `data.on_device`: see `hwr_jax.config.DataConfig`."""
    if on_device != "auto":
        return on_device == "yes"
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return steps_per_dispatch > 1
    limit = (device.memory_stats() or {}).get("bytes_limit", 0)
    return sum(array.nbytes for array in samples.values()) <= limit / 2


def _jit_placement(make_step: MakeStep, _: Sequence[jax.Device] | None) -> Placement:
    steps = jax.jit(make_steps(make_step(None)), donate_argnums=0)
    return Placement("jit", steps, jax.device_put, jax.device_put, jax.device_get)


def _pmap_placement(make_step: MakeStep, devices: Sequence[jax.Device] | None) -> Placement:
    local = len(devices) if devices else jax.local_device_count()
    # The state lies once on every device, along a leading axis; the batch is divided along one.
    copies = np.zeros(local, dtype=np.int8)
    replicate = jax.pmap(lambda tree, _: tree, axis_name=AXIS, in_axes=(None, 0), devices=devices)

    def place_batches(batches: Batch) -> Any:
        def divide(value_KxB: np.ndarray) -> np.ndarray:
            parts = value_KxB.reshape(value_KxB.shape[0], local, -1, *value_KxB.shape[2:])
            return np.ascontiguousarray(parts.swapaxes(0, 1))

        return {name: divide(value) for name, value in batches.items()}

    return Placement(
        "pmap",
        jax.pmap(make_steps(make_step(AXIS)), axis_name=AXIS, donate_argnums=0, devices=devices),
        lambda tree: replicate(tree, copies),
        place_batches,
        lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data)[0], tree),
    )


def _mesh_placement(make_step: MakeStep, devices: Sequence[jax.Device] | None) -> Placement:
    count = len(devices) if devices else jax.device_count()
    # make_mesh's default axes are Explicit, under which the scans of optax.ctc_loss fail. Every device computes its
    # share by itself, as with pmap: the partitioner divides no kernels, neither those of CPUs nor of TPUs.
    mesh: Mesh = jax.make_mesh((count,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)
    everywhere, divided = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(None, AXIS))

    def place(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(everywhere, np.asarray(leaf)), tree)

    def place_batches(batches: Batch) -> DeviceBatch:
        return {name: jax.make_array_from_process_local_data(divided, value) for name, value in batches.items()}

    return Placement(
        "mesh",
        jax.jit(
            jax.shard_map(
                make_steps(make_step(AXIS)),
                mesh=mesh,
                in_specs=(everywhere.spec, everywhere.spec, divided.spec),
                out_specs=everywhere.spec,
                check_vma=False,
            ),
            donate_argnums=0,
            in_shardings=(everywhere, everywhere, divided),
            out_shardings=everywhere,
        ),
        place,
        place_batches,
        lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data), tree),
    )
