"""`python -m experiments.benchmarks.jax2onnx_opinion`: our models written as ONNX by jax2onnx, as a second opinion.

For each model whether jax2onnx writes it, how many nodes, and the largest difference of log probabilities in
onnxruntime from ours on random images. Needs jax2onnx, which is no dependency of ours.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import numpy as np

from experiments.benchmarks.command import choose, make_parser, write_numbers
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import run
from hwr_jax.errors import InputError
from hwr_jax.models.ops import without_kernels
from hwr_jax.models.trained import pretrained_names
from hwr_jax.training.load import load_model


def main(argv: Sequence[str]) -> int:
    names = pretrained_names()
    parser = make_parser("jax2onnx_opinion", __doc__, {"samples": (8, "random images")})
    parser.add_argument("--models", metavar="A,B", default=",".join(names), help="default all of the package")
    options = parser.parse_args(argv)
    try:
        import jax2onnx  # noqa: F401
    except ImportError as error:
        raise InputError("jax2onnx is not installed: pip install jax2onnx") from error
    rows = [ask(name, options.samples) for name in choose("model", options.models, names)]
    print(align_columns([[*rows[0]], *([*row.values()] for row in rows)], right=range(1, len(rows[0]))))
    write_numbers(options, {"rows": rows})
    return 0


def ask(name: str, samples: int) -> dict[str, str]:
    """A row: the model, and what became of it."""
    import jax
    import onnxruntime
    from jax2onnx import to_onnx

    model = load_model(name)
    height, width = model.preprocessing.height_px, min(model.preprocessing.width_px, 384)
    program = functools.partial(model.program.__wrapped__, {"params": model.tree})
    shapes = [
        jax.ShapeDtypeStruct((samples, height, width), np.uint8),
        jax.ShapeDtypeStruct((samples,), np.int32),
    ]
    try:
        with without_kernels(), mock.patch("jax.lax.platform_dependent", _of_cpus):
            proto = to_onnx(program, shapes)
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (samples, height, width)).astype(np.uint8)
        widths = np.full(samples, width, np.int32)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        inputs = dict(zip((port.name for port in session.get_inputs()), (images, widths), strict=False))
        found = session.run(None, inputs)[0]
        expected, _ = model.log_probs(images, widths)
        difference = f"{np.abs(found - expected).max():.1e}"
        return {"model": name, "nodes": str(len(proto.graph.node)), "difference": difference, "": ""}
    except Exception as error:  # Converters fail with errors of any kind; which one is the result.
        return {"model": name, "nodes": "-", "difference": "-", "": f"{type(error).__name__}: {str(error)[:150]}"}


def _of_cpus(*args: Any, default: Callable[..., Any] | None = None, **branches: Callable[..., Any]) -> Any:
    """The form of an operation on CPUs alone: jax2onnx has no choice by platform."""
    chosen = branches.get("cpu", default)
    assert chosen is not None
    return chosen(*args)


if __name__ == "__main__":
    sys.exit(run("jax2onnx_opinion", main, sys.argv[1:], program=""))
