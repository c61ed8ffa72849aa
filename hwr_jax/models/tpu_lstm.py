"""The recurrence of a bidirectional LSTM on TPUs: one kernel for all frames, and one for the gradient (Pallas).

A scan is several operations a frame, each of which goes through memory and waits for the one before. In these kernels
weights and states stay in the chip's vector memory, and only what the gradient needs is written: gates before their
functions, and the cell before every frame. The numbers are those of `hwr_jax.models.bidirectional.by_scan`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array

from hwr_jax.models.bidirectional import gates_of, multiply, retreat

# T frames, B batch, P units filled up to whole vectors, so that every gate begins with one.
LANES, _SUBLANES = 128, 16
# Of a grid step: its frames at most, its rows at most, and the bytes of its blocks, of which two lie in memory: the
# smallest that a chip has is 16 MiB (v4).
_FRAMES, _ROWS, _BYTES = 8, 256, 5 * 2**20

# Given the values of a frame, a recurrent kernel and the states: the values to write, and the states after it.
_Step = Callable[[Sequence[Array], Array, Sequence[Array]], tuple[Sequence[Array], Sequence[Array]]]


def by_pallas(forward: Array, backward: Array, recurrent: Array) -> Array:
    """What `by_scan` computes, where `bidirectional.fits_tpus`."""
    batch, units = len(forward), recurrent.shape[1]
    missing, spare = -batch % _rows_of(batch), -units % LANES
    kernels = jnp.pad(_pad_gates(recurrent, spare), ((0, 0), (0, spare), (0, 0)))
    projected = [
        jnp.pad(_pad_gates(z_BxTx4U.swapaxes(0, 1), spare), ((0, 0), (0, missing), (0, 0)))
        for z_BxTx4U in (forward, backward)
    ]
    hidden = _recur(*projected, kernels)
    return jnp.concatenate([h_TxBxP[:, :batch, :units] for h_TxBxP in hidden], axis=-1).swapaxes(0, 1)


def _rows_of(batch: int) -> int:
    """The rows of a block: all, or an equal part of them in whole vectors."""
    return batch if batch <= _ROWS else -(-batch // -(-batch // _ROWS) // _SUBLANES) * _SUBLANES


def _pad_gates(values: Array, spare: int) -> Array:
    """Units more, whose states stay zero."""
    gates = values.reshape(*values.shape[:-1], 4, -1)
    return jnp.pad(gates, [(0, 0)] * (gates.ndim - 1) + [(0, spare)]).reshape(*values.shape[:-1], -1)


@jax.custom_vjp
def _recur(forward_TxBx4P: Array, backward_TxBx4P: Array, recurrent_DxPx4P: Array) -> tuple[Array, Array]:
    outputs = _outputs(forward_TxBx4P)[:1]
    (forward,), (backward,) = _call(_advance, (forward_TxBx4P,), (backward_TxBx4P,), recurrent_DxPx4P, outputs)
    return forward, backward


def _recur_forward(forward: Array, backward: Array, recurrent: Array) -> tuple[tuple[Array, Array], tuple[Any, ...]]:
    found = _call(_advance, (forward,), (backward,), recurrent, _outputs(forward))
    return (found[0][0], found[1][0]), (*found, recurrent)


def _outputs(projected: Array) -> list[jax.ShapeDtypeStruct]:
    """Hidden states, and what the gradient needs: the cell before every frame, and gates before their functions."""
    shape = (*projected.shape[:2], projected.shape[2] // 4)
    shapes = (shape, projected.dtype), (shape, jnp.float32), (projected.shape, jnp.float32)
    return [jax.ShapeDtypeStruct(*one) for one in shapes]


def _recur_backward(residuals: tuple[Any, ...], d_hidden: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    (hidden, *forward), (hidden_backward, *backward), recurrent = residuals
    outputs = [jax.ShapeDtypeStruct(forward[1].shape, recurrent.dtype)]
    # Each direction from its last frame to its first, which of the backward direction is the left one.
    (d_backward,), (d_forward,) = _call(
        _retreat, (d_hidden[1], *backward), (d_hidden[0], *forward), recurrent[::-1], outputs
    )
    before_after = (hidden[:-1], d_forward[1:]), (hidden_backward[1:], d_backward[:-1])
    d_recurrent = [
        jnp.einsum("tbu,tbv->uv", before, d_z, preferred_element_type=jnp.float32) for before, d_z in before_after
    ]
    return d_forward, d_backward, jnp.stack(d_recurrent).astype(recurrent.dtype)


_recur.defvjp(_recur_forward, _recur_backward)


def _advance(values: Sequence[Array], recurrent: Array, states: Sequence[Array]) -> Any:
    (projected,), (hidden, cell_before) = values, states
    z = projected + multiply(hidden.astype(recurrent.dtype), recurrent)
    i, f, g, o = gates_of(z)
    cell = f * cell_before + i * g
    hidden = o * jnp.tanh(cell)
    return (hidden, cell_before, z), (hidden.astype(recurrent.dtype), cell)


def _retreat(values: Sequence[Array], recurrent: Array, states: Sequence[Array]) -> Any:
    d_out, cell_before, z = values
    i, f, g, _ = gates_of(z)
    d_z, d_c = retreat(d_out, z, f * cell_before + i * g, cell_before, *states)
    d_z = d_z.astype(recurrent.dtype)
    d_h = jax.lax.dot_general(d_z, recurrent, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)
    return (d_z,), (d_h, d_c)


def _call(
    step: _Step, rightwards: Sequence[Array], leftwards: Sequence[Array], recurrent: Array, outputs: Sequence[Any]
) -> Sequence[Sequence[Array]]:
    """Runs the step over all frames, of some arrays from the first to the last, of others from the last to the first.

    Arrays are [T, B, .]; outputs are the shapes of what the step writes, for either. Returns those of either.
    """
    total, batch, _ = rightwards[0].shape
    bytes_a_row = 2 * sum(math.prod(one.shape[2:]) * one.dtype.itemsize for one in (*rightwards, *outputs))
    rows = _rows_of(batch)
    most = max(1, min(_FRAMES, _BYTES // (rows * bytes_a_row)))
    frames = max(count for count in range(1, most + 1) if total % count == 0)
    blocks = total // frames

    def block(leftwards: bool, one: Any) -> pl.BlockSpec:
        return pl.BlockSpec((frames, rows, one.shape[2]), lambda b, t: (blocks - 1 - t if leftwards else t, b, 0))

    def kernel(*refs: Any) -> None:
        ins, outs = len(rightwards), len(outputs)
        read, write, states = (refs[:ins], refs[ins : 2 * ins]), refs[2 * ins + 1 : -2], refs[-2:]
        written = write[:outs], write[outs:]

        @pl.when(pl.program_id(1) == 0)
        def _() -> None:
            for state in states:
                state[...] = jnp.zeros_like(state)

        for place in range(frames):
            for direction, frame in enumerate((place, frames - 1 - place)):
                values = [ref[frame] for ref in read[direction]]
                before = [state[direction] for state in states]
                results, after = step(values, refs[2 * ins][direction], before)
                for ref, result in zip(written[direction], results, strict=False):
                    ref[frame] = result.astype(ref.dtype)
                for state, value in zip(states, after, strict=True):
                    state[direction] = value.astype(state.dtype)

    found = pl.pallas_call(
        kernel,
        grid=(batch // rows, blocks),
        in_specs=[
            *(block(False, one) for one in rightwards),
            *(block(True, one) for one in leftwards),
            pl.BlockSpec(recurrent.shape, lambda b, t: (0, 0, 0)),
        ],
        out_specs=[block(turned, one) for turned in (False, True) for one in outputs],
        out_shape=[*outputs, *outputs],
        scratch_shapes=[pltpu.VMEM((2, rows, recurrent.shape[1]), jnp.float32)] * 2,
        name=step.__name__.lstrip("_") + "_lstm",
        metadata={"grid_steps": str(batch // rows * blocks)},  # for experiments.compile_for
    )(*rightwards, *leftwards, recurrent)
    return found[: len(outputs)], found[len(outputs) :]
