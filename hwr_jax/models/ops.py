"""The one door to operations that are compiled or shaped by hand: which implementation runs is decided here alone.

On CPUs the compiled kernels where they are built and fit the sizes, else what is shaped by hand for XLA; elsewhere
XLA's own, or what is shaped by hand where that is as quick. HWR_JAX_OPS=plain takes plain Flax and XLA everywhere:
slower, to read, and what the others are tested against.
"""

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Shaped

from hwr_jax.models import bidirectional, convolution, ctc, dense, lookup, normalization
from hwr_jax.models.cpu_kernels import library
from hwr_jax.models.host_memory import keep_freed_memory


def describe() -> str:
    """Which implementations run on this machine, for environment.json: "plain", "compiled" or "shaped"."""
    if _plain():
        return "plain"
    return "compiled" if jax.default_backend() == "cpu" and kernels_in_use() else "shaped"


def prepare_kernels() -> None:
    """Compiles the kernels for this CPU unless they are there, before anything uses them; says so on stderr.

    Has freed memory kept, too, see `hwr_jax.models.host_memory`.

    HWR_JAX_CPU_KERNELS=no leaves them out, and where it names vectors that the CPU has (AVX2), these are taken.
    Without a compiler, or where it fails, all goes on without. Raises InputError for a wrong HWR_JAX_CPU_KERNELS.
    """
    keep_freed_memory()
    library.prepare_library()


def kernels_in_use() -> str:
    """The vectors that the compiled kernels in use are made for: "AVX512", "AVX2", "NEON" or "plain"; "" without."""
    return library.use_library()


def describe_kernels() -> str:
    """A line on whether the compiled kernels are used here; "" where they could not be."""
    return library.describe()


def without_kernels() -> AbstractContextManager[None]:
    """Within it no compiled kernels are used."""
    return library.leave_out()


def _plain() -> bool:
    return os.environ.get("HWR_JAX_OPS") == "plain"


def convolve_3x3(
    x_BxWxHxC: Float[Array, "B W H C"], kernel_3x3xCxF: Float[Array, "3 3 C F"]
) -> Float[Array, "B W H F"]:
    """Cross-correlation with stride 1 and zero padding that keeps the size."""
    arguments = (x_BxWxHxC, kernel_3x3xCxF)
    if _plain():
        return convolution.by_xla(*arguments)
    if x_BxWxHxC.shape[-1] == 1:
        return convolution.one_channel(*arguments)
    on_cpus = convolution.by_kernel if convolution.kernel_fits(*arguments) else convolution.by_products
    return lax.platform_dependent(*arguments, cpu=on_cpus, default=convolution.by_xla)


def convolve_and_pool(
    x_BxWxHxC: Float[Array, "B W H C"], kernel_3x3xCxF: Float[Array, "3 3 C F"], bias_F: Float[Array, "F"]
) -> Float[Array, "B W2 H2 F"]:
    """Rectified maximum over 2 x 2 windows of a 3 x 3 convolution with bias, same padding.

    Rectifying and taking a maximum commute, and there are a quarter as many values after the pool.
    """
    arguments = (x_BxWxHxC, kernel_3x3xCxF, bias_F)
    if _plain():
        return convolve_then_pool(*arguments)
    fits = convolution.kernel_fits(x_BxWxHxC, kernel_3x3xCxF, channels=(1,))
    on_cpus = convolution.pooled_by_kernel if fits else convolve_then_pool
    return lax.platform_dependent(*arguments, cpu=on_cpus, default=convolution.pooled_by_stride)


def convolve_then_pool(x: Array, kernel: Array, bias: Array) -> Array:
    """`convolve_and_pool`, one operation after the other."""
    y = convolve_3x3(x, kernel) + bias[None, None, None]
    return jax.nn.relu(nn.max_pool(y, (2, 2), strides=(2, 2)) if _plain() else convolution.max_pool_2x2(y))


def bidirectional_lstm(
    forward_BxTx4U: Float[Array, "B T U4"],
    backward_BxTx4U: Float[Array, "B T U4"],
    recurrent_DxUx4U: Float[Array, "2 U U4"],
) -> Float[Array, "B T U2"]:
    """Hidden states of the forward and the backward direction, side by side, every one where its frame is.

    Args:
      forward_BxTx4U: input kernel times input plus bias, every frame, gates in Keras's order.
      backward_BxTx4U: likewise for the direction that runs from the last frame to the first; frames in their own order.
      recurrent_DxUx4U: recurrent kernels of both.
    """
    arguments = (forward_BxTx4U, backward_BxTx4U, recurrent_DxUx4U)
    if _plain():
        return bidirectional.plain(*arguments)
    fits = bidirectional.kernel_fits(*arguments)
    branches: dict[str, Callable[..., Array]] = {"cpu": bidirectional.by_kernel if fits else bidirectional.by_scan}
    if bidirectional.fits_tpus(forward_BxTx4U):
        # Here, since most programs do without: it takes a tenth of a second to import.
        from hwr_jax.models.tpu_lstm import by_pallas

        branches["tpu"] = by_pallas
    return lax.platform_dependent(*arguments, **branches, default=bidirectional.by_long_trips)


