"""Both directions of a bidirectional LSTM over all frames: by a compiled kernel, by one scan of our own, or plainly."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from hwr_jax.models.cpu_kernels import library
from hwr_jax.models.lstm_scan import scan_lstm


def by_scan(forward: Array, backward: Array, recurrent: Array) -> Array:
    """Both directions in one scan, see `hwr_jax.models.lstm_scan`."""
    projected_TxDxBx4U = jnp.stack([jnp.swapaxes(forward, 0, 1), jnp.swapaxes(backward, 0, 1)[::-1]], axis=1)
    hidden_TxDxBxU = scan_lstm(projected_TxDxBx4U, recurrent)
    return jnp.swapaxes(jnp.concatenate([hidden_TxDxBxU[:, 0], hidden_TxDxBxU[::-1, 1]], axis=-1), 0, 1)


def kernel_fits(forward: Array, backward: Array, recurrent: Array) -> bool:
    """Whether the compiled kernel is there and made for these sizes."""
    dtypes = {array.dtype for array in (forward, backward, recurrent)}
    return dtypes == {jnp.dtype(jnp.float32)} and recurrent.shape[1] % 16 == 0 and library.use_library()


def plain(forward: Array, backward: Array, recurrent: Array) -> Array:
    """A scan a direction, whose gradient is jax's."""

    def run(z_BxTx4U: Array, recurrent_Ux4U: Array, reverse: bool) -> Array:
        def advance(state: tuple[Array, Array], z: Array) -> tuple[tuple[Array, Array], Array]:
            hidden, cell = state
            i, f, g, o = jnp.split(z + jnp.matmul(hidden, recurrent_Ux4U), 4, axis=-1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (hidden, cell), hidden

        zero = jnp.zeros((len(z_BxTx4U), len(recurrent_Ux4U)), z_BxTx4U.dtype)
        return lax.scan(advance, (zero, zero), z_BxTx4U.swapaxes(0, 1), reverse=reverse)[1].swapaxes(0, 1)

    return jnp.concatenate([run(forward, recurrent[0], False), run(backward, recurrent[1], True)], axis=-1)


@jax.custom_vjp
def by_kernel(forward: Array, backward: Array, recurrent: Array) -> Array:
    """By the compiled kernel, where `kernel_fits`."""
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


by_kernel.defvjp(_forward, _backward)
