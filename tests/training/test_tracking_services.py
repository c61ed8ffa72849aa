"""Trackers of services, against the services' own files: what a run wrote is read back by the service's own readers.

Each is tested where its package is installed: `pip install -e '.[wandb,mlflow]'`, and `'.[trackio]'` apart, since it
asks for other versions than constraints.txt has. No network is used.
"""

import json
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest

CONFIG = {"seed": 3, "optimizer.learning_rate": 1e-3, **{f"augment.field_{index}": 0.0 for index in range(120)}}
# Two starts of one run, in one process each: numbers, pictures, and after the resume at step 2 numbers once more.
STARTS = """
import json, sys
from pathlib import Path
import numpy as np
from hwr_jax.training.tracker import TrackedRun
from hwr_jax.training.trackers import GuardedTrackers, find_trackers

name, workdir, resume_step, config = sys.argv[1:]
run = TrackedRun(Path(workdir), json.loads(config), int(resume_step))
trackers = GuardedTrackers(find_trackers([name]), run, sys.exit)
for step in (1, 2) if run.resume_step == 0 else (3,):
    trackers.write_numbers(step, {"train/loss": 1 / step, "validation/cer": 0.5})
    trackers.write_pictures(step, lambda: {"validation/readings": np.full((4, 6, 3), 200, np.uint8)})
trackers.close()
"""


@pytest.fixture
def two_starts(tmp_path, run_environment):
    """`two_starts(name, **environment)`: a run's folder after two starts with the tracker of this name."""

    def start(name, **environment):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
        (tmp_path / "words").mkdir()
        for resume_step in (0, 2):
            done = subprocess.run(
                [sys.executable, "-c", STARTS, name, str(tmp_path / "words"), str(resume_step), json.dumps(CONFIG)],
                env=run_environment | environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, done.stderr[-3000:]
        return tmp_path / "words"

    return start


def ask(code, *args, cwd, environment):
    """What Python code prints as JSON, in a process of its own: services leave threads behind."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *map(str, args)]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


# The file is a log as LevelDB writes it: blocks of 32,768 bytes with pieces of records, and 7 bytes before the first.
READ_WANDB = """
import json, struct, sys
from pathlib import Path
from wandb.proto import wandb_internal_pb2

BLOCK, HEAD, LAST = 32768, 7, (1, 4)
content, at, record = Path(sys.argv[1]).read_bytes(), HEAD, b""
history, about = [], []
while at + HEAD <= len(content):
    if BLOCK - at % BLOCK < HEAD:
        at += BLOCK - at % BLOCK
        continue
    _, length, kind = struct.unpack("<IHB", content[at : at + HEAD])
    record += content[at + HEAD : at + HEAD + length]
    at += HEAD + length
    if kind not in LAST:
        continue
    found, record = wandb_internal_pb2.Record.FromString(record), b""
    if found.HasField("run"):
        names = {one.key for one in found.run.config.update}
        about = [found.run.run_id, found.run.project, found.run.display_name, "optimizer.learning_rate" in names]
    if found.HasField("history"):
        row = {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in found.history.item}
        history.append([row["_step"], row["train/loss"], row["validation/readings/_type"]])
print(json.dumps([about, history]))
"""


def test_weights_and_biases_offline(two_starts, run_environment):
    workdir = two_starts("wandb", WANDB_MODE="offline")
    files = sorted(workdir.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 2, "each start leaves a file to sync"
    found = [ask(READ_WANDB, path, cwd=workdir, environment=run_environment) for path in files]
    run_id = (workdir / "tracker_id.txt").read_text()
    assert [about for about, _ in found] == 2 * [[run_id, "hwr_jax", "words", True]]
    assert [history for _, history in found] == [
        [[1, 1.0, "image-file"], [2, 0.5, "image-file"]],
        [[3, pytest.approx(1 / 3), "image-file"]],
    ]


READ_MLFLOW = """
import json
from mlflow import MlflowClient

client = MlflowClient()
[experiment] = [one for one in client.search_experiments() if one.name == "hwr_jax"]
runs = client.search_runs([experiment.experiment_id])
run = runs[0]
history = [[metric.step, metric.value] for metric in client.get_metric_history(run.info.run_id, "train/loss")]
pictures = [one.path for one in client.list_artifacts(run.info.run_id, "validation/readings")]
about = [len(runs), run.info.run_name, run.info.status, run.data.params["seed"], len(run.data.params)]
print(json.dumps([about, sorted(history), sorted(pictures)]))
"""


def test_mlflow_in_a_local_store(two_starts, run_environment, tmp_path):
    pytest.importorskip("sqlalchemy")
    local = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    two_starts("mlflow", **local)
    about, history, pictures = ask(READ_MLFLOW, cwd=tmp_path, environment=run_environment | local)
    assert about == [1, "words", "FINISHED", "3", len(CONFIG)]
    assert history == [[1, 1.0], [2, 0.5], [3, pytest.approx(1 / 3)]]
    assert pictures == [f"validation/readings/{step:08d}.png" for step in (1, 2, 3)]


READ_TRACKIO = """
import json
import trackio
from trackio.sqlite_storage import SQLiteStorage

[run] = trackio.Api().runs("hwr_jax")
rows = [[row["step"], row["train/loss"]] for row in SQLiteStorage.get_logs("hwr_jax", run.name) if "train/loss" in row]
print(json.dumps([run.name, run.config["seed"], sorted(rows)]))
"""


def test_trackio_in_a_local_folder(two_starts, run_environment, tmp_path):
    local = {"TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
    workdir = two_starts("trackio", **local)
    name, seed, rows = ask(READ_TRACKIO, cwd=tmp_path, environment=run_environment | local)
    assert name == f"words-{(workdir / 'tracker_id.txt').read_text()[:8]}"
    assert (seed, rows) == (3, [[1, 1.0], [2, 0.5], [3, pytest.approx(1 / 3)]])
    assert len(list((tmp_path / "trackio").rglob("*.png"))) == 3
