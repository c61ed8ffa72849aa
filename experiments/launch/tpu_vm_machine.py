"""A TPU VM, or a queued resource with one, by gcloud: the commands as text, and the machine's state."""

import dataclasses
import shlex
import subprocess
from collections.abc import Sequence

from hwr_jax.errors import InputError

LABEL = "hwr-jax-launch"
READY, ABSENT, GONE, COMING = "ready", "absent", "gone", "coming"
# Of a machine, and of a queued resource.
_STATES = {
    "READY": READY,
    "ACTIVE": READY,
    "PREEMPTED": GONE,
    "TERMINATED": GONE,
    "STOPPED": GONE,
    "STOPPING": GONE,
    "DELETING": GONE,
    "SUSPENDED": GONE,
    "SUSPENDING": GONE,
    "FAILED": GONE,
}
# ssh to a machine that went away without a word returns after minutes.
_COMMAND_SECONDS = 1800


@dataclasses.dataclass(frozen=True)
class Machine:
    """Attributes:
    name: of the TPU VM, and of the queued resource.
    zone: of both.
    project: "" for gcloud's own default.
    accelerator: "v5litepod-8".
    version: of the runtime, "v2-alpha-tpuv5-lite".
    spot: may be taken away, and costs less.
    queued: is asked for as a queued resource.
    token: the value of the label that tells what this launch created.
    """

    name: str
    zone: str
    project: str
    accelerator: str
    version: str
    spot: bool
    queued: bool
    token: str

    def describe(self, value: str = "state") -> list[str]:
        """The command that prints a value of the machine."""
        return [*self._tpus("tpu-vm", "describe"), f"--format=value({value})"]

    def describe_queued(self) -> list[str]:
        """The command that prints the state of the queued resource."""
        return [*self._tpus("queued-resources", "describe"), "--format=value(state.state)"]

    def create(self) -> list[str]:
        """The command that creates the machine, or asks for it."""
        label = f"--labels={LABEL}={self.token}"
        shape = [f"--accelerator-type={self.accelerator}", label, *(["--spot"] if self.spot else [])]
        if self.queued:
            more = [f"--node-id={self.name}", f"--runtime-version={self.version}"]
            return [*self._tpus("queued-resources", "create"), *more, *shape]
        return [*self._tpus("tpu-vm", "create"), f"--version={self.version}", *shape]

    def delete(self) -> list[str]:
        """The command that deletes it, and with a queued resource its machine."""
        if self.queued:
            return [*self._tpus("queued-resources", "delete"), "--force", "--quiet"]
        return [*self._tpus("tpu-vm", "delete"), "--quiet"]

    def ssh(self, command: str, worker: str = "all") -> list[str]:
        """The command that runs a line of shell there."""
        return [*self._tpus("tpu-vm", "ssh"), f"--worker={worker}", f"--command={command}"]

    def scp(self, paths: Sequence[str], folder: str) -> list[str]:
        """The command that copies files to a folder in the home of every worker."""
        command = ["gcloud", "compute", "tpus", "tpu-vm", "scp", *paths, f"{self.name}:{folder}"]
        return [*command, *self._where(), "--worker=all"]

    def find_state(self) -> str:
        """READY, COMING (created, not ready yet), GONE (taken away) or ABSENT.

        Raises:
          InputError: gcloud fails for another reason.
        """
        told = _ask(self.describe_queued()) if self.queued else ABSENT
        if told == ABSENT:
            told = _ask(self.describe())
        return told if told == ABSENT else _STATES.get(told, COMING)

    def find_label(self) -> str:
        """The token that the machine's label holds, "" for none, or for no machine."""
        told = _ask(self.describe(f"labels.{LABEL}"))
        return "" if told == ABSENT else told

    def _tpus(self, kind: str, verb: str) -> list[str]:
        return ["gcloud", "compute", "tpus", kind, verb, self.name, *self._where()]

    def _where(self) -> list[str]:
        return [f"--zone={self.zone}", *([f"--project={self.project}"] if self.project else [])]


def run(command: Sequence[str]) -> None:
    """Runs a gcloud command; what it prints goes to the terminal.

    Raises:
      InputError: it fails, or there is no gcloud.
    """
    if code := call(command).returncode:
        raise InputError(f"--launcher=tpu_vm: {_shorten(command)}: status {code}")


def call(command: Sequence[str], *, quiet: bool = False) -> "subprocess.CompletedProcess[bytes]":
    """Runs a command to its end, whatever that is; `quiet` keeps its output. Raises InputError without gcloud."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=quiet, timeout=_COMMAND_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise InputError("--launcher=tpu_vm: no command gcloud here; install the Google Cloud CLI") from error
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, b"", b"no answer")


def _ask(command: Sequence[str]) -> str:
    done = call(command, quiet=True)
    if done.returncode == 0:
        return done.stdout.decode(errors="replace").strip()
    errors = done.stderr.decode(errors="replace")
    if "NOT_FOUND" in errors or "not found" in errors.lower():
        return ABSENT
    raise InputError(f"--launcher=tpu_vm: {_shorten(command)}: {' '.join(errors.split())[:300]}")


def _shorten(command: Sequence[str]) -> str:
    text = shlex.join(command)
    return text if len(text) <= 160 else f"{text[:157]}..."