def map_frames(
    x_BxTxF: Float[Array, "B T F"],
    kernel_FxG: Float[Array, "F G"],
    bias_G: Float[Array, "G"],
    masks_BxF: Float[Array, "B F"] | None = None,
) -> Float[Array, "B T G"]:
    """An affine map of every frame, whose features are multiplied by the mask of their sample before."""
    arguments = (x_BxTxF, kernel_FxG, bias_G, masks_BxF)
    if _plain() or not dense.kernel_fits(*arguments):
        return dense.by_xla(*arguments)
    return lax.platform_dependent(*arguments, cpu=dense.by_kernel, default=dense.by_xla)


def convolve_frames(x_BxTxF: Float[Array, "B T F"], kernel_KxF: Float[Array, "K F"]) -> Float[Array, "B T F"]:
    """Convolution over frames, same padding, every feature by itself."""
    return (convolution.frames_by_xla if _plain() else convolution.frames_by_shifts)(x_BxTxF, kernel_KxF)


def normalize(
    x: Float[Array, "*shape C"], scale_C: Float[Array, "C"], bias_C: Float[Array, "C"], rectified: bool = False
) -> Float[Array, "*shape C"]:
    """Mean 0 and variance 1 over the channels, then scale and bias, and the rectifier if asked for."""

    def by_xla(x: Array, scale: Array, bias: Array) -> Array:
        normal = normalization.plain(x) if _plain() else normalization.in_closed_form(x)
        scale, bias = (values.reshape((1,) * (x.ndim - 1) + (-1,)) for values in (scale, bias))
        return jax.nn.relu(normal * scale + bias) if rectified else normal * scale + bias

    if _plain() or not normalization.kernel_fits(x):
        return by_xla(x, scale_C, bias_C)
    by_kernel = functools.partial(normalization.by_kernel, rectified=rectified)
    return lax.platform_dependent(x, scale_C, bias_C, cpu=by_kernel, default=by_xla)


def sample_bilinear(
    image_WxH: Float[Array, "W H"], x: Float[Array, "*points"], y: Float[Array, "*points"]
) -> Float[Array, "*points"]:
    """Values of the image at points in pixels, bilinear between pixels; 0 outside."""
    if _plain():
        return lookup.by_gathers(image_WxH, x, y)
    return lax.platform_dependent(image_WxH, x, y, tpu=lookup.by_products, default=lookup.by_gathers)


def ctc_losses(
    logits: tuple[Float[Array, "B T K"], ...],
    labels_BxL: Int[Array, "B L"],
    lengths_B: Int[Array, "B"],
    frames_B: Int[Array, "B"],
    by_optax: Callable[..., Array],
) -> tuple[Float[Array, "B"], ...]:
    """CTC's losses of one or more logits with the same labels, see `hwr_jax.models.ctc.by_one_scan`.

    `by_optax` takes what that takes. CPUs without the kernel, for whom its scans are as quick as one, take that.
    """

    by_each = by_optax if _plain() or not ctc.kernel_fits(logits) else ctc.by_kernel

    def apart(logits: tuple[Array, ...], *labels: Array) -> tuple[Array, ...]:
        return tuple(by_each(each, *labels) for each in logits)

    def together(logits: tuple[Array, ...], *labels: Array) -> tuple[Array, ...]:
        count = len(logits)
        repeated = (jnp.concatenate([each] * count) for each in labels)
        return tuple(jnp.split(ctc.by_one_scan(jnp.concatenate(logits), *repeated), count))

    arguments = (logits, labels_BxL, lengths_B, frames_B)
    return apart(*arguments) if _plain() else lax.platform_dependent(*arguments, cpu=apart, default=together)


def take_pairs(
    table_SxK: Shaped[Array, "S K"], rows_W: Int[Array, " W"], columns_WxC: Int[Array, "W C"]
) -> Shaped[Array, "W C"]:
    """The values of a table at pairs of a row and a column."""
    arguments = (table_SxK, rows_W, columns_WxC)
    if _plain():
        return lookup.pairs_by_gather(*arguments)
    return lax.platform_dependent(*arguments, cpu=lookup.pairs_by_gather, default=lookup.pairs_by_rows)


# XLA on CPUs fuses what lies before into each of several readers, and computes it as often. A barrier does not help, it
# is dropped before fusion. What helps is a branch that is always taken, or a count that is always the same, if the
# compiler cannot know it.


def hide(count: int, witness: Array) -> Array:
    """The count, on CPUs such that the compiler cannot know it; `witness` is a number of the program's input, int32.

    It is from 0 up, as a count of steps is.
    """
    return jnp.where(_always(witness), count, 0)


def compute_apart(function: Callable[..., Any], witness: Array, *arguments: Any) -> Any:
    """`function(*arguments)`, on CPUs as a program of its own; for the witness see `hide`."""
    shapes = jax.eval_shape(function, *arguments)

    def never(*_: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    return lax.cond(_always(witness), function, never, *arguments)


def _always(witness: Array) -> Array:
    """True: elsewhere than on CPUs as a constant, for which the compiler leaves out what hangs on it."""
    return lax.platform_dependent(
        witness, cpu=lambda count: count >= 0, default=lambda count: jnp.ones_like(count, bool)
    )
