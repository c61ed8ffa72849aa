"""Several processes that train one run: how they find each other, start together and end together."""

import atexit
import dataclasses
import inspect
import json
import os
import secrets
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.training.watch import SILENCE_SECONDS, Loss, Watch

# jax's own look-out ends a run too, less politely: it is left to what the watch cannot see.
_HEARTBEAT_SECONDS = int(SILENCE_SECONDS) + 20
# Processes that have trained wait here for process 0, which evaluates.
_SHUTDOWN_SECONDS = 24 * 3600
# A collective that fails since another process died does so a moment before, or after, the watch knows which.
_NEWS_SECONDS = 10
# Process 0 lasts so much longer: without it jax ends the others before they have said why.
_FAREWELL_SECONDS = 2
_METADATA_SECONDS = 3
_ADDRESS_BYTES = 1024


@dataclasses.dataclass(frozen=True)
class Processes:
    """Which processes train together."""

    coordinator: str  # HOST:PORT of process 0; "auto" where jax finds all three by itself
    count: int = 0  # of all processes, 0 for "auto"
    index: int = 0  # of this one, from 0
    # Indices of the GPUs that are this process's; None leaves the choice to jax
    local_devices: tuple[int, ...] | None = None


def find_processes(
    coordinator: str | None, count: int | None, index: int | None, environment: Mapping[str, str]
) -> Processes | None:
    """Which processes train together: what the flags say, or else the environment; None for one process alone.

    The environment speaks by JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID; as a Slurm step of several
    tasks; by TPU_WORKER_HOSTNAMES (GKE); or, where libtpu is installed, by the machine's metadata (TPU VMs). Raises
    InputError: one of the three is missing or wrong.
    """
    given = coordinator or environment.get("JAX_COORDINATOR_ADDRESS")
    if given == "auto" or (not given and _is_one_of_several(environment)):
        if count is not None or index is not None:
            raise InputError("--num_processes and --process_id: --coordinator=auto finds them itself; leave them out")
        return Processes("auto", local_devices=_local_devices(environment))
    count = _number("JAX_NUM_PROCESSES", environment) if count is None and given else count
    index = _number("JAX_PROCESS_ID", environment) if index is None and given else index
    if not given:
        if count is not None or index is not None:
            raise InputError("--num_processes and --process_id need --coordinator=HOST:PORT")
        return None
    host, _, port = given.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--coordinator={given}: is not HOST:PORT")
    if not count or index is None or not 0 <= index < count:
        raise InputError("--coordinator needs --num_processes=N and --process_id from 0 to N - 1")
    return Processes(given, count, index)


@contextmanager
def joined(processes: Processes, tell_loss: Callable[[str], None]) -> Iterator[None]:
    """While it lasts, this process is one of several: where another dies or fails, this one ends too.

    `tell_loss` is given one line on the process that is gone, from another thread; then this one exits with 1. Raises
    InputError where the processes did not come together.
    """
    _initialize(processes)
    if jax.process_count() == 1:
        yield
        return

    def end(loss: Loss) -> None:
        _last_of_all()
        # After the wait, in which the main thread may have had its own, lesser word.
        tell_loss(f"{loss}; the others stop with it, and the same commands go on from the last checkpoint")
        sys.stdout.flush()
        os._exit(1)

    watch = _start_watch(processes, end)
    try:
        yield
    except BaseException as error:
        if isinstance(error, jax.errors.JaxRuntimeError):
            time.sleep(_NEWS_SECONDS)  # Does not come back if another process is the cause.
        watch.fail(" ".join(str(error).split())[:300] or type(error).__name__)
        # jax would wait at exit for processes that have stopped.
        atexit.register(_exit_now)
        raise
    watch.close()


def read_metadata(name: str, environment: Mapping[str, str]) -> str:
    """An attribute of this machine, from the metadata server of Google's cloud; "" where there is none."""
    host = environment.get("GCE_METADATA_IP", "metadata.google.internal")
    request = urllib.request.Request(
        f"http://{host}/computeMetadata/v1/instance/attributes/{name}", headers={"Metadata-Flavor": "Google"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_METADATA_SECONDS) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def _initialize(processes: Processes) -> None:
    """jax.distributed.initialize, with errors as InputError."""
    arguments: dict[str, Any] = {
        "coordinator_address": None if processes.coordinator == "auto" else processes.coordinator,
        "num_processes": processes.count or None,
        "process_id": None if processes.coordinator == "auto" else processes.index,
        "local_device_ids": processes.local_devices,
        "heartbeat_timeout_seconds": _HEARTBEAT_SECONDS,
        "shutdown_timeout_seconds": _SHUTDOWN_SECONDS,
    }
    # Older versions of jax lack the last two.
    known = inspect.signature(jax.distributed.initialize).parameters
    try:
        jax.distributed.initialize(**{name: value for name, value in arguments.items() if name in known})
    except (RuntimeError, ValueError, OSError) as error:
        where = f"process {processes.index} of {processes.count} " if processes.count else ""
        reason = " ".join(str(error).split())
        raise InputError(f"--coordinator={processes.coordinator}: {where}did not join the others: {reason}") from error


def _start_watch(processes: Processes, end: Callable[[Loss], None]) -> Watch:
    """A watch of all processes; its address travels through jax, which all have reached."""
    from jax.experimental import multihost_utils

    index, count = jax.process_index(), jax.process_count()
    message = np.zeros(_ADDRESS_BYTES, np.uint8)
    watch = None
    if index == 0:
        watch = Watch.serve(count, secrets.token_hex(16), end)
        hosts = [*([processes.coordinator.rpartition(":")[0]] if processes.count else []), *_own_addresses()]
        text = json.dumps({"hosts": hosts, "port": watch.port, "token": watch.token}).encode()[:_ADDRESS_BYTES]
        message[: len(text)] = np.frombuffer(text, np.uint8)
    message = np.asarray(multihost_utils.broadcast_one_to_all(message), np.uint8)
    if watch is not None:
        watch.wait_for_others()
    else:
        address = json.loads(message.tobytes().rstrip(b"\0"))
        watch = Watch.join(address["hosts"], address["port"], address["token"], index, count, end)
    return watch


def _own_addresses() -> list[str]:
    """Names and numbers under which other machines may reach this one, the likeliest first."""
    addresses = [socket.gethostname()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Sends nothing; it shows which of our addresses leads outside.
            addresses.append(probe.getsockname()[0])
        except OSError:
            pass
    return addresses


def _is_one_of_several(environment: Mapping[str, str]) -> bool:
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1 and "SLURM_PROCID" in environment:
        return True
    if hosts := environment.get("TPU_WORKER_HOSTNAMES"):
        return "," in hosts
    has_tpu = "tpu" in environment.get("JAX_PLATFORMS", "tpu").split(",") and find_spec("libtpu") is not None
    return has_tpu and "," in read_metadata("worker-network-endpoints", environment)


def _local_devices(environment: Mapping[str, str]) -> tuple[int, ...] | None:
    """GPU 0 where Slurm has bound this task to one; jax would take the one numbered by the task, which is not there."""
    if "SLURM_PROCID" not in environment or "JAX_LOCAL_DEVICE_IDS" in environment:
        return None
    visible = [name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (0,) if len(visible) == 1 else None


def _number(name: str, environment: Mapping[str, str]) -> int | None:
    text = environment.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise InputError(f"{name}={text}: is not a number")
    return int(text)


def _exit_now() -> None:
    _last_of_all()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _last_of_all() -> None:
    if jax.process_index() == 0:
        time.sleep(_FAREWELL_SECONDS)
