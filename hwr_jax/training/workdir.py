"""The files of a run besides its checkpoints and metrics: lock, config, alphabet, environment, status, usage."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock

from hwr_jax.data.splits import AUTO
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.nested import flatten, unflatten
from hwr_jax.page_config import AnyConfig, default_of
from hwr_jax.renames import rename_config, rename_metrics
from hwr_jax.strict import build_dataclass, to_plain
from hwr_jax.text.alphabet import Alphabet

VERSIONS_OF = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "tensorflow-datasets", "numpy", "pillow")
# What drives accelerators, where it is installed.
DRIVERS = ("libtpu", "jax-cuda12-plugin", "jax-cuda13-plugin")

# Fields that say where data lie and what fetches them; they change no number.
PLACES = ("data.source", "data.data_dir", "data.workers", "data.on_device")
FIXED_IN_TRAINING = ("training.accumulate_batches",)
LENGTH = ("training.steps", "training.epochs", "training.min_steps")
# Fields by which a config leaves a choice to its data, with the value that does so.
LEFT_TO_DATA = {"data.split": AUTO, "data.width_buckets": 0}
EXTENDED_FILE = "extended.json"


@contextmanager
def hold(workdir: Path) -> Iterator[None]:
    """Creates the folder and holds its lock; the system lets go of it when the process ends, however it ends.

    Raises InputError: another process holds it, or the folder cannot be written.
    """
    lock, owner = filelock.FileLock(workdir / ".lock"), workdir / ".owner"
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        name = owner.read_text(encoding="utf-8") if owner.exists() else "another process"
        raise InputError(f"--workdir={workdir}: {name} is training there; wait for it or choose another") from None
    except OSError as error:
        raise InputError(f"--workdir={workdir}: cannot be written ({error.strerror}); choose another") from error
    try:
        write_text(owner, f"process {os.getpid()} on {platform.node()}")
        yield
    finally:
        lock.release()


def has_checkpoints(workdir: Path) -> bool:
    """Whether a run has saved anything: then what it began with is settled."""
    return any((workdir / "checkpoints").glob("[0-9]*"))


def latest_step(workdir: Path) -> int:
    """The step of a run's newest checkpoint, 0 where there is none."""
    names = [path.name for path in (workdir / "checkpoints").glob("[0-9]*")]
    return max((int(name) for name in names if name.isdecimal()), default=0)


def write_json(path: Path, value: Any) -> None:
    """Writes in one piece: readers see the old file or the new one. Raises OSError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_status(workdir: Path, status: str, **details: Any) -> None:
    """status.json: running, preempted, done, diverged or failed."""
    write_json(workdir / "status.json", {"status": status, **details})


def adopt(workdir: Path, config: AnyConfig) -> AnyConfig:
    """The config, with what the run in the folder has settled where it leaves that to the data.

    Raises InputError if config.json is damaged.
    """
    before = _config_of_run(workdir)
    plain = flatten(to_plain(config), ".")
    settled = {name: before[name] for name, value in plain.items() if name in before and _is_left_to_data(name, value)}
    return build_dataclass(type(config), unflatten(plain | settled, ".")) if settled else config


def _is_left_to_data(name: str, value: Any) -> bool:
    if name.startswith("data.mixture.") and name.endswith(".split"):
        name = "data.split"
    return name in LEFT_TO_DATA and value == LEFT_TO_DATA[name]


def check_config(workdir: Path, config: Mapping[str, Any], *, extend: bool = False) -> None:
    """Writes config.json, or compares it with the one of the run that is there.

    How often the run logs, evaluates and saves may change, so may the devices, and what ends it early. To `extend` the
    run, its length may grow: that is noted in extended.json, and the evaluation of the shorter run is put aside. Raises
    InputError: another field differs, named with both values; or config.json is damaged.
    """
    before, after = _config_of_run(workdir), flatten(config, ".")
    if before:
        # A run of an older version lacks the fields that are new since: it ran with what are their defaults now.
        defaults = flatten(to_plain(default_of(config)), ".")
        before = {name: defaults[name] for name in after if name in defaults} | before
        changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
        for name in changed:
            fixed = (not name.startswith("training.") and name not in PLACES) or name in FIXED_IN_TRAINING
            if fixed or (name in LENGTH and not extend):
                longer = name in LENGTH and (after.get(name) or 0) > (before.get(name) or 0)
                raise InputError(
                    f"--workdir={workdir}: holds a run with {name}={before.get(name)!r}, not {after.get(name)!r}; "
                    f"choose another --workdir for a new run{', or --extend this one' * longer}"
                )
        if any(name in LENGTH for name in changed):
            _extend(workdir, *({name: config.get(name, 0) for name in LENGTH} for config in (before, after)))
    write_json(workdir / "config.json", config)


def _extend(workdir: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Notes that a run becomes longer, and puts the evaluation of the shorter one aside."""
    if any(after[name] < before[name] for name in LENGTH):
        lengths = (", ".join(f"{name}={length[name]:g}" for name in LENGTH) for length in (before, after))
        raise InputError(f"--extend: the run in {workdir} has {' and cannot have '.join(lengths)}: it can only grow")
    step = latest_step(workdir)
    path = workdir / EXTENDED_FILE
    extensions = json.loads(path.read_text(encoding="utf-8"))["extensions"] if path.exists() else []
    write_json(path, {"extensions": [*extensions, {"at_step": step, "from": before, "to": after}]})
    aside = workdir / f"evaluation_at_step_{step}"
    if (workdir / "evaluation").is_dir() and not aside.exists():
        (workdir / "evaluation").rename(aside)


