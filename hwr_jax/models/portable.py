"""Programs that run elsewhere without this package: jax.export, for CPUs, CUDA GPUs and TPUs at once."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import export

from hwr_jax.models.ops import without_kernels
from hwr_jax.models.trained import TrainedModel
from hwr_jax.models.trained_network import TrainedNetwork

PLATFORMS = ("cpu", "cuda", "tpu")


def export_program(program: Callable[..., Any], *arguments: Any) -> export.Exported:
    """A program, jitted or not, for arguments of these shapes; without compiled kernels, which other machines lack."""
    # Anew, since a jitted program keeps what it was traced to, with kernels.
    function = getattr(program, "__wrapped__", program)
    with without_kernels():
        return export.export(jax.jit(lambda *values: function(*values)), platforms=PLATFORMS)(*arguments)


def export_reader(model: TrainedModel) -> export.Exported:
    """`(images_BxHxW, widths_B) -> (log_probs_BxTxK, frames_B)`, for any batch and number of frames.

    Images are preprocessed, as wide as a multiple of the model's stride. The parameters are part of it. `serialize` of
    what is returned gives a file's bytes, and `jax.export.deserialize(bytearray(BYTES)).call(images, widths)` reads.
    """
    batch, width = export.symbolic_shape(f"batch, {model.stride_px} * frames")
    images = jax.ShapeDtypeStruct((batch, model.preprocessing.height_px, width), np.uint8)
    program = getattr(model.program, "__wrapped__", model.program)
    reader = functools.partial(program, {"params": model.tree, **model.collections})
    return export_program(reader, images, jax.ShapeDtypeStruct((batch,), np.int32))


def export_network(trained: TrainedNetwork) -> export.Exported:
    """`(pages_BxHxW, shown_Bx2) -> (maps_Bx7xHxW, turns_Bx4)`: `TrainedNetwork.program` with the parameters in it.

    For any batch, and any height and width that are multiples of the network's stride.
    """
    stride_px = trained.experiment.model.stride_px
    batch, height, width = export.symbolic_shape(f"batch, {stride_px} * rows, {stride_px} * columns")
    pages = jax.ShapeDtypeStruct((batch, height, width), np.uint8)
    program = functools.partial(trained.program.__wrapped__, trained.tree)
    return export_program(program, pages, jax.ShapeDtypeStruct((batch, 2), np.float32))
