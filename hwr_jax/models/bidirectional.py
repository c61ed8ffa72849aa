"""Both directions of a bidirectional LSTM over all frames: by a compiled kernel, by one scan of our own, or plainly.

Three things make the scan quick: the input projection of all frames is one product outside the recurrence; both
directions advance in one scan; and the backward scan only propagates, so that the gradient of the recurrent kernel is
one product over all frames after it.

Cells, gates and what comes back through them are float32 whatever the dtype; products are of that dtype. A cell in
bfloat16 would lose what it adds up over frames.
"""

import functools
import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from hwr_jax.models.cpu_kernels import library

# D is the direction (forward, backward), U the number of units.
# The gates lie in Keras's order: input, forget, cell, output.

FRAMES_A_TRIP = 8


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def scan_lstm(
    projected_TxDxBx4U: Float[Array, "T D B U4"], recurrent_DxUx4U: Float[Array, "D U U4"], unroll: int = 1
) -> Float[Array, "T D B U"]:
    """Runs the recurrence of `D` independent LSTMs over `T` frames from zero states (Hochreiter and Schmidhuber 1997).

    Takes input kernel times input plus bias of every frame, and the recurrent kernels. Returns the hidden state after
    every frame. A trip of the loop is `unroll` frames.
    """
    hidden, _, _ = _run(projected_TxDxBx4U, recurrent_DxUx4U, unroll)
    return hidden


def gates_of(z: Array) -> tuple[Array, Array, Array, Array]:
    """Input, forget, cell and output gate of a frame."""
    i, f, g, o = jnp.split(z, 4, axis=-1)
    return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)


