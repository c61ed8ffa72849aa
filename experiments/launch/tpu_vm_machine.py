"""A TPU VM, or a queued resource with one, by gcloud: the commands as text, and the machine's state."""

import dataclasses
import functools
import subprocess
from collections.abc import Sequence

from experiments.launch.remote import call, failure_of
from hwr_jax.errors import InputError

LABEL = "hwr-jax-launch"
READY, ABSENT, GONE, COMING = "ready", "absent", "gone", "coming"
# Of a machine, and of a queued resource; all others are on their way.
_STATES = {"READY": READY, "ACTIVE": READY, ABSENT: ABSENT} | dict.fromkeys(
    ("PREEMPTED", "TERMINATED", "STOPPED", "STOPPING", "DELETING", "SUSPENDED", "SUSPENDING", "FAILED"), GONE
)
# ssh to a machine that went away without a word returns after minutes.
_SECONDS = 1800.0


@dataclasses.dataclass(frozen=True)
class Machine:
    """A TPU VM of a name and zone, whether it is there or not."""

    name: str  # of the TPU VM, and of the queued resource
    zone: str
    project: str  # "" for gcloud's own default
    accelerator: str  # "v5litepod-8"
    version: str  # of the runtime, "v2-alpha-tpuv5-lite"
    spot: bool  # may be taken away, and costs less
    queued: bool  # is asked for as a queued resource
    token: str  # the value of the label by which this launch knows what it created

    def describe(self) -> list[str]:
        """The command that prints the state of the queued resource, or of the machine."""
        if self.queued:
            return self._tpus("queued-resources", "describe", "--format=value(state.state)")
        return self._value("state")

    def create(self) -> list[str]:
        shape = [f"--accelerator-type={self.accelerator}", f"--labels={LABEL}={self.token}", *["--spot"] * self.spot]
        if self.queued:
            node = [f"--node-id={self.name}", f"--runtime-version={self.version}"]
            return self._tpus("queued-resources", "create", *node, *shape)
        return self._tpus("tpu-vm", "create", f"--version={self.version}", *shape)

    def delete(self) -> list[str]:
        """The command that deletes it, and with a queued resource its machine."""
        if self.queued:
            return self._tpus("queued-resources", "delete", "--force", "--quiet")
        return self._tpus("tpu-vm", "delete", "--quiet")

    def ssh(self, command: str, worker: str = "all") -> list[str]:
        return self._tpus("tpu-vm", "ssh", f"--worker={worker}", f"--command={command}")

    def scp(self, paths: Sequence[str], folder: str) -> list[str]:
        """The command that copies files to a folder in the home of every worker."""
        return self._tpus("tpu-vm", "scp", "--worker=all", names=(*paths, f"{self.name}:{folder}"))

    def find_state(self) -> str:
        """READY, COMING (created, not ready yet), GONE (taken away) or ABSENT. Raises InputError where gcloud fails."""
        state = _ask(self.describe())
        return _STATES.get(_ask(self._value("state")) if state == ABSENT and self.queued else state, COMING)

    def find_label(self) -> str:
        """The token that the machine's label holds; another text where there is none."""
        return _ask(self._value(f"labels.{LABEL}"))

    def _value(self, name: str) -> list[str]:
        return self._tpus("tpu-vm", "describe", f"--format=value({name})")

    def _tpus(self, kind: str, verb: str, *more: str, names: Sequence[str] = ()) -> list[str]:
        where = [f"--zone={self.zone}", *[f"--project={self.project}"] * bool(self.project)]
        return ["gcloud", "compute", "tpus", kind, verb, *(names or [self.name]), *where, *more]


gcloud = functools.partial(call, seconds=_SECONDS)


def run(command: Sequence[str]) -> None:
    """Runs a gcloud command; what it prints goes to the terminal. Raises InputError where it fails."""
    done = gcloud(command, show=True)
    if done.returncode:
        raise InputError(f"--launcher=tpu_vm: {failure_of(done)}")


def is_absent(done: "subprocess.CompletedProcess[bytes]") -> bool:
    """Whether a command failed because what it asks for is not there."""
    errors = done.stderr.decode(errors="replace").lower()
    return done.returncode != 0 and any(words in errors for words in ("not_found", "not found", "matched no objects"))


def _ask(command: Sequence[str]) -> str:
    done = gcloud(command)
    if is_absent(done):
        return ABSENT
    if done.returncode:
        raise InputError(f"--launcher=tpu_vm: {failure_of(done)}")
    return done.stdout.decode(errors="replace").strip()
