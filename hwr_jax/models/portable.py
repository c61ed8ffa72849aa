"""Programs that run elsewhere without this package: jax.export, for CPUs, CUDA GPUs and TPUs at once.

`export_reader(model).serialize()` is what to write to a file (it needs the package flatbuffers), and
`jax.export.deserialize(...).call(variables, images, widths)` reads with it.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import export

from hwr_jax.models.ops import without_kernels
from hwr_jax.models.trained import TrainedModel

PLATFORMS = ("cpu", "cuda", "tpu")


def export_program(program: Callable[..., Any], *arguments: Any) -> export.Exported:
    """A program, jitted or not, for arguments of these shapes; without compiled kernels, which other machines lack."""
    # Anew, since a jitted program keeps what it was traced to, with kernels.
    function = getattr(program, "__wrapped__", program)
    with without_kernels():
        return export.export(jax.jit(lambda *values: function(*values)), platforms=PLATFORMS)(*arguments)


def export_reader(model: TrainedModel) -> export.Exported:
    """`(variables, images_BxHxW, widths_B) -> (log_probs_BxTxK, frames_B)`, for any batch and number of frames.

    Images are preprocessed, as wide as a multiple of the model's stride; `variables` are the model's parameters and
    collections: {"params": model.tree, **model.collections}.
    """
    batch, width = export.symbolic_shape(f"batch, {model.stride_px} * frames")
    variables = {"params": model.tree, **model.collections}
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), variables)
    images = jax.ShapeDtypeStruct((batch, model.preprocessing.height_px, width), np.uint8)
    return export_program(model.program, shapes, images, jax.ShapeDtypeStruct((batch,), np.int32))