def multiply(a: Array, b: Array) -> Array:
    """A product with sums in float32."""
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _run(projected: Array, recurrent: Array, unroll: int) -> tuple[Array, Array, Array]:
    """Hidden states, cell states and gate pre-activations of every frame."""
    _, directions, batch, four_units = projected.shape
    shape, dtype = (directions, batch, four_units // 4), projected.dtype
    start = jnp.zeros(shape, dtype=dtype), jnp.zeros(shape, dtype=jnp.float32)

    def advance(state: tuple[Array, Array], frame: Array) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        hidden, cell = state
        z = frame + multiply(hidden, recurrent)
        i, f, g, o = gates_of(z)
        cell = f * cell + i * g
        hidden = (o * jnp.tanh(cell)).astype(dtype)
        return (hidden, cell), (hidden, cell, z)

    _, states = lax.scan(advance, start, projected, unroll=unroll)
    return states


def _scan_forward(projected: Array, recurrent: Array, unroll: int) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    hidden, cell, z = _run(projected, recurrent, unroll)
    return hidden, (hidden, cell, z, recurrent)


def _shift(states: Array) -> Array:
    """The state before every frame: zero before the first."""
    return jnp.concatenate([jnp.zeros_like(states[:1]), states[:-1]])


def retreat(d_out: Array, z: Array, cell: Array, cell_before: Array, d_h: Array, d_c: Array) -> tuple[Array, Array]:
    """Gradients of a frame's gates before their functions, and of the cell before it.

    Given those of what it puts out, of its hidden state by the next frame, and of its cell; its gates and its cells.
    """
    i, f, g, o = gates_of(z)
    tanh_c = jnp.tanh(cell)
    d_h = d_h + d_out
    d_c = d_c + d_h * o * (1 - tanh_c * tanh_c)
    d_z = jnp.concatenate(
        [
            d_c * g * i * (1 - i),
            d_c * cell_before * f * (1 - f),
            d_c * i * (1 - g * g),
            d_h * tanh_c * o * (1 - o),
        ],
        axis=-1,
    )
    return d_z, d_c * f


def _scan_backward(unroll: int, residuals: tuple[Array, Array, Array, Array], d_hidden: Array) -> tuple[Array, Array]:
    hidden, cell, z, recurrent = residuals
    transposed = jnp.swapaxes(recurrent, -1, -2)
    previous_cell = _shift(cell)

    def step_back(carry: tuple[Array, Array], frame: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        (d_h, d_c), (d_out, z_t, c_t, c_before) = carry, frame
        d_z, d_c = retreat(d_out, z_t, c_t, c_before, d_h, d_c)
        d_z = d_z.astype(recurrent.dtype)
        return (multiply(d_z, transposed), d_c), d_z

    zero = jnp.zeros_like(cell[0])
    frames = d_hidden, z, cell, previous_cell
    _, d_z = lax.scan(step_back, (zero, zero), frames, reverse=True, unroll=unroll)
    d_recurrent = jnp.einsum("tdbu,tdbv->duv", _shift(hidden), d_z, preferred_element_type=jnp.float32)
    return d_z, d_recurrent.astype(recurrent.dtype)


scan_lstm.defvjp(_scan_forward, _scan_backward)


def by_scan(forward: Array, backward: Array, recurrent: Array, unroll: int = 1) -> Array:
    """Both directions in one scan."""
    projected_TxDxBx4U = jnp.stack([jnp.swapaxes(forward, 0, 1), jnp.swapaxes(backward, 0, 1)[::-1]], axis=1)
    hidden_TxDxBxU = scan_lstm(projected_TxDxBx4U, recurrent, unroll)
    return jnp.swapaxes(jnp.concatenate([hidden_TxDxBxU[:, 0], hidden_TxDxBxU[::-1, 1]], axis=-1), 0, 1)


def by_long_trips(forward: Array, backward: Array, recurrent: Array) -> Array:
    """The same, several frames a trip of the loop: they write their results in one operation, and count once."""
    return by_scan(forward, backward, recurrent, frames_a_trip(forward.shape[1]))


def frames_a_trip(frames: Any) -> int:
    """How many frames a trip of an accelerator's loop takes; one where their number is a symbol."""
    return min(FRAMES_A_TRIP, frames) if isinstance(frames, int) else 1


def kernel_fits(forward: Array, backward: Array, recurrent: Array) -> bool:
    """Whether the compiled kernel is there and made for these types."""
    dtypes = {array.dtype for array in (forward, backward, recurrent)}
    return dtypes == {jnp.dtype(jnp.float32)} and bool(library.use_library())


def fits_tpus(forward: Array) -> bool:
    """Whether `hwr_jax.models.tpu_lstm` takes it: all sizes are known, and a compiler for TPUs is installed.

    Sizes of exported programs may be symbols.
    """
    return all(isinstance(size, int) for size in forward.shape) and importlib.util.find_spec("libtpu") is not None


def plain(forward: Array, backward: Array, recurrent: Array) -> Array:
    """A scan a direction, whose gradient is jax's."""

    def run(z_BxTx4U: Array, recurrent_Ux4U: Array, reverse: bool) -> Array:
        def advance(state: tuple[Array, Array], z: Array) -> tuple[tuple[Array, Array], Array]:
            hidden, cell = state
            i, f, g, o = gates_of(z + jnp.matmul(hidden, recurrent_Ux4U))
            cell = f * cell + i * g
            hidden = o * jnp.tanh(cell)
            return (hidden, cell), hidden

        zero = jnp.zeros((len(z_BxTx4U), len(recurrent_Ux4U)), z_BxTx4U.dtype)
        return lax.scan(advance, (zero, zero), z_BxTx4U.swapaxes(0, 1), reverse=reverse)[1].swapaxes(0, 1)

    return jnp.concatenate([run(forward, recurrent[0], False), run(backward, recurrent[1], True)], axis=-1)


def by_kernel(forward: Array, backward: Array, recurrent: Array) -> Array:
    """By the compiled kernel, where `kernel_fits`."""
    # The kernel takes sixteens of units. Further ones with zeros for all that they are given stay at zero.
    (batch, frames, _), units = forward.shape, recurrent.shape[1]
    if not (more := -units % 16):
        return _of_sixteens(forward, backward, recurrent)

    def widen(projected: Array) -> Array:
        gates = jnp.pad(projected.reshape(batch, frames, 4, units), ((0, 0), (0, 0), (0, 0), (0, more)))
        return gates.reshape(batch, frames, -1)

    wide = jnp.pad(recurrent.reshape(2, units, 4, units), ((0, 0), (0, more), (0, 0), (0, more)))
    hidden = _of_sixteens(widen(forward), widen(backward), wide.reshape(2, units + more, -1))
    return hidden.reshape(batch, frames, 2, -1)[..., :units].reshape(batch, frames, -1)


@jax.custom_vjp
def _of_sixteens(forward: Array, backward: Array, recurrent: Array) -> Array:
    # Without a gradient nobody asks for cells and gates, five times as many values as there are hidden states.
    (batch, frames, _), units = forward.shape, recurrent.shape[1]
    result = jax.ShapeDtypeStruct((batch, frames, 2 * units), jnp.float32)
    call = library.call("lstm_inference", result)
    return call(forward, backward, _blocks(recurrent))


def _blocks(recurrent: Array) -> Array:
    # The four gates of a vector of units lie together, as the kernel reads them.
    units, lanes = recurrent.shape[1], library.lanes()
    return recurrent.reshape(2, units, 4, units // lanes, lanes).transpose(0, 3, 1, 2, 4)


def _kernel_forward(forward: Array, backward: Array, recurrent: Array) -> tuple[Array, tuple[Array, ...]]:
    (batch, frames, _), units = forward.shape, recurrent.shape[1]
    shapes = ((batch, frames, 2 * units), (2, batch, frames, units), (2, batch, frames, 4 * units))
    results = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    call = library.call("lstm", results)
    hidden, cells, gates = call(forward, backward, _blocks(recurrent))
    return hidden, (recurrent, hidden, cells, gates)


def _kernel_backward(residuals: tuple[Array, ...], d_hidden: Array) -> tuple[Array, Array, Array]:
    recurrent, hidden, cells, gates = residuals
    units = recurrent.shape[1]
    result = jax.ShapeDtypeStruct((*hidden.shape[:2], 4 * units), jnp.float32)
    call = library.call("lstm_gradient", (result, result))
    d_forward, d_backward = call(d_hidden, jnp.swapaxes(recurrent, 1, 2), cells, gates)
    # The state before a frame: of the frame to the left, or to the right; zero at the start.
    before = hidden[:, :-1, :units].reshape(-1, units), hidden[:, 1:, units:].reshape(-1, units)
    after = d_forward[:, 1:].reshape(-1, 4 * units), d_backward[:, :-1].reshape(-1, 4 * units)
    d_recurrent = jnp.stack([jnp.matmul(state.T, d_z) for state, d_z in zip(before, after, strict=True)])
    return d_forward, d_backward, d_recurrent


_of_sixteens.defvjp(_kernel_forward, _kernel_backward)
