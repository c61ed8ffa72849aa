import subprocess
import sys

import pytest

# Page faults of the second time that a thread fills 100 MB.
FILL_TWICE = """
import resource, sys, threading
from hwr_jax.models.host_memory import keep_freed_memory
if sys.argv[1] == "keep":
    print("kept" if keep_freed_memory() else "left", end=" ")
faults = []
def fill():
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        bytearray(b"x") * 100_000_000
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=fill)
thread.start()
thread.join()
print(faults[1])
"""


def fill_twice(*words: str, **environment: str) -> list[str]:
    command = [sys.executable, "-c", FILL_TWICE, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone can be told to")
def test_freed_memory_comes_back_without_page_faults() -> None:
    (before,) = fill_twice("leave")
    kept, after = fill_twice("keep")
    assert kept == "kept"
    assert int(before) > 100  # Fewer than 24,000 where pages are large.
    assert int(after) < int(before) / 10


def test_settings_of_the_user_are_left() -> None:
    left, _ = fill_twice("keep", MALLOC_ARENA_MAX="4")
    assert left == "left"