def _config_of_run(workdir: Path) -> dict[str, Any]:
    """The flat config of the run that has begun in a folder, {} if there is none."""
    path = workdir / "config.json"
    return flatten(_read_config(path), ".") if path.exists() and has_checkpoints(workdir) else {}


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        config = None
    if not isinstance(config, Mapping):
        raise InputError(f"{path}: damaged; delete it if the config is the one this run was started with")
    return rename_config(config)


def check_alphabet(workdir: Path, alphabet: Alphabet) -> None:
    """Writes alphabet.txt, the characters of a run's training split, or compares it with what the run began with.

    Raises InputError: the training split has other characters than when the run began.
    """
    path = workdir / "alphabet.txt"
    if path.exists() and has_checkpoints(workdir):
        before = path.read_text(encoding="utf-8").removesuffix("\n")
        if before != alphabet.characters:
            changed = "".join(sorted(set(before) ^ set(alphabet.characters)))
            raise InputError(
                f"--workdir={workdir}: holds a run with another alphabet (differs in {changed}); the training data "
                "have changed; start a new run, with --init_from to go on from this one"
            )
    write_text(path, f"{alphabet.characters}\n")


def write_environment(workdir: Path, argv: list[str], devices: list[str], framework: str = "hwr_jax") -> None:
    """environment.json: what the numbers of this run came from; `framework`, this package or a baseline, trains."""
    # They are slow to import, and those who only look at runs do without.
    import jax

    from hwr_jax.models import ops

    # A name, such as cuda:0, does not tell an H100 from an A100. What other frameworks use is not known to jax.
    kinds = sorted({device.device_kind for device in jax.devices()}) if framework == "hwr_jax" else None
    write_json(
        workdir / "environment.json",
        {
            "argv": argv,
            "framework": framework,
            **describe_software(),
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
            "hwr_jax": package_version(),
            "devices": devices,
            **({"device_kind": kinds} if kinds else {}),
            "cpu_kernels": ops.kernels_in_use(),
            "ops": ops.describe(),
            "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        },
    )


def write_usage(workdir: Path, first_step_seconds: float, parameters: int) -> None:
    """Writes usage.json from what metrics.jsonl says and what the system knows of this process.

    The speed is the median over the lines of metrics, the memory the most this process ever held (of the last start, if
    the run was stopped in between); `first_step_seconds` is the wall time of this start's, compilation included. Raises
    OSError.
    """
    lines = [
        rename_metrics(json.loads(line))
        for line in (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    speeds = [line["train/samples_per_second"] for line in lines if "train/samples_per_second" in line]
    usage = {
        "parameters": parameters,
        "first_step_seconds": round(first_step_seconds, 3),
        "training_seconds": round(lines[-1]["train/seconds"], 3) if lines else None,
        "samples_per_second": round(statistics.median(speeds), 1) if speeds else None,
        "peak_memory_bytes": peak_memory_bytes(),
    }
    write_json(workdir / "usage.json", usage)


def peak_memory_bytes() -> int:
    """The most memory this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def describe_software() -> dict[str, Any]:
    """What computes: the commit of this code, Python, and the versions of packages."""
    installed = {one.name for one in metadata.distributions()}
    versions = {name: metadata.version(name) for name in (*VERSIONS_OF, *installed.intersection(DRIVERS))}
    return {"git": git_revision(), "python": platform.python_version(), "versions": versions}


def git_revision() -> str:
    """The commit this code runs from, with "+changes" if files differ from it.

    Outside a checkout what HWR_JAX_REVISION says, which launchers set beside the code they ship; or "".
    """
    here = Path(__file__).resolve().parent

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], cwd=here, capture_output=True, text=True, check=True, timeout=20).stdout

    try:
        revision = git("rev-parse", "HEAD").strip()
        return revision + ("+changes" if git("status", "--porcelain", "--untracked-files=no").strip() else "")
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("HWR_JAX_REVISION", "")


def command_line() -> list[str]:
    """The arguments this process was started with."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def package_version() -> str:
    """Of hwr_jax as it is installed."""
    try:
        return metadata.version("hwr_jax")
    except metadata.PackageNotFoundError:
        return "not installed"
