"""`hwr build-kernels`: compiles the optional kernels for this machine's CPU."""

import sys
import time
from collections.abc import Sequence

from hwr_jax.commands.options import Parser, run


def main(argv: Sequence[str]) -> int:
    """Builds the library into the user's cache folder and says where it lies."""
    parser = Parser(
        prog="hwr build-kernels",
        description="Compiles kernels for this CPU (AVX-512, by g++, clang++ or $CXX): training is twice as fast "
        "as with XLA's own operations. Every later start finds them, unless HWR_JAX_CPU_KERNELS=no; GPUs and TPUs "
        "never use them. "
        "Build again after an update of hwr_jax or jaxlib.",
    )
    parser.parse_args(list(argv))

    from hwr_jax.models.cpu_kernels.library import build_library

    start = time.monotonic()
    path = build_library()
    print(f"built in {time.monotonic() - start:.0f} s: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(run("build-kernels", main, sys.argv[1:]))
