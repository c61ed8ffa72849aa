"""The recurrence of an LSTM as a scan over frames, with a backward pass of its own.

Three things make it quick: the input projection of all frames is one product outside the recurrence; both directions
advance in one scan; and the backward scan only propagates, so that the gradient of the recurrent kernel is one product
over all frames after it.

Cells, gates and what comes back through them are float32 whatever the dtype; products are of that dtype. A cell in
bfloat16 would lose what it adds up over frames.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# D is the direction (forward, backward), U the number of units.
# The gates lie in Keras's order: input, forget, cell, output.


@jax.custom_vjp
def scan_lstm(
    projected_TxDxBx4U: Float[Array, "T D B U4"], recurrent_DxUx4U: Float[Array, "D U U4"]
) -> Float[Array, "T D B U"]:
    """Runs the recurrence of `D` independent LSTMs over `T` frames from zero states (Hochreiter and Schmidhuber 1997).

    Args:
      projected_TxDxBx4U: input kernel times input plus bias, every frame.
      recurrent_DxUx4U: recurrent kernels.

    Returns:
      The hidden state after every frame.
    """
    hidden, _, _ = _run(projected_TxDxBx4U, recurrent_DxUx4U)
    return hidden


def _gates(z: Array) -> tuple[Array, Array, Array, Array]:
    i, f, g, o = jnp.split(z, 4, axis=-1)
    return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)


def _multiply(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _run(projected: Array, recurrent: Array) -> tuple[Array, Array, Array]:
    """Hidden states, cell states and gate pre-activations of every frame."""
    _, directions, batch, four_units = projected.shape
    shape, dtype = (directions, batch, four_units // 4), projected.dtype
    start = jnp.zeros(shape, dtype=dtype), jnp.zeros(shape, dtype=jnp.float32)

    def advance(state: tuple[Array, Array], frame: Array) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        hidden, cell = state
        z = frame + _multiply(hidden, recurrent)
        i, f, g, o = _gates(z)
        cell = f * cell + i * g
        hidden = (o * jnp.tanh(cell)).astype(dtype)
        return (hidden, cell), (hidden, cell, z)

    _, states = lax.scan(advance, start, projected)
    return states


def _forward(projected: Array, recurrent: Array) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    hidden, cell, z = _run(projected, recurrent)
    return hidden, (hidden, cell, z, recurrent)


def _shift(states: Array) -> Array:
    """The state before every frame: zero before the first."""
    return jnp.concatenate([jnp.zeros_like(states[:1]), states[:-1]])


def _backward(residuals: tuple[Array, Array, Array, Array], d_hidden: Array) -> tuple[Array, Array]:
    hidden, cell, z, recurrent = residuals
    transposed = jnp.swapaxes(recurrent, -1, -2)
    previous_cell = _shift(cell)

    def retreat(carry: tuple[Array, Array], frame: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        d_h, d_c = carry
        d_out, z_t, c_t, c_before = frame
        i, f, g, o = _gates(z_t)
        tanh_c = jnp.tanh(c_t)
        d_h = d_h + d_out
        d_c = d_c + d_h * o * (1 - tanh_c * tanh_c)
        d_z = jnp.concatenate(
            [
                d_c * g * i * (1 - i),
                d_c * c_before * f * (1 - f),
                d_c * i * (1 - g * g),
                d_h * tanh_c * o * (1 - o),
            ],
            axis=-1,
        )
        d_z = d_z.astype(recurrent.dtype)
        return (_multiply(d_z, transposed), d_c * f), d_z

    zero = jnp.zeros_like(cell[0])
    _, d_z = lax.scan(retreat, (zero, zero), (d_hidden, z, cell, previous_cell), reverse=True)
    d_recurrent = jnp.einsum("tdbu,tdbv->duv", _shift(hidden), d_z, preferred_element_type=jnp.float32)
    return d_z, d_recurrent.astype(recurrent.dtype)


scan_lstm.defvjp(_forward, _backward)
