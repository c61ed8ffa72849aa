"""Accelerators that are not there: what a compiler needs to know of them, and what a chip has."""

import dataclasses
import math
import os
from importlib import metadata
from typing import Any

from hwr_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Chip:
    """A kind of TPU chip."""

    hertz: float  # of its cores
    bandwidth: float  # bytes a second between a core and the chip's large memory
    chips_of_host: int  # most that one host has
    options: dict[str, Any] = dataclasses.field(default_factory=dict)  # for the compiler


# By Google's pages; the clock follows from the peak: so many products of 128 x 128 (v6e: 256 x 256) a cycle.
CHIPS = {
    "v4": Chip(1.05e9, 1.2e12, 4, {"chip_config_name": "megacore"}),  # else each chip is two devices
    "v5e": Chip(1.5e9, 0.82e12, 8),
    "v5p": Chip(1.75e9, 2.77e12, 4),
    "v6e": Chip(1.75e9, 1.64e12, 8),
}
GPUS = ("h100",)
KINDS = f"{', '.join(CHIPS)} with the chips of one host, such as v5e:1x1 or v5e:2x2, and {', '.join(GPUS)}"

# NVIDIA's data sheet of the H100 SXM5, in the words of XLA's GpuTargetConfigProto.
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024  threads_per_warp: 32  threads_per_core_limit: 2048
  shared_memory_per_block: 49152  shared_memory_per_core: 233472  shared_memory_per_block_optin: 232448
  registers_per_core_limit: 65536  registers_per_block_limit: 65536
  core_count: 132  fpus_per_core: 128  clock_rate_ghz: 1.98
  block_dim_limit_x: 2147483647  block_dim_limit_y: 65535  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000  l2_cache_size: 52428800  device_memory_size: 84978434048
  cuda_compute_capability { major: 9 }
}
platform_name: "CUDA"
dnn_version_info { major: 9  minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


@dataclasses.dataclass(frozen=True)
class Target:
    """What programs are compiled for."""

    devices: tuple[Any, ...]  # jax devices of a topology; no program can run on them
    chip: Chip | None  # None: a GPU


def prepare_environment(topology: str, code: str) -> None:
    """Sets what libtpu and XLA read when they are loaded. Call it before jax is imported.

    Machine code for TPUs is written into the folder `code`, as text.
    """
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # a program of a chip that is not there cannot be loaded
    if topology in GPUS:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_autotune_level=0"
    else:
        # Else libtpu asks a metadata server which TPU this is, and fails beside another process that has loaded it.
        os.environ |= {
            "TPU_SKIP_MDS_QUERY": "1",
            "TPU_ACCELERATOR_TYPE": "v5litepod-1",
            "TPU_WORKER_HOSTNAMES": "localhost",
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
            "LIBTPU_INIT_ARGS": f"{os.environ.get('LIBTPU_INIT_ARGS', '')} --xla_jf_dump_to={code}"
            " --xla_jf_dump_llo_text=true --xla_jf_dump_llo_pass_label_regex=final_bundles",
        }


def find_target(topology: str) -> Target:
    """The devices of "v5e:2x2" or "h100". Raises InputError: there is no such topology, or no compiler for it."""
    if topology in GPUS:
        return Target(_gpus(topology), None)
    kind, _, shape = topology.partition(":")
    sizes = shape.split("x")
    if kind not in CHIPS or not all(size.isdecimal() and int(size) for size in sizes) or len(sizes) > 3:
        raise InputError(f"--topology={topology}: not one of {KINDS}")
    chip, bounds = CHIPS[kind], [int(size) for size in sizes]
    bounds += [1] * (3 - len(bounds))
    if math.prod(bounds) > chip.chips_of_host:
        raise InputError(f"--topology={topology}: a host has at most {chip.chips_of_host} chips of {kind}")
    _require("libtpu", "pip install -e '.[tpu]' -c constraints.txt", topology)
    # v4 and v5p are cubes, the others are squares.
    name = f"{kind}:{'x'.join(map(str, bounds if kind in ('v4', 'v5p') else bounds[:2]))}"
    return Target(_describe(topology, "tpu", name, {"chips_per_host_bounds": tuple(bounds), **chip.options}), chip)


def _gpus(topology: str) -> tuple[Any, ...]:
    plugin = "pip install jax-cuda12-plugin jax-cuda12-pjrt nvidia-cuda-nvcc-cu12 -c constraints.txt"
    _require("jax-cuda12-plugin", plugin, topology)
    import logging

    import jax

    # With its first backend jax loads all plugins, and logs that this one finds no GPU.
    logging.disable(logging.CRITICAL)
    try:
        jax.devices()
    finally:
        logging.disable(logging.NOTSET)
    return _describe(topology, "cuda", topology, {"target_config": _H100, "topology": "1x1x1"})


def _describe(topology: str, platform: str, name: str, options: dict[str, Any]) -> tuple[Any, ...]:
    from jax.experimental import topologies

    try:
        return tuple(topologies.get_topology_desc(platform=platform, topology_name=name, **options).devices)
    except (RuntimeError, ValueError) as error:  # jax's own and NotImplementedError are RuntimeErrors.
        text = " ".join(str(error).split())
        raise InputError(f"--topology={topology}: the compiler knows no such ({text[:200]}); try {KINDS}") from error


def _require(package: str, install: str, topology: str) -> None:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        raise InputError(f"--topology={topology}: needs the package {package}: {install}") from None
