"""`hwr build-kernels`: compiles the optional kernels for this machine's CPU."""

import sys
import time
from collections.abc import Sequence

from hwr_jax.commands.options import Parser, run
from hwr_jax.errors import InputError


def main(argv: Sequence[str]) -> int:
    """Builds the library into the user's cache folder and says where it lies."""
    parser = Parser(
        prog="hwr build-kernels",
        description="Compiles kernels for this CPU (by g++, clang++ or $CXX): training is twice as fast as with XLA's "
        "own operations. The first training or reading does so too. HWR_JAX_CPU_KERNELS=no leaves them out; GPUs and "
        "TPUs never use them.",
    )
    parser.parse_args(list(argv))

    from hwr_jax.models.cpu_kernels.library import build_library, choose_vectors

    start, vectors = time.monotonic(), choose_vectors()
    if not vectors:
        raise InputError("HWR_JAX_CPU_KERNELS=no leaves the kernels out; unset it to build them")
    path = build_library(vectors)
    print(f"built for {vectors} in {time.monotonic() - start:.0f} s: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(run("build-kernels", main, sys.argv[1:]))
