"""The process of one peer: builds and compiles its program, then runs it whenever a line on stdin asks for that.

It is started as `python -m experiments.benchmarks.worker PEER VARIANT TASK`, where TASK is a `Task` as JSON. Requests
and replies are JSON, one a line; what libraries print goes to stderr.
"""

import importlib.metadata
import importlib.util
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from experiments.benchmarks.peers import FLOORS, PEERS, Task
from hwr_jax.training.workdir import peak_memory_bytes


def main(argv: list[str]) -> None:
    """Serves requests until stdin ends, which ends the process whatever it does."""
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def reply(message: Mapping[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    name, variant, task_json = argv
    peer = (PEERS | FLOORS)[name]
    if missing := [package for package in peer.needs if importlib.util.find_spec(package) is None]:
        reply({"missing": missing[0]})
        return
    module = importlib.import_module(f"experiments.benchmarks.{peer.module}")
    program = module.build(Task(**json.loads(task_json)), variant, name)
    reply(
        {
            "first_seconds": _seconds(program.run),  # that compiles
            "first_loss": program.loss(),
            "parameters": program.parameters,
            "device": program.device,
            "versions": {name: _version(name) for name in program.packages},
        }
    )
    while True:
        request = json.loads(requests.get())
        seconds = [_seconds(program.run) for _ in range(request["warmup_steps"] + request["steps"])]
        reply(
            {
                "seconds": seconds[request["warmup_steps"] :],
                "loss": program.loss(),
                "peak_bytes": peak_memory_bytes(),
                "device_peak_bytes": program.device_peak_bytes(),
            }
        )


def _read_requests(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _version(package: str) -> str:
    """Of an importable package, whichever distribution brought it: tensorflow or tensorflow-cpu."""
    distributions = importlib.metadata.packages_distributions().get(package, [package])
    return importlib.metadata.version(distributions[0])


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    # Left without the libraries' own teardown, which takes seconds and can add lines after the one that counts.
    try:
        main(sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
