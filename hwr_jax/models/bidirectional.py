"""Both directions of a bidirectional LSTM over all frames: by a compiled kernel on CPUs that have it, else by scans."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from hwr_jax.models.cpu_kernels import library
from hwr_jax.models.lstm_scan import scan_lstm


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
    if not _kernel_fits(*arguments):
        return _by_scan(*arguments)
    return lax.platform_dependent(*arguments, cpu=_by_kernel, default=_by_scan)


def _by_scan(forward: Array, backward: Array, recurrent: Array) -> Array:
    projected_TxDxBx4U = jnp.stack([jnp.swapaxes(forward, 0, 1), jnp.swapaxes(backward, 0, 1)[::-1]], axis=1)
    hidden_TxDxBxU = scan_lstm(projected_TxDxBx4U, recurrent)
    return jnp.swapaxes(jnp.concatenate([hidden_TxDxBxU[:, 0], hidden_TxDxBxU[::-1, 1]], axis=-1), 0, 1)


def _kernel_fits(forward: Array, backward: Array, recurrent: Array) -> bool:
    """Whether the compiled kernel is there and made for these sizes."""
    dtypes = {array.dtype for array in (forward, backward, recurrent)}
    return dtypes == {jnp.dtype(jnp.float32)} and recurrent.shape[1] % 16 == 0 and library.use_library()


@jax.custom_vjp
def _by_kernel(forward: Array, backward: Array, recurrent: Array) -> Array:
    # Without a gradient nobody asks for cells and gates, five times as many values as there are hidden states.
    (batch, frames, _), units = forward.shape, recurrent.shape[1]
    result = jax.ShapeDtypeStruct((batch, frames, 2 * units), jnp.float32)
    call = jax.ffi.ffi_call("hwr_jax_lstm_inference", result, vmap_method="sequential")
    return call(forward, backward, _blocks(recurrent))


def _blocks(recurrent: Array) -> Array:
    # The four gates of sixteen units lie together, as the kernel reads them.
    units = recurrent.shape[1]
    return recurrent.reshape(2, units, 4, units // 16, 16).transpose(0, 3, 1, 2, 4)


def _forward(forward: Array, backward: Array, recurrent: Array) -> tuple[Array, tuple[Array, ...]]:
    (batch, frames, _), units = forward.shape, recurrent.shape[1]
    shapes = ((batch, frames, 2 * units), (2, batch, frames, units), (2, batch, frames, 4 * units))
    results = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    call = jax.ffi.ffi_call("hwr_jax_lstm", results, vmap_method="sequential")
    hidden, cells, gates = call(forward, backward, _blocks(recurrent))
    return hidden, (recurrent, hidden, cells, gates)


def _backward(residuals: tuple[Array, ...], d_hidden: Array) -> tuple[Array, Array, Array]:
    recurrent, hidden, cells, gates = residuals
    units = recurrent.shape[1]
    result = jax.ShapeDtypeStruct((*hidden.shape[:2], 4 * units), jnp.float32)
    call = jax.ffi.ffi_call("hwr_jax_lstm_gradient", (result, result), vmap_method="sequential")
    d_forward, d_backward = call(d_hidden, jnp.swapaxes(recurrent, 1, 2), cells, gates)
    # The state before a frame: of the frame to the left, or to the right; zero at the start.
    before = hidden[:, :-1, :units].reshape(-1, units), hidden[:, 1:, units:].reshape(-1, units)
    after = d_forward[:, 1:].reshape(-1, 4 * units), d_backward[:, :-1].reshape(-1, 4 * units)
    d_recurrent = jnp.stack([jnp.matmul(state.T, d_z) for state, d_z in zip(before, after, strict=True)])
    return d_forward, d_backward, d_recurrent


_by_kernel.defvjp(_forward, _backward)
