"""Which processes train together, by flags and by what Slurm, TPU machines and jax's variables say."""

import http.server
import threading

import pytest

from hwr_jax.errors import InputError
from hwr_jax.training import processes
from hwr_jax.training.processes import Processes, find_processes

SLURM = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "2"}
AUTO = Processes("auto")


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        ((None, None, None), {}, None),
        (("host:1", 2, 1), {}, Processes("host:1", 2, 1)),
        (("[::1]:80", 1, 0), {}, Processes("[::1]:80", 1, 0)),
        (("auto", None, None), {}, AUTO),
        ((None, None, None), SLURM, AUTO),
        (("host:1", 4, 3), SLURM, Processes("host:1", 4, 3)),
        ((None, None, None), SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, None),
        # A batch script, or salloc's shell: several tasks may follow, this is none of them.
        ((None, None, None), {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, None),
        ((None, None, None), {"TPU_WORKER_HOSTNAMES": "a,b"}, AUTO),
        ((None, None, None), {"TPU_WORKER_HOSTNAMES": "a"}, None),
        (
            (None, None, None),
            {"JAX_COORDINATOR_ADDRESS": "h:2", "JAX_NUM_PROCESSES": "3", "JAX_PROCESS_ID": "2"},
            Processes("h:2", 3, 2),
        ),
        # Bound by Slurm to one GPU each, or all visible to all.
        ((None, None, None), SLURM | {"CUDA_VISIBLE_DEVICES": "3"}, Processes("auto", local_devices=(0,))),
        ((None, None, None), SLURM | {"CUDA_VISIBLE_DEVICES": "0,1"}, AUTO),
        ((None, None, None), SLURM | {"CUDA_VISIBLE_DEVICES": "3", "JAX_LOCAL_DEVICE_IDS": "0"}, AUTO),
    ],
)
def test_flags_come_before_the_environment(flags, environment, expected):
    assert find_processes(*flags, environment) == expected


@pytest.mark.parametrize(
    ("flags", "environment", "says"),
    [
        ((None, 2, None), {}, "need --coordinator"),
        ((None, None, 0), {}, "need --coordinator"),
        (("host:1", None, 0), {}, "--num_processes=N"),
        (("host:1", 2, None), {}, "--process_id from 0 to N - 1"),
        (("host:1", 2, 2), {}, "from 0 to N - 1"),
        (("host", 2, 0), {}, "is not HOST:PORT"),
        (("auto", 2, 0), {}, "leave them out"),
        ((None, None, None), {"JAX_COORDINATOR_ADDRESS": "h:2", "JAX_NUM_PROCESSES": "x"}, "JAX_NUM_PROCESSES=x"),
    ],
)
def test_what_is_missing_or_wrong_is_told(flags, environment, says):
    with pytest.raises(InputError, match=says):
        find_processes(*flags, environment)


@pytest.fixture
def metadata(request):
    """The address of a metadata server whose machine is in a slice with those endpoints."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path.endswith("/worker-network-endpoints") and self.headers["Metadata-Flavor"] == "Google"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(request.param.encode() if known else b"")

        def log_message(self, *_):
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("metadata", "expected"), [("u:1:10.0.0.2,u:2:10.0.0.3", AUTO), ("u:1:10.0.0.2", None)], indirect=["metadata"]
)
def test_a_tpu_machine_asks_for_its_neighbours(metadata, expected, monkeypatch):
    assert find_processes(None, None, None, {"GCE_METADATA_IP": metadata}) is None, "without libtpu nobody is asked"
    monkeypatch.setattr(processes, "find_spec", lambda name: name == "libtpu")
    assert find_processes(None, None, None, {"GCE_METADATA_IP": metadata}) == expected
    assert find_processes(None, None, None, {"GCE_METADATA_IP": metadata, "JAX_PLATFORMS": "cpu"}) is None
    assert find_processes(None, None, None, {"GCE_METADATA_IP": "127.0.0.1:9"}) is None
